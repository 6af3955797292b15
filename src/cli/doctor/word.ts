/** Words that an agent is told, and is asked for later. */

/** One that no agent has heard before. */
export const newWord = (bird: string): string => `${bird}-${1000 + Math.floor(Math.random() * 9000)}`;

/** In any case, and however its hyphen is written: as another dash, or escaped for Markdown, JSON or HTML. */
export function says(reply: string, word: string): boolean {
  const parts = word.split('-').join('(?:&#?\\w+;|\\\\u[0-9a-f]{4}|[^a-z0-9])*');
  return new RegExp(`(?<![a-z])${parts}(?!\\d)`, 'i').test(reply);
}
