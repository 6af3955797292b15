/** Finding a Node that has SQLite. Nothing here may need a Node newer than 18. */
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';

const NEEDED = '22.13';
/** Set in the inner half, so that a Node that is too old does not go round forever. */
const MARK = 'REHYDRATE_REEXECUTED';
const FORWARDED = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Whether `node:sqlite` can be imported without a flag: from 22.13 on, and in 23 from 23.4 on. */
export function isNewEnough(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  if (major === 22) return minor >= 13;
  if (major === 23) return minor >= 4;
  return major > 23;
}

/** Whether this is the inner half. Takes the mark away, which agents should not inherit. */
export function isReExecuted(): boolean {
  const marked = process.env[MARK] !== undefined && process.send !== undefined;
  delete process.env[MARK];
  return marked;
}

/** It would be on every call's stderr. All other warnings stay. */
export function silenceSqliteWarning(): void {
  const emit = process.emitWarning;
  process.emitWarning = ((warning: string | Error, ...rest: unknown[]) => {
    const text = typeof warning === 'string' ? warning : warning.message;
    if (!/^SQLite is an experimental feature/.test(text)) Reflect.apply(emit, process, [warning, ...rest]);
  }) as typeof process.emitWarning;
}

/** The npm package `node`, if it is installed beside us and new enough. */
function ownNode(): string | null {
  try {
    const manifest = createRequire(import.meta.url).resolve('node/package.json');
    const { version } = JSON.parse(readFileSync(manifest, 'utf8')) as { version: string };
    const binary = path.join(path.dirname(manifest), 'bin', process.platform === 'win32' ? 'node.exe' : 'node');
    return isNewEnough(version) && existsSync(binary) ? binary : null;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'MODULE_NOT_FOUND') return null;
    throw error;
  }
}

/**
 * Runs this call on another Node and ends as it ends. Signals go over the channel between the two, since a terminal may have sent them to
 * both; when this process is killed the channel breaks, and the inner one dies too.
 */
export function reExecute(): void {
  const node = process.env[MARK] === undefined ? ownNode() : null;
  if (node === null) {
    process.stderr.write(
      `rehydrate needs Node ${NEEDED} or newer for its database; this is ${process.versions.node} (${process.execPath}).\n` +
        'Run it with a newer Node, or install one beside it: npm install node@24\n',
    );
    process.exit(1);
  }
  const child = spawn(node, process.argv.slice(1), {
    stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
    env: { ...process.env, [MARK]: '1' },
  });
  for (const signal of FORWARDED) {
    process.on(signal, () => {
      // The inner process may have ended before ours.
      if (child.connected) child.send({ rehydrateSignal: signal }, () => undefined);
    });
  }
  child.on('error', (error) => {
    process.stderr.write(
      `rehydrate could not run ${node}: ${error.message}. Run it with Node ${NEEDED} or newer, or install that one anew: npm install node@24\n`,
    );
    process.exit(1);
  });
  child.on('exit', (code, signal) => {
    if (signal === null) process.exit(code ?? 1);
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
    // A signal that this process ignores must not look like a success.
    setTimeout(() => process.exit(1), 1_000);
  });
}
