/** Reads a log page by page, so that a long one needs little memory. */
import type { SessionEvent } from '../types.ts';
import type { HistoryRange } from './store.ts';

const PAGE = 500;

/** Oldest first, until the end of the range or until the signal aborts. `read` reads one page, as a host's `history` does. */
export async function* logPages(
  read: (range: HistoryRange) => Promise<readonly SessionEvent[]>,
  range: HistoryRange,
  { page: size = PAGE, signal }: { readonly page?: number; readonly signal?: AbortSignal } = {},
): AsyncGenerator<readonly SessionEvent[], void> {
  const { before = Infinity, limit = Infinity } = range;
  let after = range.after ?? 0;
  let left = limit;
  while (left > 0 && after < before - 1 && !signal?.aborted) {
    const wanted = Math.min(size, left);
    const page = await read({ ...range, after, limit: wanted });
    if (page.length > 0) yield page;
    if (page.length < wanted) return;
    left -= page.length;
    after = page.at(-1)!.seq;
  }
}
