/** The built command, as an editor runs it. */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { beforeAll, expect } from 'vitest';
import { stdioMessages } from '../../../src/cli/stdio-messages.ts';
import { build, BUILD_MS, processesWith, scratch } from '../../integration/cli/harness.ts';
import { PROTOCOL } from '../../support/protocol.ts';
import { serveAcpContract } from './contract.ts';

beforeAll(build, BUILD_MS);

serveAcpContract({
  name: 'over stdio',
  shared: false,
  async place(variant) {
    const at = scratch();
    const running: ChildProcess[] = [];
    const sleep = async () => {
      for (const child of running.splice(0)) {
        child.stdin?.end();
        if (child.exitCode === null) await once(child, 'exit');
        expect(child.exitCode).toBe(0);
      }
      // I7: nothing of the agents is left when it has ended.
      expect(at.left()).toEqual([]);
    };
    return {
      cwd: at.directory,
      async connect() {
        const child = at.spawn(['acp', '--db', at.db, '--protocol', PROTOCOL, '--', ...at.agent(variant, '--pace', '0')]);
        running.push(child);
        return stdioMessages(child.stdout, child.stdin, 2 ** 25);
      },
      sleep,
      async killAgent() {
        const pids = processesWith(at.store).map((line) => Number.parseInt(line, 10));
        const agents = pids.filter((pid) => running.every((child) => child.pid !== pid));
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
