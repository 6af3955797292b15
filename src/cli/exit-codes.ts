/** From how a call went to the exit code of the process (content/docs/reference/command.mdx). Pure. */
import { RehydrateError } from '../engine/errors.ts';
import type { ErrorCode } from '../engine/errors.ts';
import { UsageError } from './parse.ts';

export const EXIT = {
  ok: 0,
  error: 1,
  usage: 2,
  notResumable: 3,
  busy: 4,
  unknown: 5,
  hangup: 129,
  cancelled: 130,
  terminated: 143,
} as const;

/** What the exit codes mean, for the help and the documentation. */
export const EXIT_CODES: readonly (readonly [code: number, meaning: string])[] = [
  [EXIT.ok, 'the turn ended, or what was asked for was done'],
  [EXIT.error, 'any other error, a locked or unreadable database and lost output among them'],
  [EXIT.usage, 'usage: the call itself is wrong, or what an option or a word says'],
  [EXIT.notResumable, 'the session is not resumable, or that cannot be told'],
  [EXIT.busy, 'the session is busy, or a turn of it is running'],
  [EXIT.unknown, 'the outcome of the turn is unknown, a cancelled one that did not end in time too; it is not sent again'],
  [EXIT.hangup, 'ended by SIGHUP, the turn interrupted'],
  [EXIT.cancelled, 'cancelled by Ctrl-C; a second one kills the agent'],
  [EXIT.terminated, 'ended by SIGTERM, the turn interrupted'],
];

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

/** A call that went well and whose output did not arrive whole has not done what was asked. */
export function exitWithOutput(code: number, lost: boolean): number {
  return code === EXIT.ok && lost ? EXIT.error : code;
}

export function exitCodeOf(error: unknown): number {
  if (error instanceof UsageError) return EXIT.usage;
  if (RehydrateError.is(error)) return BY_CODE[error.code] ?? EXIT.error;
  return EXIT.error;
}
