/** What the page has to say: what went wrong, in the form it is shown, and notes. */
import { signal } from '@preact/signals';
import { RehydrateError, type ErrorCode } from '../../src/engine/errors.ts';
import { errorWords, label } from './words.ts';

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

export class Notices {
  readonly problem = signal<Problem | null>(null);
  readonly note = signal<string | null>(null);
  /** What a link asks for and was not done. */
  readonly link = signal<string | null>(null);

  clear(): void {
    this.problem.value = null;
    this.note.value = null;
    this.link.value = null;
  }

  addLink(words: string | null): void {
    if (words !== null) this.link.value = this.link.value === null ? words : `${this.link.value} ${words}`;
  }

  /** Does what a person asked for; what goes wrong is shown. */
  async attempt(run: () => Promise<unknown>): Promise<void> {
    try {
      await run();
    } catch (error) {
      this.problem.value = problemOf(error);
    }
  }
}
