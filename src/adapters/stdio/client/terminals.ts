/** ACP's `terminal/*`: commands in process groups of their own, with bounded output. */
import { statSync } from 'node:fs';
import path from 'node:path';
import { RehydrateError } from '../../../engine/errors.ts';
import type { ClientServiceRequest } from '../../../engine/ports.ts';
import { unlessAborted, within } from '../../../engine/waiting.ts';
import { type RunningProcess, startProcess } from '../agent-process.ts';
import { STDIO_LIMITS } from '../limits.ts';
import { type ClientLimits, ClientRequestError, countParam, invalid, limitExceeded, notFound, textParam } from './request.ts';
import { Tail } from '../tail.ts';

/** ACP's exit status: exactly one of the two is set. */
interface ExitStatus {
  readonly exitCode: number | null;
  readonly signal: string | null;
}

interface Terminal {
  readonly running: RunningProcess;
  readonly output: Tail;
  /** Null until the command has ended and its output was read. */
  status: ExitStatus | null;
  readonly ended: Promise<ExitStatus>;
}

export class Terminals {
  readonly #limits: ClientLimits;
  readonly #env: Readonly<Record<string, string | undefined>>;
  /** Includes those that are starting, which count against the limit, and which a release waits for. */
  readonly #terminals = new Map<string, { readonly sessionId: string; readonly started: Promise<Terminal> }>();
  #count = 0;

  constructor(limits: ClientLimits, env: Readonly<Record<string, string | undefined>>) {
    this.#limits = limits;
    this.#env = env;
  }

  async create(request: ClientServiceRequest): Promise<{ terminalId: string }> {
    const { params, sessionId, signal } = request;
    signal.throwIfAborted();
    const command = textParam(params, 'command');
    if (command === '') throw invalid('command is empty');
    const args = listParam(params, 'args', (value) => typeof value === 'string') as string[];
    const asked = countParam(params, 'outputByteLimit', 0) ?? this.#limits.outputBytes;
    if (asked > this.#limits.outputMaxBytes)
      throw limitExceeded('outputMaxBytes', this.#limits.outputMaxBytes, `outputByteLimit ${asked} is too large`);
    const cwd = params['cwd'] === undefined || params['cwd'] === null ? request.cwd : textParam(params, 'cwd');
    if (!path.isAbsolute(cwd)) throw invalid('cwd must be absolute');
    const open = this.#of(sessionId).length;
    if (open >= this.#limits.terminals)
      throw limitExceeded('terminals', this.#limits.terminals, `The session has ${open} terminals; release one first`);
    const env = envParam(params);
    // Checked here, because the system's own error would quote the text, which may be a secret.
    const given = { command: [command], args, cwd: [cwd], env: Object.entries(env).flat() };
    for (const [name, texts] of Object.entries(given)) if (texts.some((text) => text.includes('\0'))) throw invalid(`${name} holds a NUL`);
    this.#count += 1;
    const terminalId = `term_${this.#count}`;
    const started = this.#start({ command, args, cwd, env: { ...this.#env, ...env } }, asked, signal);
    this.#terminals.set(terminalId, { sessionId, started });
    try {
      await started;
      return { terminalId };
    } catch (error) {
      this.#terminals.delete(terminalId);
      throw error;
    }
  }

  async output(request: ClientServiceRequest): Promise<unknown> {
    const terminal = await this.#find(request);
    const { text: output, truncated } = terminal.output.read();
    return { output, truncated, ...(terminal.status === null ? {} : { exitStatus: terminal.status }) };
  }

  async waitForExit(request: ClientServiceRequest): Promise<ExitStatus> {
    const { ended } = await this.#find(request);
    return unlessAborted(ended, request.signal);
  }

  async kill(request: ClientServiceRequest): Promise<Record<string, never>> {
    const terminal = await this.#find(request);
    await terminal.running.end('ask');
    await terminal.ended;
    return {};
  }

  async release(request: ClientServiceRequest): Promise<Record<string, never>> {
    const terminal = await this.#find(request);
    this.#terminals.delete(textParam(request.params, 'terminalId'));
    await terminal.running.end('ask');
    return {};
  }

  /** Ends everything that a session started. */
  async releaseSession(sessionId: string): Promise<void> {
    const started = this.#of(sessionId).map(([id, terminal]) => {
      this.#terminals.delete(id);
      // A terminal that could not be started left nothing behind; `create` has reported it.
      return terminal.started.then(
        ({ running }) => running.end('ask'),
        () => undefined,
      );
    });
    await Promise.all(started);
  }

  #of(sessionId: string) {
    return [...this.#terminals].filter(([, terminal]) => terminal.sessionId === sessionId);
  }

  async #start(
    spec: { command: string; args: string[]; cwd: string; env: Record<string, string | undefined> },
    bytes: number,
    signal: AbortSignal,
  ): Promise<Terminal> {
    const running = await startProcess(
      { ...spec, what: 'command', name: spec.command, ...asProgram(spec.command, spec.args, spec.cwd) },
      { signal, keepOrphans: true, limits: { ...STDIO_LIMITS, askMs: 0, termMs: this.#limits.termMs } },
    ).catch((error: unknown) => {
      if (!RehydrateError.is(error)) throw error;
      throw new ClientRequestError(-32603, error.message, { command: spec.command, cause: error.code });
    });
    running.stdin.end();
    const output = new Tail(bytes);
    running.stdout.on('data', (chunk: Buffer) => output.push(chunk));
    running.stderr.on('data', (chunk: Buffer) => output.push(chunk));
    const read = Promise.all(
      [running.stdout, running.stderr].map((stream) => new Promise<void>((resolve) => stream.once('close', () => resolve()))),
    );
    const terminal: Terminal = {
      running,
      output,
      status: null,
      ended: running.left.then(async ({ code, signal: died, asked, sent }) => {
        // A background process may keep the output open.
        await within(read, STDIO_LIMITS.drainMs);
        // A command that we ended has not finished by itself, whatever its exit code (I8).
        const ours = asked || sent.length > 0;
        terminal.status =
          died !== null || ours ? { exitCode: null, signal: died ?? sent.at(-1) ?? 'SIGTERM' } : { exitCode: code ?? -1, signal: null };
        return terminal.status;
      }),
    };
    return terminal;
  }

  async #find({ params, sessionId }: ClientServiceRequest): Promise<Terminal> {
    const id = textParam(params, 'terminalId');
    const terminal = this.#terminals.get(id);
    if (terminal === undefined || terminal.sessionId !== sessionId) throw notFound(`terminal ${id}`, { terminalId: id });
    return terminal.started;
  }
}

/** Some agents give a whole command line as the command, which then needs a shell. */
function asProgram(command: string, args: readonly string[], cwd: string): { command: string; args: readonly string[] } {
  if (args.length > 0 || !/\s/.test(command) || isFile(path.resolve(cwd, command))) return { command, args };
  return process.platform === 'win32'
    ? { command: 'cmd.exe', args: ['/d', '/s', '/c', command] }
    : { command: '/bin/sh', args: ['-c', command] };
}

/** False also if the path cannot be looked at: a command line may be too long for a file name, or lead through a closed directory. */
function isFile(file: string): boolean {
  try {
    return statSync(file).isFile();
  } catch {
    return false;
  }
}

function listParam(params: Readonly<Record<string, unknown>>, name: string, fits: (value: unknown) => boolean): unknown[] {
  const value = params[name] ?? [];
  if (!Array.isArray(value) || !value.every(fits)) throw invalid(`${name} is not a list of what it should hold`);
  return value;
}

function envParam(params: Readonly<Record<string, unknown>>): Record<string, string> {
  const variables = listParam(params, 'env', (value) => {
    const variable = value as { name?: unknown; value?: unknown } | null;
    return typeof variable?.name === 'string' && typeof variable.value === 'string';
  }) as { name: string; value: string }[];
  return Object.fromEntries(variables.map(({ name, value }) => [name, value]));
}
