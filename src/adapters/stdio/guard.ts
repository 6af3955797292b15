/** The host's end of the guard: starts it before the first agent and tells it of every group. */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { MARK, readProcess } from './process-table.ts';

/** The few variables a Node process may need to start; the guard has no business with the others. */
const GUARD_ENV = ['PATH', 'LD_LIBRARY_PATH', 'DYLD_LIBRARY_PATH', 'SystemRoot', 'TEMP', 'TMP', 'TMPDIR'];

/** After so many guards that ended before this process did, none is tried again. */
const MOST_ENDED = 3;

const REMEDY =
  'so agents may outlive this process if it is killed. Keep acp-rehydrate outside of your bundle, or ship its dist/adapters/stdio/guard-process.js beside the bundle, under that name.';

function warn(what: string): void {
  process.emitWarning(`${what}, ${REMEDY}`, { code: 'REHYDRATE_NO_GUARD' });
}

/** The program, or null in a bundle that does not know where it lies (CommonJS made from modules). */
function guardFile(): string | null {
  const here = import.meta.url as string | undefined;
  if (!here?.startsWith('file:')) return null;
  // From the sources it is a .ts file, from the build a .js file: the same kind as this one.
  return fileURLToPath(new URL(here.endsWith('.ts') ? './guard-process.ts' : './guard-process.js', here));
}

class Guard {
  /** The host's part of every mark: unguessable, so that no other program's environment has it by chance. */
  readonly mark = randomBytes(12).toString('hex');
  readonly #groups = new Map<number, string>();
  #child: ChildProcess | null = null;
  #count = 0;
  #ended = 0;

  /** A fresh token for one agent: `HOST.AGENT`. */
  token(): string {
    this.#count += 1;
    return `${this.mark}.${this.#count.toString(36)}`;
  }

  /** The variable's value for an agent: a host that is itself an agent keeps the marks it was given. */
  variable(token: string): string {
    const inherited = process.env[MARK];
    return inherited === undefined || inherited === '' ? token : `${inherited},${token}`;
  }

  /** Makes sure that the guard runs. Call it before an agent is spawned: its pipe holds our lines until it reads. */
  ready(): void {
    if (this.#child !== null || this.#ended >= MOST_ENDED) return;
    const file = guardFile();
    if (file === null || !existsSync(file)) return warn(`${file ?? 'The guard’s program'} is not there`);
    const env: NodeJS.ProcessEnv = { ELECTRON_RUN_AS_NODE: '1' };
    for (const name of GUARD_ENV) if (process.env[name] !== undefined) env[name] = process.env[name];
    let child: ChildProcess;
    try {
      child = spawn(process.execPath, [file], { detached: true, stdio: ['pipe', 'ignore', 'ignore'], env, cwd: '/', windowsHide: true });
    } catch (error) {
      // A system without room for one more process: the agent's own start will say so too.
      return warn(`The guard could not be started (${String(error)})`);
    }
    this.#child = child;
    const gone = (): void => {
      if (this.#child !== child) return;
      this.#child = null;
      this.#ended += 1;
      if (this.#ended >= MOST_ENDED) return warn(`The guard, ${file}, ended ${MOST_ENDED} times`);
      // Somebody ended the guard while it was needed: the next one learns of every group again.
      if (this.#groups.size > 0) setTimeout(() => this.#groups.size > 0 && this.ready(), 100).unref();
    };
    child.once('exit', gone);
    child.once('error', gone);
    child.stdin?.on('error', gone);
    child.unref();
    (child.stdin as unknown as { unref?: () => void }).unref?.();
    this.#tell(`mark ${this.mark}`);
    for (const [pgid, start] of this.#groups) this.#tell(`+ ${pgid} ${start}`);
  }

  /** Gives back when the group's leader started. */
  add(pgid: number): string {
    const start = startOf(pgid);
    this.#groups.set(pgid, start);
    this.#tell(`+ ${pgid} ${start}`);
    return start;
  }

  remove(pgid: number): void {
    if (this.#groups.delete(pgid)) this.#tell(`- ${pgid}`);
  }

  #tell(line: string): void {
    if (this.#child?.stdin?.writable === true) this.#child.stdin.write(`${line}\n`);
  }
}

/** Empty when it cannot be told. */
function startOf(pid: number): string {
  if (process.platform !== 'linux') return '';
  try {
    return readProcess(pid)?.startTime ?? '';
  } catch {
    return '';
  }
}

/** One for each host process. */
export const guard = new Guard();
