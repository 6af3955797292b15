/** Takes out of recorded frames what differs from run to run or tells where they were recorded. */

const ID = /\b(ses|msg|prt|per|call|evt|que)_[A-Za-z0-9]{4,}\b/g;
const TIME = /\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z\b/g;

/**
 * A function that rewrites a JSON value: `places` by their replacements, identifiers by `prefix_1`, `prefix_2` in the order
 * they are first met (the same one everywhere), times by the epoch, and numbers of milliseconds since the epoch by 0.
 */
export function scrubber(places: Readonly<Record<string, string>>): <T>(value: T) => T {
  const names = new Map<string, string>();
  const counts = new Map<string, number>();
  const rename = (id: string, prefix: string): string => {
    let name = names.get(id);
    if (!name) {
      const count = (counts.get(prefix) ?? 0) + 1;
      counts.set(prefix, count);
      name = `${prefix}_${count}`;
      names.set(id, name);
    }
    return name;
  };
  const text = (value: string): string => {
    let out = value;
    for (const [place, instead] of Object.entries(places).sort(([a], [b]) => b.length - a.length)) out = out.replaceAll(place, instead);
    return out.replace(ID, rename).replace(TIME, '1970-01-01T00:00:00.000Z');
  };
  return <T>(value: T): T =>
    JSON.parse(JSON.stringify(value), (_key, inner: unknown) => {
      if (typeof inner === 'string') return text(inner);
      if (typeof inner === 'number' && inner > 1_000_000_000_000) return 0;
      return inner;
    }) as T;
}
