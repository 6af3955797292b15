/** What went wrong, in the form the page shows it. */
import { RehydrateError, type ErrorCode } from '../../src/engine/errors.ts';
import { label } from './shown-text.ts';
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
  return { text: errorWords(error), code: codeOf(error), methods: Array.isArray(offered) ? offered.flatMap(methodOf) : [] };
}

/** A way to sign in, as an agent offered it. */
function methodOf(value: unknown): Problem['methods'] {
  const { id, name } = (value ?? {}) as { id?: unknown; name?: unknown };
  return typeof id === 'string' ? [{ id, name: label(name, id, 60) }] : [];
}
