/** Runs the built `rehydrate` as real processes, with scripted agents, in a scratch directory each. */
import { spawn, spawnSync } from 'node:child_process';
import type { ChildProcess, ChildProcessByStdio } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { Readable, Writable } from 'node:stream';
import type { ResumeReport, SessionEvent } from '../../../src/engine/types.ts';

const ROOT = path.resolve(import.meta.dirname, '../../..');
export const BIN = path.join(ROOT, 'dist/cli/rehydrate.js');
/** The scripted agent as one file, which starts in half the time. */
export const AGENT = path.join(ROOT, '.setup/testing/agents/stdio.js');

/** How long a build may take on a busy machine. */
export const BUILD_MS = 300_000;

/** dist/ and the tests' agents as the sources are; nothing is done when they are that already. */
export function build(): void {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['scripts/build-lib.mjs'], { cwd: ROOT, encoding: 'utf8' });
  if (status !== 0) throw new Error(`the library does not build:\n${stdout}${stderr}`);
}

export interface Line {
  readonly type: 'report' | 'event' | 'result' | 'error' | 'session' | 'hit';
  readonly report?: ResumeReport;
  readonly event?: SessionEvent;
  readonly hit?: { readonly sessionId: string };
  readonly turnId?: string;
  readonly stopReason?: string;
  readonly repeated?: boolean;
  readonly code?: string;
  readonly message?: string;
  readonly data?: Record<string, unknown>;
}

export interface Done {
  readonly code: number | null;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
  /** stdout as JSON lines. */
  readonly lines: readonly Line[];
}

export interface Running {
  readonly child: ChildProcess;
  readonly pid: number;
  readonly done: Promise<Done>;
  /** Resolves when stdout and stderr together hold the text. */
  saw(text: string): Promise<void>;
  /** stdout so far. */
  stdout(): string;
}

export interface Scratch {
  readonly directory: string;
  readonly db: string;
  readonly store: string;
  /** The words of an agent that keeps its sessions in this scratch directory. */
  agent(variant?: string, ...more: string[]): string[];
  start(args: readonly string[], options?: StartOptions): Running;
  /** The same for who reads the output itself, as bytes. */
  spawn(args: readonly string[]): ChildProcessByStdio<Writable, Readable, null>;
  run(args: readonly string[], options?: StartOptions): Promise<Done>;
  /** `serve` with this database, once it listens, and the agent `demo` that these words start. */
  serve(agent: readonly string[], ...options: string[]): Promise<Serving>;
  /** `prompt --json` with this database. */
  prompt(text: string, variant?: string, ...options: string[]): Promise<Done>;
  /** Processes that carry this scratch directory in their command line, but for those given. */
  left(): string[];
  remove(): void;
}

export interface Serving {
  readonly running: Running;
  readonly url: string;
  readonly token: string;
  /** The words of an editor's `acp` that leads to it. */
  readonly editor: readonly string[];
}

export interface StartOptions {
  readonly env?: NodeJS.ProcessEnv;
  readonly stdin?: string;
  readonly cwd?: string;
  readonly node?: string;
}

export function scratch(): Scratch {
  const directory = mkdtempSync(path.join(os.tmpdir(), 'rehydrate-cli-'));
  const db = path.join(directory, 'sessions.sqlite');
  const store = path.join(directory, 'store');
  const agent = (variant = 'native', ...more: string[]) => [process.execPath, AGENT, '--variant', variant, '--store', store, ...more];
  const env = { ...process.env, HOME: directory, XDG_STATE_HOME: path.join(directory, 'state') };
  const start = (args: readonly string[], options: StartOptions = {}): Running => {
    const child = spawn(options.node ?? process.execPath, [BIN, ...args], {
      cwd: options.cwd ?? directory,
      env: { ...env, ...options.env },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    let stdout = '';
    let stderr = '';
    const waiting = new Set<() => void>();
    const heard = () => waiting.forEach((look) => look());
    child.stdout.setEncoding('utf8').on('data', (text: string) => ((stdout += text), heard()));
    child.stderr.setEncoding('utf8').on('data', (text: string) => ((stderr += text), heard()));
    child.stdin.on('error', () => undefined);
    if (options.stdin !== undefined) child.stdin.end(options.stdin);
    const done = new Promise<Done>((resolve) => {
      child.on('close', (code, signal) => {
        resolve({
          code,
          signal,
          stdout,
          stderr,
          get lines() {
            return stdout
              .split('\n')
              .filter((line) => line !== '')
              .map((line) => JSON.parse(line) as Line);
          },
        });
      });
    });
    const saw = (text: string) =>
      new Promise<void>((resolve, reject) => {
        const look = () => {
          if (!(stdout + stderr).includes(text)) return;
          waiting.delete(look);
          resolve();
        };
        waiting.add(look);
        look();
        void done.then(() => reject(new Error(`it ended without saying “${text}”:\n${stdout}\n${stderr}`)));
      });
    return { child, pid: child.pid as number, done, saw, stdout: () => stdout };
  };
  const run = (args: readonly string[], options: StartOptions = {}) => start(args, { stdin: '', ...options }).done;
  const serve = async (words: readonly string[], ...options: string[]): Promise<Serving> => {
    const tokenFile = path.join(directory, 'token');
    const running = start(['serve', '--db', db, '--json', '--token-file', tokenFile, ...options, '--agent', `demo=${words.join(' ')}`]);
    await running.saw('\n');
    const { url, token } = JSON.parse(running.stdout().split('\n')[0] as string) as Pick<Serving, 'url' | 'token'>;
    return { running, url, token, editor: ['acp', '--connect', url, '--token-file', tokenFile, '--agent', 'demo'] };
  };
  return {
    directory,
    db,
    store,
    agent,
    start,
    spawn: (args) => spawn(process.execPath, [BIN, ...args], { cwd: directory, env, stdio: ['pipe', 'pipe', 'ignore'] }),
    run,
    serve,
    prompt: (text, variant, ...options) => run(['prompt', '--db', db, '--json', ...options, text, '--', ...agent(variant)]),
    left: () => processesWith(directory),
    remove: () => rmSync(directory, { recursive: true, force: true }),
  };
}

/** Command lines of living processes that hold the text. Zombies have none. */
export function processesWith(text: string): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        const line = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
        return line.includes(text) ? [`${pid} ${line}`] : [];
      } catch {
        return []; // it ended while we looked
      }
    });
}

/** Polls until there is no process with the text, which must come by itself. */
export async function gone(text: string, withinMs = 90_000): Promise<void> {
  const deadline = Date.now() + withinMs;
  for (let left = processesWith(text); left.length > 0; left = processesWith(text)) {
    if (Date.now() > deadline) throw new Error(`still running:\n${left.join('\n')}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

export const replyOf = (done: Done): string =>
  done.lines
    .flatMap(({ event }) =>
      event?.kind === 'update' &&
      event.origin === 'agent' &&
      event.payload.sessionUpdate === 'agent_message_chunk' &&
      event.payload.content.type === 'text'
        ? [event.payload.content.text]
        : [],
    )
    .join('');
export const tierOf = (done: Done): string | undefined => done.lines.find((line) => line.type === 'report')?.report?.tier;
export const errorOf = (done: Done): string | undefined => done.lines.find((line) => line.type === 'error')?.code;
