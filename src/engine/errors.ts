/** The closed list of error codes, for programs to branch on. */
export const ERROR_CODES = [
  'invalid_argument',
  'session_not_found',
  'session_exists',
  'session_busy',
  'session_not_resumable',
  'resume_indeterminate',
  'auth_required',
  'agent_not_found',
  'agent_start_failed',
  'agent_timeout',
  'agent_exited',
  'agent_protocol_error',
  'turn_in_progress',
  'prompt_cancelled',
  'aborted',
  'turn_outcome_unknown',
  'idempotency_conflict',
  'secret_missing',
  'cwd_missing',
  'limit_exceeded',
  'database_too_new',
  'database_corrupt',
  'storage_full',
  'storage_unavailable',
  'host_closed',
] as const;

export type ErrorCode = (typeof ERROR_CODES)[number];

/**
 * The library's only error type. `message` says what happened, to what, and what to do next; `data` has the particulars as plain JSON.
 *
 * @example
 * if (RehydrateError.is(error) && error.code === 'session_busy') console.log(error.data['owner']);
 */
export class RehydrateError extends Error {
  override readonly name = 'RehydrateError';
  readonly code: ErrorCode;
  readonly data: Readonly<Record<string, unknown>>;

  constructor(code: ErrorCode, message: string, data: Readonly<Record<string, unknown>> = {}, options?: { cause?: unknown }) {
    super(message, options);
    this.code = code;
    this.data = data;
  }

  toJSON(): { code: ErrorCode; message: string; data: Readonly<Record<string, unknown>> } {
    return { code: this.code, message: this.message, data: this.data };
  }

  /** Whether it is an error of this library, even if it comes from another bundle or realm. */
  static is(error: unknown): error is RehydrateError {
    return (
      error instanceof Error && error.name === 'RehydrateError' && ERROR_CODES.includes((error as { code?: ErrorCode }).code as ErrorCode)
    );
  }
}

export function invalid(message: string, data?: Readonly<Record<string, unknown>>): RehydrateError {
  return new RehydrateError('invalid_argument', message, data);
}

/** The caller's own signal was aborted before the call was done. */
export function aborted(call: string, reason: unknown): RehydrateError {
  const why = reason instanceof Error ? reason.message : String(reason);
  return new RehydrateError(
    'aborted',
    `${call} was given up: its signal was aborted (${why}). Call it again when you want to.`,
    {},
    { cause: reason },
  );
}

export function sessionExists(sessionId: string): RehydrateError {
  return new RehydrateError(
    'session_exists',
    `There is a session "${sessionId}" already. Prompt it, delete it first, or choose another id.`,
    { sessionId },
  );
}

export function sessionNotFound(sessionId: string): RehydrateError {
  return new RehydrateError(
    'session_not_found',
    `There is no session "${sessionId}" in this database. List the sessions, or create it first.`,
    { sessionId },
  );
}
