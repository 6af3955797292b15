/** Measures and cuts text by its bytes, and makes foreign text harmless. */
import { withoutControls } from '../safe-text.ts';

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

/** The number of bytes in UTF-8. A lone surrogate counts as its replacement character. */
export function utf8Length(text: string): number {
  return /[\u0080-\uffff]/.test(text) ? encoder.encode(text).length : text.length;
}

/** Whether the text is longer than so many bytes of UTF-8. It is measured only when it is near the limit. */
export function exceeds(bytes: number, text: string): boolean {
  if (text.length > bytes) return true;
  return text.length * 3 > bytes && utf8Length(text) > bytes;
}

/** Whether a byte of UTF-8 begins a character, or is behind the end. */
const begins = (byte: number | undefined): boolean => byte === undefined || (byte & 0xc0) !== 0x80;

/** The beginning of the text in at most so many bytes, cut between two characters. */
export function front(text: string, bytes: number): string {
  const all = encoder.encode(text);
  if (all.length <= bytes) return text;
  let end = Math.max(0, bytes);
  while (!begins(all[end])) end--;
  return decoder.decode(all.subarray(0, end));
}

/** The end of the text in at most so many bytes, cut between two characters. */
export function back(text: string, bytes: number): string {
  const all = encoder.encode(text);
  if (all.length <= bytes) return text;
  let start = all.length - Math.max(0, bytes);
  while (!begins(all[start])) start++;
  return decoder.decode(all.subarray(start));
}

/** The text, if it fits; else its two ends around a mark with the size of the whole: `whole`, if the text is only a part. */
export function clip(text: string, bytes: number, whole?: number): { readonly text: string; readonly cut: boolean } {
  const size = utf8Length(text);
  if (size <= bytes) return { text, cut: false };
  const mark = `[… ${formatBytes(whole ?? size)}, cut here …]`;
  const room = bytes - utf8Length(mark) - 2;
  if (room < 16) return { text: front(text, bytes), cut: true };
  const head = front(text, Math.ceil(room * 0.6));
  return { text: `${head}\n${mark}\n${back(text, room - utf8Length(head))}`, cut: true };
}

export function formatBytes(bytes: number): string {
  if (bytes < 1_000) return `${bytes} bytes`;
  if (bytes < 1_000_000) return `${(bytes / 1_000).toFixed(1)} kB`;
  return `${(bytes / 1_000_000).toFixed(1)} MB`;
}

/** Longer runs of fence characters are shortened, so that the fence around the text has a bounded length. */
export const MAX_FENCE_RUN = 16;

/**
 * Makes what somebody said safe to quote, without changing how it reads: line breaks become `\n`, control characters go, runs of fence
 * characters are shortened, base64 data is left out, and tags that agents use for context, tools and speakers are broken.
 */
export function tame(text: string): string {
  return withoutControls(text.toWellFormed().replace(/\r\n?|[\u0085\u2028\u2029\v\f]/g, '\n'), 'text')
    .replace(
      /data:[\w/+.-]{1,80};base64,([A-Za-z0-9+/=]{64}[A-Za-z0-9+/=]*)/g,
      (_, data: string) => `[data, ${formatBytes(Math.floor(data.length * 0.75))}]`,
    )
    .replace(/`{17}`*|~{17}~*/g, (run) => `${run.slice(0, MAX_FENCE_RUN)}…`)
    .replace(
      /<(?=[/|!]|(?:system|context|resource|instruction|document|function|tool|assistant|user|human|agent|antml|im_|inst|s>|reminder|file|attach)[\w:-]{0,40})/gi,
      '<\\',
    );
}

/** On one line: every run of white space becomes one blank, and none is left at the ends. */
export function collapsed(text: string): string {
  return text.replace(/\s+/g, ' ').trim();
}

/** A title or a name, to stand inside a line of ours. */
export function oneLine(text: string, chars = 200): string {
  const line = collapsed(tame(text.slice(0, chars * 4)));
  return line.length <= chars ? line : `${front(line, chars)}…`;
}

/** A value as text: what is not a string as JSON, and null as nothing. */
export function asText(value: unknown): string {
  if (typeof value === 'string') return value;
  return value === undefined || value === null ? '' : JSON.stringify(value);
}
