/** Errors in words: for people on stderr and, where JSON was asked for, for programs on stdout. */
import { RehydrateError } from '../engine/errors.ts';
import { usageLine } from './help.ts';
import type { Output } from './output.ts';
import { UsageError } from './parse.ts';

export function tell(error: unknown, output: Output, json: boolean): void {
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
    // Not one of the contract's errors: a fault of this program or of the system under it, so all of it is told.
    output.note(`rehydrate: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
  }
}

/** The error as a JSON line. What has no code of its own is named `internal_error`. */
export function errorLine(error: unknown): { type: 'error'; code: string; message: string; data: unknown } {
  if (error instanceof UsageError) return { type: 'error', code: 'invalid_argument', message: error.message, data: { usage: true } };
  if (RehydrateError.is(error)) return { type: 'error', code: error.code, message: error.message, data: error.data };
  return { type: 'error', code: 'internal_error', message: messageOf(error), data: {} };
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
