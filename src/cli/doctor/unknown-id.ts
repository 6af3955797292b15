/**
 * A session id that looks like the agent's own and is not one: same length, same kinds of characters, same prefix.
 * An agent that checks an id's form before it looks for the session then has nothing to object to.
 */
export function unknownIdLike(sample: string | null, random: () => number = Math.random): string {
  if (sample === null) return uuid(random);
  if (/^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/i.test(sample)) return uuid(random);
  // What stands before the first separator is a kind (`ses_`, `thread-`), not part of the number.
  const prefix = /^[A-Za-z]+[_:-]/.exec(sample)?.[0] ?? '';
  const pick = (from: string): string => from[Math.floor(random() * from.length)] ?? '';
  const number = sample
    .slice(prefix.length)
    .replace(/[0-9]/g, () => pick('0123456789'))
    .replace(/[a-f]/g, () => pick('abcdef'))
    .replace(/[g-z]/g, () => pick('ghijklmnopqrstuvwxyz'))
    .replace(/[A-Z]/g, () => pick('ABCDEFGHIJKLMNOPQRSTUVWXYZ'));
  return prefix + number === sample ? `${sample}0` : prefix + number;
}

function uuid(random: () => number): string {
  const digit = (): string => Math.floor(random() * 16).toString(16);
  return 'xxxxxxxx-xxxx-4xxx-8xxx-xxxxxxxxxxxx'.replace(/x/g, digit);
}
