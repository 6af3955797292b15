import { spawn } from 'node:child_process';
import { PROJECT_NODE, ROOT, inRoot } from './paths.mjs';

/** A failure that a person can act on: printed without a stack. */
export class SetupError extends Error {
  name = 'SetupError';
}

/** The environment of everything we start: the checkout's own programs first on PATH. */
export function projectEnv(extra = {}) {
  return { ...process.env, ...extra, PATH: `${inRoot('node_modules/.bin')}:${process.env.PATH ?? ''}` };
}

/** What `run` has started and has not ended yet. */
const running = new Set();

/** Passes SIGTERM and SIGHUP on to what is running and then goes the same way. Ctrl-C reaches it without us. */
export function endWithChildren() {
  for (const [signal, code] of [
    ['SIGTERM', 143],
    ['SIGHUP', 129],
    ['SIGINT', 130],
  ]) {
    process.once(signal, () => {
      for (const child of running) child.kill(signal);
      process.exit(code);
    });
  }
}

/**
 * Runs a program to its end.
 *
 * @param {string} command
 * @param {string[]} args
 * @param {{ cwd?: string, env?: NodeJS.ProcessEnv, stdio?: 'inherit' | 'capture', signal?: AbortSignal }} [options]
 * @returns {Promise<{ code: number, signal: string | null, output: string }>} `code` is 127 when it could not start.
 */
export function run(command, args, { cwd = ROOT, env = projectEnv(), stdio = 'inherit', signal } = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      cwd,
      env,
      stdio: stdio === 'inherit' ? 'inherit' : ['ignore', 'pipe', 'pipe'],
    });
    running.add(child);
    child.once('close', () => running.delete(child));
    const chunks = [];
    child.stdout?.on('data', (chunk) => chunks.push(chunk));
    child.stderr?.on('data', (chunk) => chunks.push(chunk));
    const output = () => Buffer.concat(chunks).toString('utf8');
    const abort = () => child.kill('SIGTERM');
    signal?.addEventListener('abort', abort, { once: true });
    child.once('error', (error) => resolve({ code: 127, signal: null, output: `${output()}${error.message}\n` }));
    child.once('close', (code, killed) => {
      signal?.removeEventListener('abort', abort);
      resolve({ code: code ?? 1, signal: killed, output: output() });
    });
  });
}

/**
 * Goes on with the running script on the checkout's own Node: does nothing when this already is
 * that version, else runs it there, passes signals on, and exits as it did.
 */
export async function continueOnProjectNode(minimum = 24) {
  if (Number(process.versions.node.split('.')[0]) >= minimum) return;
  const child = spawn(PROJECT_NODE, process.argv.slice(1), {
    cwd: process.cwd(),
    env: projectEnv({ REHYDRATE_SKIP_INSTALL: '1' }),
    // The channel tells the child when this process is gone, however it went.
    stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
  });
  // Ctrl-C reaches the child too, as it is in our group; a signal sent to this process alone does not.
  const forwarded = ['SIGINT', 'SIGTERM', 'SIGHUP'];
  for (const name of forwarded) process.on(name, () => name !== 'SIGINT' && child.kill(name));
  const [code, signal] = await new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (...how) => resolve(how));
  });
  if (signal) {
    for (const name of forwarded) process.removeAllListeners(name);
    process.kill(process.pid, signal);
    return new Promise(() => {});
  }
  process.exit(code);
}

/** Runs a script's body: a `SetupError` is its message alone, anything else its stack; both exit 1. */
export async function main(body) {
  try {
    await body();
  } catch (error) {
    console.error(error instanceof SetupError ? `\n${error.message}` : error);
    process.exit(1);
  }
}
