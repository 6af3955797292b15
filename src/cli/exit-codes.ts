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
