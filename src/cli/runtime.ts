/** Finds a Node that has SQLite. Nothing here may need a Node newer than 18. */
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';

const NEEDED = '22.13';
/** Set in the child's environment, so that a child that is too old does not re-execute again, forever. */
const MARK = 'REHYDRATE_REEXECUTED';
const FORWARDED = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Whether `node:sqlite` can be imported without a flag: from 22.13 on, and in 23 from 23.4 on. */
export function isNewEnough(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  if (major === 22) return minor >= 13;
  if (major === 23) return minor >= 4;
  return major > 23;
}

/** Whether this process is the child of a re-execution. Removes the mark, which agents should not inherit. */
export function isReExecuted(): boolean {
  const marked = process.env[MARK] !== undefined && process.send !== undefined;
  delete process.env[MARK];
  return marked;
}

/** Without this, Node's warning would be on the stderr of every call. All other warnings stay. */
export function silenceSqliteWarning(): void {
  const emit = process.emitWarning;
  process.emitWarning = ((warning: string | Error, ...rest: unknown[]) => {
    const text = typeof warning === 'string' ? warning : warning.message;
    if (!/^SQLite is an experimental feature/.test(text)) Reflect.apply(emit, process, [warning, ...rest]);
  }) as typeof process.emitWarning;
}

/** The binary of the npm package `node`, if that is installed beside us and new enough. */
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
 * Runs this call in a child on a newer Node, and ends as that ends. Signals are forwarded over the IPC channel, because a terminal may have
 * sent them to both processes. When this process is killed the channel breaks, and the child dies too.
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
      // The child may have ended already.
      if (child.connected) child.send({ rehydrateSignal: signal }, () => undefined);
    });
  }
  child.on('error', (error) => {
    process.stderr.write(
      `rehydrate could not run ${node}: ${error.message}. Run it with Node ${NEEDED} or newer, or reinstall that one: npm install node@24\n`,
    );
    process.exit(1);
  });
  child.on('exit', (code, signal) => {
    if (signal === null) process.exit(code ?? 1);
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
    // If this process ignores the signal, it must not exit as if all had gone well.
    setTimeout(() => process.exit(1), 1_000);
  });
}
