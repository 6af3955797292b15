/** A long log needs little memory. */
import type { SessionEvent } from '../types.ts';
import type { HistoryRange } from './store.ts';

const PAGE = 500;

/** Oldest first, until the end or as long as the signal lets it. `read` is a host's `history`, say. */
export async function* logPages(
  read: (range: HistoryRange) => Promise<readonly SessionEvent[]>,
  range: HistoryRange,
  { page: size = PAGE, signal }: { readonly page?: number; readonly signal?: AbortSignal } = {},
): AsyncGenerator<readonly SessionEvent[], void> {
  const { before = Infinity, limit = Infinity } = range;
  let [after, left] = [range.after ?? 0, limit];
  while (left > 0 && after < before - 1 && !signal?.aborted) {
    const most = Math.min(size, left);
    const page = await read({ ...range, after, limit: most });
    if (page.length > 0) yield page;
    if (page.length < most) return;
    left -= page.length;
    after = page.at(-1)!.seq;
  }
}
