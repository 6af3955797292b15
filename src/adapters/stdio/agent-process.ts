/** One agent's process: started in a process group of its own, and ended as a whole tree. */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import type { Socket } from 'node:net';
import type { Readable, Writable } from 'node:stream';
import { guard } from './guard.ts';
import type { StdioLimits } from './limits.ts';
import { MARK } from './process-table.ts';
import { cwdProblem, type Started, startProblem } from './start-problem.ts';
import { Tail } from './tail.ts';
import { ProcessTree, type TreeSignal, sendBlindly } from './tree.ts';
import { RehydrateError } from '../../engine/errors.ts';
import type { AgentExit, DroppedLines } from '../../engine/ports.ts';
import { within } from '../../engine/waiting.ts';

export interface ProcessSpec extends Started {
  readonly args: readonly string[];
  /** The whole environment; the mark is added. */
  readonly env: Readonly<Record<string, string | undefined>>;
}

export interface StartOptions {
  readonly signal?: AbortSignal;
  readonly limits: StdioLimits;
  /** Processes that the leader leaves behind live on until `end()`, instead of being ended with it. */
  readonly keepOrphans?: boolean;
}

/** How much of a dropped line is reported. */
const DROPPED_CHARS = 500;

type Child = ChildProcessByStdio<Writable, Readable, Readable>;

const windows = process.platform === 'win32';

/**
 * Starts a program as leader of its own process group. Rejects with `RehydrateError` (`cwd_missing`,
 * `agent_start_failed`), or with the signal's reason when it aborts first; nothing runs then.
 */
export async function startProcess(spec: ProcessSpec, options: StartOptions): Promise<RunningProcess> {
  options.signal?.throwIfAborted();
  const missing = cwdProblem(spec);
  if (missing !== null) throw missing;
  guard.ready();
  const token = guard.token();
  let child: Child;
  try {
    child = spawn(spec.command, [...spec.args], {
      cwd: spec.cwd,
      env: { ...spec.env, [MARK]: guard.variable(token) },
      detached: !windows,
      stdio: ['pipe', 'pipe', 'pipe'],
      windowsHide: true,
    });
  } catch (error) {
    throw startProblem(spec, error);
  }
  // A failed write must not end the host. `#inputClosed` handles an agent that keeps running.
  child.stdin.on('error', () => undefined);
  child.stdout.on('error', () => undefined);
  child.stderr.on('error', () => undefined);
  const running = child.pid === undefined ? null : new RunningProcess(child, child.pid, token, options);
  await new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve);
    child.once('error', (error) => reject(cwdProblem(spec) ?? startProblem(spec, error)));
  });
  if (running === null)
    throw new RehydrateError('agent_start_failed', `The agent '${spec.name}' started without a process id.`, { agent: spec.name });
  // Later errors are signals that could not be delivered; `survivors` shows whether they were.
  child.on('error', () => undefined);
  if (options.signal?.aborted === true) {
    await running.end('kill');
    throw options.signal.reason;
  }
  return running;
}

/** A running agent, with its output as bytes. */
export class RunningProcess {
  readonly pid: number;
  readonly stdin: Writable;
  readonly stdout: Readable;
  /** Is already being read, for the diagnostics. */
  readonly stderr: Readable;
  /** Settles when the whole tree is gone; never rejects. */
  readonly exited: Promise<AgentExit>;
  /** Settles when the leader itself has exited, whatever it left behind. */
  readonly left: Promise<ExitFacts>;
  readonly tree: ProcessTree;
  readonly #limits: StdioLimits;
  readonly #tail: Tail;
  readonly #stderrDone: Promise<void>;
  readonly #hurry = Promise.withResolvers<void>();
  readonly #settled = Promise.withResolvers<AgentExit>();
  #leader: ExitFacts | null = null;
  #asked = false;
  #hurried = false;
  #sent: TreeSignal[] = [];
  #ending = false;
  #why: string | undefined;
  #dropped: DroppedLines | null = null;
  /** Whether the last look at the process table failed. */
  #blind = false;

  constructor(child: Child, pid: number, token: string, { limits, keepOrphans = false }: StartOptions) {
    this.pid = pid;
    this.stdin = child.stdin;
    this.stdout = child.stdout;
    this.stderr = child.stderr;
    this.exited = this.#settled.promise;
    this.#limits = limits;
    this.tree = new ProcessTree(pid, token, guard.add(pid));
    this.#tail = new Tail(limits.stderrBytes);
    child.stderr.on('data', (chunk: Buffer) => this.#tail.push(chunk));
    child.stdin.once('error', () => this.#inputClosed());
    this.#stderrDone = new Promise((resolve) => child.stderr.once('close', () => resolve()));
    this.left = new Promise((resolve) => {
      child.once('exit', (code, signal) => {
        this.#leader = { code, signal, asked: this.#asked, sent: [...this.#sent], why: this.#why };
        resolve(this.#leader);
        // The exit of an agent that ends by itself is complete only when what it left behind has been ended, too.
        if (keepOrphans) void this.#lives().then((lives) => lives || this.#begin(async () => this.#settle()));
        else this.#begin(() => this.#endOrphans());
      });
    });
  }

  end(how: 'ask' | 'kill'): Promise<AgentExit> {
    if (this.#leader === null) this.#asked = true;
    if (how === 'kill') {
      this.#hurried = true;
      this.#hurry.resolve();
    }
    this.#begin(() => this.#endTree());
    return this.exited;
  }

  /** A write failed. The agent has exited, is exiting, or has closed its input and keeps running; the last is ended. */
  #inputClosed(): void {
    const timer = setTimeout(() => {
      if (this.#leader !== null || this.#asked) return;
      this.#why = 'it closed its standard input and stayed';
      void this.end('kill');
    }, this.#limits.deafMs);
    void this.left.then(() => clearTimeout(timer));
  }

  /** Begins to end the tree, once; later calls join in. `ending` never rejects, and always settles the exit. */
  #begin(ending: () => Promise<void>): void {
    if (this.#ending) return;
    this.#ending = true;
    void ending();
  }

  diagnostics(): string {
    return this.#tail.lines();
  }

  /** Adds a line that was not JSON-RPC to the diagnostics. */
  note(line: Uint8Array | string): void {
    this.#tail.push(line);
    this.#tail.push('\n');
  }

  /** Counts a line that was meant to be a message but is not one, and adds its beginning to the diagnostics. */
  drop(line: string): void {
    const last = line.slice(0, DROPPED_CHARS);
    this.#dropped = { lines: (this.#dropped?.lines ?? 0) + 1, last };
    this.note(`[this line of its output is not one JSON-RPC message, and was dropped] ${last}${last === line ? '' : '…'}`);
  }

  get dropped(): DroppedLines | null {
    return this.#dropped;
  }

  async #endTree(): Promise<void> {
    // Listed while the tree is whole, so that a child which leaves the process group later is still known.
    if (!this.#hurried) {
      await this.#look(() => this.tree.survivors());
      this.stdin.end();
      if (await this.#goneWithin(this.#limits.askMs)) return this.#settle();
    }
    await this.#terminate(this.#limits.termMs);
  }

  async #endOrphans(): Promise<void> {
    if (await this.#lives()) await this.#terminate(this.#limits.orphanMs);
    else this.#settle();
  }

  /** Sends SIGTERM (unless `kill` was asked for), and SIGKILL after `graceMs`. */
  async #terminate(graceMs: number): Promise<void> {
    if (!this.#hurried) {
      await this.#signal('SIGTERM');
      if (await this.#goneWithin(graceMs)) return this.#settle();
    }
    const deadline = performance.now() + this.#limits.goneMs;
    // Repeated, because a process may have forked between the look and the signal.
    do {
      await this.#signal('SIGKILL');
      if (await this.#goneWithin(Math.min(250, Math.max(1, deadline - performance.now())), true)) return this.#settle();
    } while (performance.now() < deadline);
    const left = await this.#look(() => this.tree.survivors());
    const who = left === null ? 'perhaps, which cannot be seen' : left.map((entry) => entry.pid).join(', ');
    this.note(`Still there after SIGKILL and ${this.#limits.goneMs} ms (goneMs): ${who}.`);
    this.#settle();
  }

  async #signal(signal: TreeSignal): Promise<void> {
    if (this.#leader === null) this.#sent.push(signal);
    const seen = await this.#look(() => this.tree.signal(signal).then(() => true));
    if (seen === null) sendBlindly(this.pid, this.#leader === null, signal);
  }

  /** Whether any process of the tree is left. If that cannot be seen, true. */
  async #lives(): Promise<boolean> {
    return (await this.#look(() => this.tree.lives())) ?? true;
  }

  /** Runs a look at the process table; null if that cannot be read (no free descriptor, or `ps` does not start). */
  async #look<T>(look: () => Promise<T>): Promise<T | null> {
    try {
      const seen = await look();
      this.#blind = false;
      return seen;
    } catch (error) {
      if (!this.#blind) this.note(`Its process tree cannot be seen: ${error instanceof Error ? error.message : String(error)}.`);
      this.#blind = true;
      return null;
    }
  }

  /** Waits until leader and tree are gone. False when the time is over, or when `kill` is asked for and `patient` is not set. */
  async #goneWithin(ms: number, patient = false): Promise<boolean> {
    const deadline = performance.now() + ms;
    const hurry = patient ? new Promise<void>(() => undefined) : this.#hurry.promise;
    if (this.#leader === null) await within(Promise.race([this.left, hurry]), ms);
    for (let pause = 5; ; pause = Math.min(50, pause * 2)) {
      if (this.#leader !== null && (windows || !(await this.#lives()))) return true;
      const left = deadline - performance.now();
      if (left <= 0 || (this.#hurried && !patient)) return false;
      await within(hurry, Math.min(pause, left));
    }
  }

  #settle(): void {
    guard.remove(this.pid);
    this.stdin.destroy();
    // All known writers are gone, so the rest of stderr can be read at once. `drainMs` is for a writer that we cannot see.
    void within(this.#stderrDone, this.#limits.drainMs).then(() => {
      const facts = this.#leader ?? { code: null, signal: 'SIGKILL', asked: true, sent: ['SIGKILL'] };
      this.#settled.resolve(exitOf(facts, this.#tail.lines(this.#limits.exitStderrBytes)));
      this.stderr.destroy();
      this.#watchOutput();
    });
  }

  /** Closes a stdout that stays open although the known tree is gone: as soon as it is silent, at the latest after a few looks. */
  #watchOutput(): void {
    const stdout = this.stdout as Socket;
    if (stdout.destroyed) return;
    if (stdout.readableFlowing === null) {
      // Nobody ever read it, so nobody would notice that it ends.
      stdout.destroy();
      return;
    }
    let seen = -1;
    let looks = 0;
    const watch = setInterval(() => {
      if (stdout.readableFlowing && (stdout.bytesRead === seen || ++looks > DRAIN_LOOKS)) stdout.destroy();
      seen = stdout.readableFlowing ? stdout.bytesRead : -1;
    }, this.#limits.drainMs).unref();
    stdout.once('close', () => clearInterval(watch));
  }
}

/** How many looks may find more output after the tree is gone. What was in the pipe then is read before the first. */
const DRAIN_LOOKS = 4;

/** What is known of how a leader ended. */
export interface ExitFacts {
  readonly code: number | null;
  readonly signal: string | null;
  /** Whether `end()` had been called before. */
  readonly asked: boolean;
  /** The signals that we had sent before, in order. */
  readonly sent: readonly string[];
  /** Why they were sent, if the agent gave a reason. */
  readonly why?: string;
}

/** How an agent ended (I8). An exit code after a signal of ours still counts as killed, because the agent did not end when asked. */
export function exitOf({ code, signal, asked, sent, why }: ExitFacts, lines: string): AgentExit {
  const stderr = lines || undefined;
  const lastSent = sent.at(-1);
  if (signal !== null)
    return sent.includes(signal) ? { kind: 'killed', code: null, signal, why, stderr } : { kind: 'signalled', code: null, signal, stderr };
  if (lastSent !== undefined) return { kind: 'killed', code: code ?? -1, signal: lastSent, why, stderr };
  if (code !== 0) return { kind: 'failed', code: code ?? -1, signal: null, stderr };
  return { kind: asked ? 'ended' : 'quit', code, signal, stderr };
}
