/**
 * What agents send, read whatever it is: it is stored as it came, and its type says only what it should be. A field that is
 * not what its name promises is as one that is not there. Pure, and never throws.
 */

type Fields = Readonly<Record<string, unknown>>;

export function fieldsOf(value: unknown): Fields {
  return typeof value === 'object' && value !== null ? (value as Fields) : {};
}

export function stringOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

/** The text of a text block; null for every other block, and for what is none. */
export function textOf(content: unknown): string | null {
  const { type, text } = fieldsOf(content);
  return type === 'text' && typeof text === 'string' ? text : null;
}

/** What a tool call is called; '' when it does not say. */
export function titleOf(toolCall: unknown): string {
  return stringOf(fieldsOf(toolCall)['title']);
}

/** A text as it is, and all else as JSON: an odd value is shown as such, not as an empty place. */
export function shown(value: unknown): string {
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? 'nothing');
}
