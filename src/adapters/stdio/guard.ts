/** The host's side of the guard: starts it before the first agent and tells it every group. */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { MARK, readProcess } from './process-table.ts';

/** The variables that Node may need to start; the guard needs no others. */
const GUARD_ENV = ['PATH', 'LD_LIBRARY_PATH', 'DYLD_LIBRARY_PATH', 'SystemRoot', 'TEMP', 'TMP', 'TMPDIR'];

/** After this many guards that ended too early, none is started again. */
const MOST_ENDED = 3;

const REMEDY =
  'so agents may outlive this process if it is killed. Keep acp-rehydrate outside of your bundle, or ship its dist/adapters/stdio/guard-process.js beside the bundle, under that name.';

function warn(what: string): void {
  process.emitWarning(`${what}, ${REMEDY}`, { code: 'REHYDRATE_NO_GUARD' });
}

/** The guard's program; null in a bundle that does not know its own place (CommonJS made from modules). */
function guardFile(): string | null {
  const here = import.meta.url as string | undefined;
  if (!here?.startsWith('file:')) return null;
  // Like this file, it is a .ts file in the sources and a .js file in the build.
  return fileURLToPath(new URL(here.endsWith('.ts') ? './guard-process.ts' : './guard-process.js', here));
}

/** The host's part of every mark: random, so that no other program has it by chance. */
const mark = randomBytes(12).toString('hex');
/** The groups of this host's agents, with their leaders' start times. */
const groups = new Map<number, string>();
let child: ChildProcess | null = null;
let tokens = 0;
let ended = 0;

function tell(line: string): void {
  if (child?.stdin?.writable === true) child.stdin.write(`${line}\n`);
}

/** Starts the guard unless it is running. Called before an agent is spawned; the pipe keeps our lines until the guard reads them. */
function ready(): void {
  if (child !== null || ended >= MOST_ENDED) return;
  const file = guardFile();
  if (file === null || !existsSync(file)) return warn(`${file ?? 'The guard’s program'} is not there`);
  const env: NodeJS.ProcessEnv = { ELECTRON_RUN_AS_NODE: '1' };
  for (const name of GUARD_ENV) if (process.env[name] !== undefined) env[name] = process.env[name];
  let started: ChildProcess;
  try {
    started = spawn(process.execPath, [file], { detached: true, stdio: ['pipe', 'ignore', 'ignore'], env, cwd: '/', windowsHide: true });
  } catch (error) {
    // Not an error: if the system has no room for a process, the start of the agent says so.
    return warn(`The guard could not be started (${String(error)})`);
  }
  child = started;
  const gone = (): void => {
    if (child !== started) return;
    child = null;
    ended += 1;
    if (ended >= MOST_ENDED) return warn(`The guard, ${file}, ended ${MOST_ENDED} times`);
    // It ended while it was needed, so another is started, which is told every group again.
    if (groups.size > 0) setTimeout(() => groups.size > 0 && ready(), 100).unref();
  };
  started.once('exit', gone);
  started.once('error', gone);
  started.stdin?.on('error', gone);
  started.unref();
  (started.stdin as unknown as { unref?: () => void }).unref?.();
  tell(`mark ${mark}`);
  for (const [pgid, start] of groups) tell(`+ ${pgid} ${start}`);
}

/** The guard of this process. */
export const guard = {
  mark,
  ready,
  /** A fresh token for one agent: `HOST.AGENT`. */
  token: (): string => `${mark}.${(tokens += 1).toString(36)}`,
  /** The value of `REHYDRATE_MARK` for an agent. A host that is itself an agent passes on its own marks. */
  variable: (token: string): string => [process.env[MARK], token].filter(Boolean).join(','),
  /** Tells the guard of a group. Returns the start time of its leader. */
  add(pgid: number): string {
    const start = startOf(pgid);
    groups.set(pgid, start);
    tell(`+ ${pgid} ${start}`);
    return start;
  },
  remove(pgid: number): void {
    if (groups.delete(pgid)) tell(`- ${pgid}`);
  },
};

/** A process's start time; empty if unknown. */
function startOf(pid: number): string {
  if (process.platform !== 'linux') return '';
  try {
    return readProcess(pid)?.startTime ?? '';
  } catch {
    return '';
  }
}
