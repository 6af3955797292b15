/** How a command ends: exit codes, error messages, signals. */
import type { Output } from './output.ts';
import { type Call, UsageError } from './parse.ts';
import { EXIT, usageLine } from './table.ts';
import { type ErrorCode, RehydrateError } from '../engine/errors.ts';

export interface Context {
  readonly call: Call;
  readonly output: Output;
  readonly signals: SignalSource;
}

export type Command = (context: Context) => Promise<number>;

const BY_CODE: Partial<Record<ErrorCode, number>> = {
  invalid_argument: EXIT.usage,
  session_not_resumable: EXIT.notResumable,
  resume_indeterminate: EXIT.notResumable,
  session_busy: EXIT.busy,
  turn_in_progress: EXIT.busy,
  turn_outcome_unknown: EXIT.unknown,
};

/** The signals that end the command, and what it exits with then. */
export const SIGNAL_EXITS = { SIGINT: EXIT.cancelled, SIGTERM: EXIT.terminated, SIGHUP: EXIT.hangup } as const;
export type EndingSignal = keyof typeof SIGNAL_EXITS;

/** A command whose output could not be written has failed, even if the rest went well. */
export function exitWithOutput(code: number, lost: boolean): number {
  return code === EXIT.ok && lost ? EXIT.error : code;
}

/** Replaces Node's error for a missing working directory, which does not say so. */
export function explainMissingCwd(error: unknown): unknown {
  if ((error as NodeJS.ErrnoException | null)?.syscall !== 'uv_cwd') return error;
  return new RehydrateError(
    'cwd_missing',
    'The directory in which rehydrate was called is gone. Call it in one that exists.',
    {},
    { cause: error },
  );
}

export function exitCodeOf(error: unknown): number {
  return (RehydrateError.is(error) && BY_CODE[error.code]) || EXIT.error;
}

export function printError(error: unknown, output: Output, json: boolean): void {
  if (json) output.json(errorLine(error));
  if (error instanceof UsageError) {
    output.note(`rehydrate: ${error.message}`);
    output.note(
      error.command === null
        ? 'Run “rehydrate --help” for the commands.'
        : `Usage: ${usageLine(error.command)}\nRun “rehydrate help ${error.command}” for the options.`,
    );
  } else if (RehydrateError.is(error)) {
    output.note(`rehydrate: ${error.code}: ${error.message}`);
  } else {
    // A fault of this program or of the system, so the stack is shown, too.
    output.note(`rehydrate: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
  }
}

export function errorLine(error: unknown): { type: 'error'; code: string; message: string; data: object } {
  const { code, data } = RehydrateError.is(error) ? error : { code: 'internal_error', data: {} };
  return { type: 'error', code, message: messageOf(error), data };
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

export type Ending =
  | { readonly kind: 'no' }
  | { readonly kind: 'asked' } // one Ctrl-C
  | { readonly kind: 'ending'; readonly signal: EndingSignal } // the host is put to sleep
  | { readonly kind: 'killing'; readonly signal: EndingSignal };

export type Action = 'cancel' | 'sleep' | 'kill' | 'nothing';

export function onSignal(now: Ending, signal: EndingSignal): { readonly next: Ending; readonly action: Action } {
  switch (now.kind) {
    case 'no':
      if (signal === 'SIGINT') return { next: { kind: 'asked' }, action: 'cancel' };
      return { next: { kind: 'ending', signal }, action: 'sleep' };
    case 'asked':
      if (signal === 'SIGINT') return { next: { kind: 'killing', signal }, action: 'kill' };
      return { next: { kind: 'ending', signal }, action: 'sleep' };
    case 'ending':
      // The first signal decides the exit code.
      return { next: { kind: 'killing', signal: now.signal }, action: 'kill' };
    case 'killing':
      return { next: now, action: 'nothing' };
  }
}

/** The signal that decides the exit code. `asked` is the result for a single Ctrl-C; it is null where the cancelled turn decides. */
export function endedBy(ending: Ending, asked: 'SIGINT' | null = null): EndingSignal | null {
  return 'signal' in ending ? ending.signal : ending.kind === 'asked' ? asked : null;
}

export type Interrupts = ReturnType<typeof watchInterrupts>;

export function watchInterrupts(source: SignalSource, act: (action: Exclude<Action, 'nothing'>) => void = () => undefined) {
  const abort = new AbortController();
  let ending: Ending = { kind: 'no' };
  const interrupts = {
    /** What to do on a signal. The command replaces it as it proceeds. */
    act,
    /** Aborted by the first signal. */
    signal: abort.signal,
    get ending(): Ending {
      return ending;
    },
  };
  source.on((signal) => {
    const { next, action } = onSignal(ending, signal);
    ending = next;
    if (action !== 'nothing') interrupts.act(action);
    abort.abort(new DOMException(`ended by ${signal}`, 'AbortError'));
  });
  return interrupts;
}

/** Resolves to the first signal. `insist` is called for each later one. */
export function firstSignal(source: SignalSource, insist: () => unknown = () => undefined): Promise<EndingSignal> {
  let told = false;
  return new Promise((resolve) => {
    source.on((signal) => {
      if (told) insist();
      told = true;
      resolve(signal);
    });
  });
}

const SIGNALS = Object.keys(SIGNAL_EXITS) as EndingSignal[];

export function isForwardedSignal(message: unknown): message is { readonly rehydrateSignal: EndingSignal } {
  return SIGNALS.includes((message as { rehydrateSignal?: EndingSignal } | null)?.rehydrateSignal as EndingSignal);
}

export type SignalSource = ReturnType<typeof processSignals>;

/**
 * `inner`: this is the child of a re-execution, and its parent forwards signals. Only those count, because a terminal sends its own to both
 * processes.
 */
export function processSignals(inner: boolean) {
  let listener: ((signal: EndingSignal) => void) | null = null;
  const arrived = (signal: EndingSignal) => {
    if (listener === null) process.exit(SIGNAL_EXITS[signal]);
    listener(signal);
  };
  for (const signal of SIGNALS)
    process.on(signal, () => {
      if (!inner) arrived(signal);
    });
  if (inner) {
    process.on('message', (message) => {
      if (isForwardedSignal(message)) arrived(message.rehydrateSignal);
    });
    // The parent was killed. The guard process ends the agents.
    process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'));
    process.channel?.unref();
  }
  return {
    /** Sets what a signal does from now on. With null, which is the initial state, it exits at once. */
    on(heard: typeof listener): void {
      listener = heard;
    },
  };
}
