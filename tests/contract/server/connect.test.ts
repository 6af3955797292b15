/** The built `rehydrate serve`, and `rehydrate acp --connect` in front of it, as an editor runs it. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { beforeAll, expect } from 'vitest';
import { stdioMessages } from '../../../src/cli/stdio-messages.ts';
import { AGENT, BIN, build, BUILD_MS, processesWith, scratch } from '../../integration/cli/harness.ts';
import { PROTOCOL } from '../../support/protocol.ts';
import { serveAcpContract } from './contract.ts';

beforeAll(build, BUILD_MS);

serveAcpContract({
  name: 'over rehydrate serve and acp --connect',
  shared: true,
  brief: true,
  async place(variant) {
    const at = scratch();
    const tokenFile = path.join(at.directory, 'token');
    const clients: ChildProcess[] = [];
    let server: { readonly child: ChildProcess; readonly url: string } | null = null;
    const run = (args: readonly string[]) =>
      spawn(process.execPath, [BIN, ...args], {
        cwd: at.directory,
        env: { ...process.env, HOME: at.directory, XDG_STATE_HOME: path.join(at.directory, 'state') },
        stdio: ['pipe', 'pipe', 'ignore'],
      });
    const serve = async () => {
      const agent = [process.execPath, AGENT, '--variant', variant, '--store', at.store, '--pace', '0'].join(' ');
      const child = run([
        'serve',
        '--db',
        at.db,
        '--protocol',
        PROTOCOL,
        '--json',
        '--allow-mcp',
        '--token-file',
        tokenFile,
        '--agent',
        `demo=${agent}`,
      ]);
      let line = '';
      while (!line.includes('\n')) line += String((await once(child.stdout as NodeJS.ReadableStream, 'data'))[0]);
      return { child, url: (JSON.parse(line) as { url: string }).url };
    };
    const ended = async (child: ChildProcess) => {
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
      return child.exitCode;
    };
    const sleep = async () => {
      for (const child of clients.splice(0)) {
        child.stdin?.end();
        expect(await ended(child)).toBe(0);
      }
      if (server) {
        server.child.kill('SIGTERM');
        expect(await ended(server.child)).toBe(143);
        server = null;
      }
      expect(at.left()).toEqual([]);
    };
    return {
      cwd: at.directory,
      async connect() {
        server ??= await serve();
        const child = run(['acp', '--connect', server.url, '--token-file', tokenFile, '--agent', 'demo']);
        clients.push(child);
        return stdioMessages(child.stdout as NodeJS.ReadableStream as never, child.stdin as never, 2 ** 25);
      },
      sleep,
      async killAgent() {
        const own = [server?.child.pid, ...clients.map((child) => child.pid)];
        const agents = processesWith(at.store)
          .map((line) => Number.parseInt(line, 10))
          .filter((pid) => !own.includes(pid));
        for (const pid of agents) process.kill(pid, 'SIGKILL');
        // Whoever started them has taken note of their end: until then the pid is theirs.
        await expect.poll(() => agents.filter((pid) => existsSync(`/proc/${pid}`)), { timeout: 20_000 }).toEqual([]);
      },
      async loseStore() {
        for (const name of readdirSync(at.store)) rmSync(path.join(at.store, name), { recursive: true });
      },
      async remove() {
        await sleep();
        at.remove();
      },
    };
  },
});
