/** Loads what only a resume needs. A host asks for it when it opens, so that it is there before it is needed. */
import type * as Resuming from './resuming.ts';

let loading: Promise<typeof Resuming> | null = null;

/** Rejects when it cannot be loaded; it is asked for again the next time. */
export function loadResuming(): Promise<typeof Resuming> {
  loading ??= import('./resuming.ts').catch((error: unknown) => {
    loading = null;
    throw error;
  });
  return loading;
}
