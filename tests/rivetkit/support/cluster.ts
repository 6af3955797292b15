/**
 * The engine and its runners, for one test file, with a home of their own; all gone at the end. The engine is a
 * process of its own beside them, as in a cluster: a runner that dies takes nothing of it along.
 */
import { getEnginePath } from '@rivetkit/engine-cli';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { createClient } from 'rivetkit/client';
import { AGENT_FILE } from '../../faults/engine-host/programs.ts';
import { readAgentLog, type AgentLogLine } from '../../faults/engine-host/agent-log.ts';
import type { registry } from './registry.ts';

export type TestClient = ReturnType<typeof createClient<typeof registry>>;

/** A process that runs actors. */
export interface Runner {
  readonly pid: number;
  /** Resolves when the process is gone, however it went. */
  readonly exited: Promise<void>;
  /** `kill -9`, and no more; nothing where it is gone already. */
  die(): void;
  /** `kill -9`; what it started is left to the guards. Resolves when it is gone and the engine has noticed. */
  kill(): Promise<void>;
  /** SIGTERM, as a deploy does: its actors sleep, and it ends. Resolves when it is gone. */
  stop(): Promise<void>;
}

export interface Cluster {
  readonly endpoint: string;
  readonly home: string;
  /** A new client; it keeps nothing open unless something connects. */
  client(): TestClient;
  /** Starts one more, of this folder's runner or another program, and resolves when the engine gives actors to it. */
  startRunner(env?: Readonly<Record<string, string>>, program?: string, args?: readonly string[]): Promise<Runner>;
  /** `kill -9` of every runner there is. */
  killRunners(): Promise<void>;
  /** Live processes that carry this cluster's mark, by what they are. */
  processes(): { pid: number; command: string }[];
  /** The agents that live. */
  agents(): { pid: number; command: string }[];
  /** What the agents were started for and given, in order. */
  agentLog(): AgentLogLine[];
  /** What the engine wrote, for a failure's message. */
  engineLog(): string;
  /** What the runners wrote, likewise. */
  runnerLog(): string;
  stop(): Promise<void>;
}

const MARK = 'REHYDRATE_TEST_CLUSTER';
const NAMESPACE = 'default';
const RUNNER = path.join(import.meta.dirname, 'runner.ts');

/**
 * The engine's own thresholds, shortened. An actor of a dead runner is given to another once that runner was silent for
 * `envoy_lost_threshold` (15 s by default), looked at that often; one that finds no runner at all is tried again after
 * `base_retry_timeout`, doubled each time up to 2^8 (two seconds to nine minutes by default). A client's connection is
 * told that its runner is gone after `gateway_tunnel_ping_timeout_ms` (30 s), looked at every `gateway_gc_interval_ms` (15 s).
 */
const ENGINE_ENV = {
  RIVET__PEGBOARD__ENVOY_LOST_THRESHOLD: '3000',
  RIVET__PEGBOARD__ENVOY_UPDATE_PING_INTERVAL: '300',
  RIVET__PEGBOARD__BASE_RETRY_TIMEOUT: '250',
  RIVET__PEGBOARD__RESCHEDULE_BACKOFF_MAX_EXPONENT: '2',
  RIVET__PEGBOARD__GATEWAY_UPDATE_PING_INTERVAL_MS: '500',
  RIVET__PEGBOARD__GATEWAY_TUNNEL_PING_TIMEOUT_MS: '4000',
  RIVET__PEGBOARD__GATEWAY_GC_INTERVAL_MS: '1000',
  // The engine takes on less work, new actors and reallocations among it, as the whole machine nears 90 % of its processors:
  // on one that runs tests that is always. Told of a thousand processors, it never does.
  RIVET__RUNTIME__WORKER_CPU_MAX: '1000000',
  RIVET__TELEMETRY__ENABLED: 'false',
};

/** Starts the engine and so many runners. */
export async function startCluster({ runners: wanted = 1 }: { readonly runners?: number } = {}): Promise<Cluster> {
  const home = mkdtempSync(path.join(os.tmpdir(), 'rehydrate-rivetkit-'));
  const mark = path.basename(home);
  const own = { HOME: home, XDG_DATA_HOME: path.join(home, 'data'), XDG_STATE_HOME: path.join(home, 'state'), [MARK]: mark };
  const children = new Set<ChildProcess>();
  const runners = new Set<Runner>();

  const engineFile = path.join(home, 'engine.log');
  const engineLog = () => readFileSync(engineFile, 'utf8').slice(-4_000);
  let endpoint = '';
  for (let taken = 0; ; taken += 1) {
    const port = await freePorts();
    endpoint = `http://127.0.0.1:${port}`;
    const engine = startEngine(engineFile, port, { ...process.env, ...own });
    children.add(engine);
    const ended = () => engine.exitCode !== null || engine.signalCode !== null;
    await until(
      async () =>
        ended() ||
        (await fetch(`${endpoint}/health`).then(
          (response) => response.ok,
          () => false,
        )),
      'the engine answers',
      90_000,
    );
    if (!ended()) break;
    children.delete(engine);
    // Between the look and the engine somebody else may take a port: nothing can keep it for the engine.
    if (taken >= 5 || !/address (?:already )?in use|AddrInUse|EADDRINUSE/i.test(engineLog()))
      throw new Error(`the engine ended with ${engine.exitCode ?? engine.signalCode}:\n${engineLog()}`);
  }

  /** The runners that the engine gives actors to. */
  async function listed(): Promise<string[]> {
    const response = await fetch(`${endpoint}/envoys?namespace=${NAMESPACE}`, { headers: { authorization: 'Bearer dev' } });
    if (!response.ok) return [];
    return ((await response.json()) as { envoys: { envoy_key: string }[] }).envoys.map((envoy) => envoy.envoy_key);
  }

  let runnerLog = '';
  async function startRunner(env: Readonly<Record<string, string>> = {}, program = RUNNER, args: readonly string[] = []): Promise<Runner> {
    const known = await listed();
    let key: string | undefined;
    const child = spawn(process.execPath, [program, ...args], {
      cwd: path.dirname(program),
      env: {
        ...process.env,
        ...own,
        ENGINE: endpoint,
        RIVET_ENDPOINT: endpoint,
        RIVET_RUN_SERVICES: '0',
        AGENT_STORE: path.join(home, 'agents'),
        AGENT_LOG: path.join(home, 'agents.log'),
        ...env,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    children.add(child);
    let said = '';
    for (const output of [child.stdout, child.stderr]) {
      output?.on('data', (chunk) => {
        said = (said + String(chunk)).slice(-8_000);
        runnerLog = (runnerLog + String(chunk)).slice(-8_000);
      });
    }
    const exited = once(child, 'exit').then(() => void (children.delete(child), runners.delete(runner)));
    const runner: Runner = {
      pid: child.pid as number,
      exited,
      die: () => void child.kill('SIGKILL'),
      async kill() {
        child.kill('SIGKILL');
        await exited;
        await until(async () => !(await listed()).includes(key as string), 'the engine noticed that the runner is gone');
      },
      async stop() {
        child.kill('SIGTERM');
        await exited;
      },
    };
    await until(
      async () => {
        if (!children.has(child)) throw new Error(`the runner ended with ${child.exitCode ?? child.signalCode}:\n${said}`);
        // It names itself; one that was not there before is this one, since they start one after the other.
        key = (await listed()).find((one) => !known.includes(one));
        return key !== undefined;
      },
      `the engine knows the runner\n${said}`,
      90_000,
    );
    runners.add(runner);
    return runner;
  }

  const processes = () => marked(`${MARK}=${mark}`);
  const cluster: Cluster = {
    endpoint,
    home,
    client: () => createClient<typeof registry>(endpoint),
    startRunner,
    async killRunners() {
      await Promise.all([...runners].map((runner) => runner.kill()));
    },
    processes,
    agents: () => processes().filter(({ command }) => command.includes(AGENT_FILE)),
    agentLog: () => readAgentLog(path.join(home, 'agents.log')),
    engineLog,
    runnerLog: () => runnerLog,
    async stop() {
      for (const child of children) child.kill('SIGKILL');
      // Guards and agents follow by themselves; what does not is ours by its mark, and nothing else is.
      for (const deadline = Date.now() + 10_000; ; await wait(50)) {
        const left = processes();
        if (left.length === 0) break;
        if (Date.now() > deadline) for (const { pid } of left) end(pid);
      }
      rmSync(home, { recursive: true, force: true });
    },
  };
  try {
    for (let i = 0; i < wanted; i++) await startRunner();
    return cluster;
  } catch (error) {
    await cluster.stop();
    throw error;
  }
}

function startEngine(log: string, port: number, env: NodeJS.ProcessEnv): ChildProcess {
  const output = openSync(log, 'w');
  const host = '127.0.0.1';
  const child = spawn(getEnginePath(), ['start'], {
    env: {
      ...env,
      ...ENGINE_ENV,
      ...Object.fromEntries(
        (['GUARD', 'API_PEER', 'METRICS'] as const).flatMap((part, index) => [
          [`RIVET__${part}__HOST`, host],
          [`RIVET__${part}__PORT`, String(port + index)],
        ]),
      ),
      RIVET__FILE_SYSTEM__PATH: path.join(path.dirname(log), 'engine'),
    },
    stdio: ['ignore', output, output],
  });
  closeSync(output);
  return child;
}

const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Waits for what must come; says what it was when it does not. */
export async function until(condition: () => boolean | Promise<boolean>, what: string, ms = 180_000): Promise<void> {
  for (const deadline = Date.now() + ms; ; await wait(50)) {
    if (await condition()) return;
    if (Date.now() > deadline) throw new Error(`it never came to be: ${what}`);
  }
}

function end(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
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

/** The first of three free ports in a row. */
async function freePorts(): Promise<number> {
  for (let tries = 0; ; tries++) {
    const first = createServer().listen(0, '127.0.0.1');
    await once(first, 'listening');
    const { port } = first.address() as { port: number };
    const servers = [first];
    try {
      for (const next of [port + 1, port + 2]) {
        const server = createServer().listen(next, '127.0.0.1');
        await once(server, 'listening');
        servers.push(server);
      }
      return port;
    } catch (error) {
      if (tries > 20) throw error;
    } finally {
      await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
    }
  }
}
