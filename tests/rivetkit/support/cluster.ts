/** The engine and a runner, for one test file, with a home of their own; both gone at the end. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { createClient } from 'rivetkit/client';
import type { registry } from './registry.ts';

export interface Cluster {
  readonly endpoint: string;
  readonly home: string;
  client(): ReturnType<typeof createClient<typeof registry>>;
  /** `kill -9` of the runner; what it started is left to the guards. */
  killRunner(): Promise<void>;
  startRunner(): Promise<void>;
  /** Processes that carry this cluster's mark, by what they are. */
  processes(): { pid: number; command: string }[];
  stop(): Promise<void>;
}

const MARK = 'REHYDRATE_TEST_CLUSTER';

export async function startCluster(): Promise<Cluster> {
  const home = mkdtempSync(path.join(os.tmpdir(), 'rehydrate-rivetkit-'));
  const port = await freePort();
  const mark = path.basename(home);
  let runner: ChildProcess | null = null;

  async function startRunner(): Promise<void> {
    const child = spawn(process.execPath, [path.join(import.meta.dirname, 'runner.ts')], {
      env: { ...process.env, HOME: home, XDG_DATA_HOME: path.join(home, 'data'), XDG_STATE_HOME: path.join(home, 'state'), ENGINE_PORT: String(port), AGENT_STORE: path.join(home, 'agents'), [MARK]: mark },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    runner = child;
    let said = '';
    child.stderr?.on('data', (chunk) => (said += String(chunk)));
    await new Promise<void>((resolve, reject) => {
      child.stdout?.on('data', (chunk) => {
        said += String(chunk);
        if (said.includes('ready')) resolve();
      });
      child.once('exit', (code) => reject(new Error(`the runner ended with ${code}:\n${said}`)));
    });
  }

  const processes = () => marked(`${MARK}=${mark}`);
  /** The engine answers before its runner is known to it; a call that comes through says that all is there. */
  async function ready(): Promise<void> {
    const client = createClient<typeof registry>(`http://127.0.0.1:${port}`);
    for (let tries = 0; ; tries++) {
      try {
        await client.bare.getOrCreate(['ready', String(tries)]).ping();
        return;
      } catch (error) {
        if (tries >= 60) throw error;
        await new Promise((resolve) => setTimeout(resolve, 500));
      }
    }
  }

  const start = async () => {
    await startRunner();
    await ready();
  };
  await start();
  return {
    endpoint: `http://127.0.0.1:${port}`,
    home,
    client: () => createClient<typeof registry>(`http://127.0.0.1:${port}`),
    startRunner: start,
    async killRunner() {
      const child = runner;
      if (!child || child.exitCode !== null) return;
      const gone = once(child, 'exit');
      child.kill('SIGKILL');
      await gone;
    },
    processes,
    async stop() {
      runner?.kill('SIGKILL');
      // The engine outlives the runner that started it: both are ours by their mark, and nothing else is.
      for (let tries = 0; tries < 50; tries++) {
        const left = processes();
        if (left.length === 0) break;
        for (const { pid } of left) {
          try {
            process.kill(pid, 'SIGKILL');
          } catch (error) {
            if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
          }
        }
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
      rmSync(home, { recursive: true, force: true });
    },
  };
}

/** Live processes with this variable in their environment (Linux). */
function marked(variable: string): { pid: number; command: string }[] {
  const found = [];
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    try {
      if (!readFileSync(`/proc/${entry}/environ`, 'utf8').split('\0').includes(variable)) continue;
      if (/^State:\s+Z/m.test(readFileSync(`/proc/${entry}/status`, 'utf8'))) continue;
      found.push({ pid: Number(entry), command: readFileSync(`/proc/${entry}/cmdline`, 'utf8').replaceAll('\0', ' ') });
    } catch (error) {
      // Gone while we looked.
      if (!['ENOENT', 'ESRCH', 'EACCES'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
    }
  }
  return found;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}
