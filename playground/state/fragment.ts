/**
 * The playground's address: `#v=1&scenario=NAME&agent=NAME&step=N`.
 *
 * A link is written by a stranger. It may choose what is shown and, for agents in the tab, how far a
 * scenario has run; it carries no text to send, no address, no token and no SQL. Whatever else it
 * holds is dropped here.
 */

/** Where a link points. Everything is optional; absent means the person's own last choice. */
export interface Place {
  readonly scenario?: string;
  /** An agent of the tab by name, or one behind the bridge as `bridge:NAME`. */
  readonly agent?: string;
  /** How many steps of the scenario have run; 0 is its beginning. */
  readonly step?: number;
}

/** The only version there is. A link of another version is read as no link at all. */
export const FRAGMENT_VERSION = '1';

/** More steps than any scenario has; a larger number in a link is refused. */
export const MAX_STEP = 99;

const NAME = /^[\p{L}\p{N}][\p{L}\p{N}._:-]{0,79}$/u;

/** Reads a location's hash. Unknown keys, malformed values and other versions give nothing. */
export function parseFragment(hash: string): Place {
  const params = new URLSearchParams(hash.replace(/^#/, ''));
  if (params.get('v') !== FRAGMENT_VERSION) return {};
  const name = (key: string): string | undefined => {
    const value = params.get(key);
    return value !== null && NAME.test(value) ? value : undefined;
  };
  const step = params.get('step');
  const place: { -readonly [K in keyof Place]: Place[K] } = {};
  const scenario = name('scenario');
  const agent = name('agent');
  if (scenario !== undefined && !scenario.includes(':')) place.scenario = scenario;
  if (agent !== undefined) place.agent = agent;
  if (step !== null && /^\d{1,2}$/.test(step) && Number(step) <= MAX_STEP) place.step = Number(step);
  return place;
}

/** Writes the hash of a place, always in the same order. */
export function formatFragment(place: Place): string {
  const parts = [`v=${FRAGMENT_VERSION}`];
  if (place.scenario !== undefined) parts.push(`scenario=${encodeURIComponent(place.scenario)}`);
  if (place.agent !== undefined) parts.push(`agent=${encodeURIComponent(place.agent).replaceAll('%3A', ':')}`);
  if (place.step !== undefined) parts.push(`step=${place.step}`);
  return `#${parts.join('&')}`;
}
