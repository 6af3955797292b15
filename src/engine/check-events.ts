/** Events that a caller gives, as `history` gave them. */
import { shown } from './check-options.ts';
import { invalid } from './errors.ts';

/** By one of the `ways`. */
export function checkIsIterable(call: string, events: unknown, ...ways: readonly symbol[]): void {
  if (!ways.some((way) => typeof (Object(events) as Record<symbol, unknown>)[way] === 'function'))
    throw invalid(`${call} takes events, as history gives them; what it was given is ${shown(events)}.`);
}

export function checkIsEvent(call: string, event: unknown): void {
  if (!Number.isInteger((event as { seq?: unknown } | null | undefined)?.seq))
    throw invalid(`${call} takes events, which have a seq; one of them is ${shown(event)}.`);
}
