/** What the caller of a prompt is told when the host failed after sending it. */
import { RehydrateError } from '../errors.ts';
import { interruptedBy } from './lease.ts';

/**
 * The failure under its own code, where it has one (`storage_full`, say), with `data.turnId` as the sign that the prompt
 * was sent; else `turn_outcome_unknown`. Either way the record says, or will, that the turn was interrupted.
 */
export function failedAfterSending(error: unknown, turnId: string): RehydrateError {
  const words = `the host failed: ${error instanceof Error ? error.message : String(error)}`;
  const data = { turnId, cause: { kind: 'host_failed', words } };
  if (RehydrateError.is(error)) {
    return new RehydrateError(
      error.code,
      `${error.message} The prompt of turn ${turnId} had been sent: what became of it is unknown.`,
      { ...error.data, ...data },
      { cause: error },
    );
  }
  return new RehydrateError('turn_outcome_unknown', interruptedBy(data.cause, turnId).error?.message ?? words, data, { cause: error });
}
