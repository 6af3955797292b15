/**
 * A link to the playground: `#v=1&scenario=NAME&agent=NAME&step=N`.
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
  /** What the link says and this page cannot use, for people. */
  readonly problem?: string;
}

/** The only version there is. A link of another version is read as no link at all. */
export const FRAGMENT_VERSION = '1';

const NAME = /^[\p{L}\p{N}][\p{L}\p{N}._:-]{0,79}$/u;

/** Reads a location's hash. Unknown keys give nothing; malformed values and other versions give nothing, and say so. */
export function parseFragment(hash: string): Place {
  const params = new URLSearchParams(hash.replace(/^#/, ''));
  const version = params.get('v');
  if (version !== FRAGMENT_VERSION) {
    const link = version !== null || params.has('scenario');
    const says = version === null ? 'has no version' : `is of version ${version.slice(0, 20)}`;
    return link ? { problem: `This link ${says}, and this page knows version ${FRAGMENT_VERSION}: nothing of it was used.` } : {};
  }
  const unread: string[] = [];
  const read = <T>(key: string, value: (text: string) => T | undefined): T | undefined => {
    const text = params.get(key);
    const found = text === null ? undefined : value(text);
    if (text !== null && found === undefined) unread.push(key);
    return found;
  };
  const name = (text: string) => (NAME.test(text) ? text : undefined);
  const scenario = read('scenario', (text) => (text.includes(':') ? undefined : name(text)));
  const agent = read('agent', name);
  const step = read('step', (text) => (/^\d{1,2}$/.test(text) ? Number(text) : undefined));
  return {
    ...(scenario === undefined ? {} : { scenario }),
    ...(agent === undefined ? {} : { agent }),
    ...(step === undefined ? {} : { step }),
    ...(unread.length > 0 ? { problem: `What this link says as its ${unread.join(' and ')} cannot be read, and was not used.` } : {}),
  };
}

/** Writes the hash of a place, always in the same order. */
export function formatFragment(place: Place): string {
  const parts = [`v=${FRAGMENT_VERSION}`];
  if (place.scenario !== undefined) parts.push(`scenario=${encodeURIComponent(place.scenario)}`);
  if (place.agent !== undefined) parts.push(`agent=${encodeURIComponent(place.agent).replaceAll('%3A', ':')}`);
  if (place.step !== undefined) parts.push(`step=${place.step}`);
  return `#${parts.join('&')}`;
}
