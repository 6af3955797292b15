/** Running programs as somebody outside of the checkout would. */
import { spawn } from 'node:child_process';
import path from 'node:path';

export const ROOT = path.resolve(import.meta.dirname, '../../..');
/** What runs the tests: new enough for the library. */
export const NODE = process.execPath;

export interface Ran {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly out: string;
  readonly err: string;
}

export interface RunOptions {
  readonly cwd: string;
  readonly env?: NodeJS.ProcessEnv;
}

/** Runs a program to its end, whatever that is. */
export function run(command: string, args: readonly string[], { cwd, env = strangersEnv() }: RunOptions): Promise<Ran> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
    let out = '';
    let err = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text));
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code, signal, out, err }));
  });
}

/** Runs a program that has to succeed; gives its standard output. */
export async function must(command: string, args: readonly string[], options: RunOptions): Promise<string> {
  const { code, signal, out, err } = await run(command, args, options);
  if (code !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${signal ?? code}:\n${out}${err}`);
  return out;
}

/**
 * The environment without what `npm test` and the checkout put there: the same npm settings, a `node` that is
 * new enough, and no program of the checkout on PATH.
 */
export function strangersEnv(): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env).filter(
    ([name]) =>
      !/^(?:npm_(?:package|lifecycle|command|node_execpath|execpath|config_local_prefix)|INIT_CWD|NODE_|VITEST|TEST$|REHYDRATE_)/.test(
        name,
      ),
  );
  const searched = (process.env['PATH'] ?? '')
    .split(path.delimiter)
    .filter((each) => !each.includes('node_modules') && !path.resolve(each).startsWith(ROOT));
  // The directory of the checkout's own Node holds that and nothing else.
  return { ...Object.fromEntries(inherited), PATH: [path.dirname(NODE), ...searched].join(path.delimiter) };
}
