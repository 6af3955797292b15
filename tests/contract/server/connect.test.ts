/** The built `rehydrate serve`, and `rehydrate acp --connect` in front of it, as an editor runs it. */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { beforeAll, expect } from 'vitest';
import { stdioMessages } from '../../../src/cli/stdio-messages.ts';
import { build, BUILD_MS, processesWith, scratch, type Serving } from '../../integration/cli/harness.ts';
import { PROTOCOL } from '../../support/protocol.ts';
import { serveAcpContract } from './contract.ts';

beforeAll(build, BUILD_MS);

serveAcpContract({
  name: 'over rehydrate serve and acp --connect',
  shared: true,
  brief: true,
  async place(variant) {
    const at = scratch();
    const clients: ChildProcess[] = [];
    let server: Promise<Serving> | null = null;
    const ended = async (child: ChildProcess) => {
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
      return child.exitCode;
    };
    const sleep = async () => {
      for (const client of clients.splice(0)) {
        client.stdin?.end();
        expect(await ended(client)).toBe(0);
      }
      if (server) {
        const { running } = await server;
        running.child.kill('SIGTERM');
        expect(await ended(running.child)).toBe(143);
        server = null;
      }
      expect(at.left()).toEqual([]);
    };
    return {
      cwd: at.directory,
      async connect() {
        server ??= at.serve(at.agent(variant, '--pace', '0'), '--protocol', PROTOCOL, '--allow-mcp');
        const client = at.spawn((await server).editor);
        clients.push(client);
        return stdioMessages(client.stdout, client.stdin, 2 ** 25);
      },
      sleep,
      async killAgent() {
        const own = [(await server)?.running.pid, ...clients.map(({ pid }) => pid)];
        const agents = processesWith(at.store)
          .map((line) => Number.parseInt(line, 10))
          .filter((pid) => !own.includes(pid));
        for (const pid of agents) process.kill(pid, 'SIGKILL');
        // Whoever started them has taken note of their end: until then the pid is theirs.
        await expect.poll(() => agents.filter((pid) => existsSync(`/proc/${pid}`))).toEqual([]);
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
