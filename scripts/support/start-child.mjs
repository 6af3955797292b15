/** `npm start` as a child process, for tests that need the whole thing. */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { PROJECT_NODE, ROOT, inRoot } from './paths.mjs';
import { projectEnv } from './run.mjs';

/**
 * Starts it and waits until it says where it is.
 *
 * @param {string[]} args further arguments of `npm start`
 * @param {NodeJS.ProcessEnv} [env] further environment, which agents inherit
 * @returns {Promise<{ url: string, pid: number, exited: Promise<{ code: number | null, signal: string | null }>, stop(signal?: NodeJS.Signals): Promise<{ code: number | null, signal: string | null }> }>}
 */
export async function startChild(args = [], env = {}) {
  const child = spawn(PROJECT_NODE, [inRoot('scripts/start.mjs'), '--no-open', '--json', '--port', '0', ...args], {
    cwd: ROOT,
    env: projectEnv({ REHYDRATE_SKIP_INSTALL: '1', ...env }),
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
  return {
    url: JSON.parse(first).url,
    pid: child.pid,
    exited,
    stop: (signal = 'SIGTERM') => {
      child.kill(signal);
      return exited;
    },
  };
}
