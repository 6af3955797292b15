/** The host's side of the guard: starts it before the first agent and tells it every group. */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { MARK, readProcess } from './process-table.ts';

/** The variables that Node may need to start; the guard needs no others. */
const GUARD_ENV = ['PATH', 'LD_LIBRARY_PATH', 'DYLD_LIBRARY_PATH', 'SystemRoot', 'TEMP', 'TMP', 'TMPDIR'];

/** After so many guards that ended early, none is started again. */
const MOST_ENDED = 3;

const REMEDY =
  'so agents may outlive this process if it is killed. Keep acp-rehydrate outside of your bundle, or ship its dist/adapters/stdio/guard-process.js beside the bundle, under that name.';

function warn(what: string): void {
  process.emitWarning(`${what}, ${REMEDY}`, { code: 'REHYDRATE_NO_GUARD' });
}

/** Null in a bundle that does not know where it is (CommonJS made from modules). */
function guardFile(): string | null {
  const here = import.meta.url as string | undefined;
  if (!here?.startsWith('file:')) return null;
  // A .ts file in the sources, a .js file in the build, like this one.
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

/** Starts the guard unless it runs. Call it before an agent is spawned: the pipe holds our lines until the guard reads. */
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
    // If the system has no room for a process, the agent's own start says so, too.
    return warn(`The guard could not be started (${String(error)})`);
  }
  child = started;
  const gone = (): void => {
    if (child !== started) return;
    child = null;
    ended += 1;
    if (ended >= MOST_ENDED) return warn(`The guard, ${file}, ended ${MOST_ENDED} times`);
    // The guard was ended while it was needed: the next one is told every group again.
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

/** One for each process. */
export const guard = {
  mark,
  ready,
  /** A fresh token for one agent: `HOST.AGENT`. */
  token: (): string => `${mark}.${(tokens += 1).toString(36)}`,
  /** The variable's value for an agent: a host that is itself an agent passes its marks on. */
  variable: (token: string): string => [process.env[MARK], token].filter(Boolean).join(','),
  /** Returns when the group's leader started. */
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

/** Empty when unknown. */
function startOf(pid: number): string {
  if (process.platform !== 'linux') return '';
  try {
    return readProcess(pid)?.startTime ?? '';
  } catch {
    return '';
  }
}
