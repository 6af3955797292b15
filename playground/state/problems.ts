/** What went wrong, in the form the page shows it. */
import { RehydrateError, type ErrorCode } from '../../src/engine/errors.ts';
import { errorWords } from './words.ts';

export interface Problem {
  readonly text: string;
  readonly code: ErrorCode | 'other';
  /** Ways to sign in that the agent offered. */
  readonly methods: readonly { readonly id: string; readonly name: string }[];
}

export function codeOf(error: unknown): ErrorCode | 'other' {
  return RehydrateError.is(error) ? error.code : 'other';
}

export function problemOf(error: unknown): Problem {
  const offered = RehydrateError.is(error) ? error.data['authMethods'] : undefined;
  return { text: errorWords(error), code: codeOf(error), methods: Array.isArray(offered) ? (offered as Problem['methods']) : [] };
}
