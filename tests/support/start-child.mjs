/** `npm start` as a child process, for tests that need the whole thing. */
import { execFileSync, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { inRoot, PROJECT_NODE, projectEnv, ROOT } from '../../scripts/support/setup.mjs';

/**
 * Starts it and waits until it says where it is.
 *
 * @param {string[]} args further arguments of `npm start`
 * @param {NodeJS.ProcessEnv} [env] further environment, which agents inherit
 * @returns {Promise<{ url: string, address: string, letIn(): Promise<{ name: string, value: string }>, pid: number, exited: Promise<{ code: number | null, signal: string | null }>, stop(signal?: NodeJS.Signals): Promise<{ code: number | null, signal: string | null }> }>}
 */
export async function startChild(args = [], env = {}) {
  // What it serves is built from; `npm start` does so in its set-up.
  execFileSync(PROJECT_NODE, [inRoot('scripts/build-lib.mjs')], { stdio: ['ignore', 'ignore', 'inherit'] });
  const child = spawn(PROJECT_NODE, [inRoot('scripts/start.mjs'), '--no-open', '--json', '--port', '0', ...args], {
    cwd: ROOT,
    env: projectEnv(env),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const exited = new Promise((resolve) => child.once('close', (code, signal) => resolve({ code, signal })));
  let said = '';
  child.stderr.on('data', (chunk) => (said = (said + chunk).slice(-20_000)));
  const lines = createInterface({ input: child.stdout });
  const first = await Promise.race([
    new Promise((resolve) => lines.once('line', resolve)),
    exited.then(({ code, signal }) => {
      throw new Error(`npm start ended (${signal ?? code}) before it was ready:\n${said}`);
    }),
  ]);
  const { url, address } = JSON.parse(first);
  let next = Promise.resolve(address);
  return {
    url,
    address,
    /** Does what a browser does with the printed address, and gives the cookie it gets. */
    letIn: async () => {
      const mine = await next;
      next = new Promise((resolve) => lines.once('line', (line) => resolve(JSON.parse(line).address)));
      const { headers } = await fetch(mine, { redirect: 'manual' });
      const [, name, value] = /^([^=]+)=([^;]+)/.exec(headers.get('set-cookie') ?? '') ?? [];
      if (value === undefined) throw new Error(`${mine} let nobody in.`);
      return { name, value };
    },
    pid: child.pid,
    exited,
    stop: (signal = 'SIGTERM') => {
      child.kill(signal);
      return exited;
    },
  };
}
