/** Text in a byte budget: measuring, cutting where no character breaks, and making foreign text harmless. */
import { withoutControls } from '../safe-text.ts';

/** Length in UTF-8, a lone surrogate counted as the three bytes of its replacement character. */
export function utf8Length(text: string): number {
  let bytes = text.length;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0x80) continue;
    if (unit < 0x800) bytes += 1;
    else if (unit >= 0xd800 && unit < 0xdc00 && isLowSurrogate(text.charCodeAt(i + 1))) {
      bytes += 2;
      i++;
    } else bytes += 2;
  }
  return bytes;
}

const isLowSurrogate = (unit: number): boolean => unit >= 0xdc00 && unit < 0xe000;

/** How many code units of the text's front fit the bytes. */
function unitsThatFit(text: string, bytes: number): number {
  let left = bytes;
  let i = 0;
  while (i < text.length) {
    const unit = text.charCodeAt(i);
    const pair = unit >= 0xd800 && unit < 0xdc00 && isLowSurrogate(text.charCodeAt(i + 1));
    const cost = unit < 0x80 ? 1 : unit < 0x800 ? 2 : pair ? 4 : 3;
    if (cost > left) break;
    left -= cost;
    i += pair ? 2 : 1;
  }
  return i;
}

/** The same from the text's end: where the part that fits begins. */
function startThatFits(text: string, bytes: number): number {
  let left = bytes;
  let i = text.length;
  while (i > 0) {
    const unit = text.charCodeAt(i - 1);
    const pair = isLowSurrogate(unit) && i > 1 && (text.charCodeAt(i - 2) & 0xfc00) === 0xd800;
    const cost = unit < 0x80 ? 1 : unit < 0x800 ? 2 : pair ? 4 : 3;
    if (cost > left) break;
    left -= cost;
    i -= pair ? 2 : 1;
  }
  return i;
}

const graphemes = new Intl.Segmenter(undefined, { granularity: 'grapheme' });
/** Longer clusters than this (a flag, a family, stacked accents) are allowed to fall apart between characters. */
const CLUSTER = 64;

/** The start of the grapheme that spans `at`, or `at` where one begins anyway. */
function graphemeStart(text: string, at: number): number {
  if (at <= 0 || at >= text.length || (text.charCodeAt(at) < 0x80 && text.charCodeAt(at - 1) < 0x80)) return at;
  let from = Math.max(0, at - CLUSTER);
  if (isLowSurrogate(text.charCodeAt(from))) from++;
  const segment = graphemes.segment(text.slice(from, at + CLUSTER)).containing(at - from);
  return segment && segment.index > 0 ? from + segment.index : at;
}

/** The longest front of the text within the bytes that ends between two visible characters. */
export function front(text: string, bytes: number): string {
  const units = unitsThatFit(text, bytes);
  return units === text.length ? text : text.slice(0, graphemeStart(text, units));
}

/** The longest end of the text within the bytes that begins between two visible characters. */
export function back(text: string, bytes: number): string {
  const start = startThatFits(text, bytes);
  if (start === 0) return text;
  const cluster = graphemeStart(text, start);
  if (cluster === start) return text.slice(start);
  // It begins inside a visible character: leave that one out.
  const segment = graphemes.segment(text.slice(cluster, cluster + CLUSTER)).containing(0);
  return text.slice(Math.max(start, cluster + (segment?.segment.length ?? 0)));
}

/** Front and end of a text around a mark that says how large the whole is (`whole`, when the text is a part already); the whole text when it fits. */
export function clip(text: string, bytes: number, whole?: number): { readonly text: string; readonly cut: boolean } {
  const size = utf8Length(text);
  if (size <= bytes) return { text, cut: false };
  const mark = `[… ${sizeWords(whole ?? size)}, cut here …]`;
  const room = bytes - utf8Length(mark) - 2;
  if (room < 16) return { text: front(text, bytes), cut: true };
  const head = front(text, Math.ceil(room * 0.6));
  return { text: `${head}\n${mark}\n${back(text, room - utf8Length(head))}`, cut: true };
}

/** Bytes in words, for naming what is not shown. */
export function sizeWords(bytes: number): string {
  if (bytes < 1_000) return `${bytes} bytes`;
  if (bytes < 1_000_000) return `${(bytes / 1_000).toFixed(1)} kB`;
  return `${(bytes / 1_000_000).toFixed(1)} MB`;
}

/** Longer runs of fence characters are shortened, so that a fence around the text has a bounded length. */
export const MAX_FENCE_RUN = 16;

/**
 * Makes what someone said harmless to quote, without changing how it reads: every kind of line break
 * is one, control characters go, runs of fence characters stay shorter than any fence, and tags by which
 * agents mark off context, tools and speakers no longer open or close anything.
 */
export function tame(text: string): string {
  return withoutControls(text.toWellFormed().replace(/\r\n?|[\u0085\u2028\u2029\v\f]/g, '\n'), 'text')
    .replace(
      /data:[\w/+.-]{1,80};base64,([A-Za-z0-9+/=]{64,})/g,
      (_, data: string) => `[data, ${sizeWords(Math.floor(data.length * 0.75))}]`,
    )
    .replace(/`{17,}|~{17,}/g, (run) => `${run.slice(0, MAX_FENCE_RUN)}…`)
    .replace(
      /<(?=[/|!]|(?:system|context|resource|instruction|document|function|tool|assistant|user|human|agent|antml|im_|inst|s>|reminder|file|attach)[\w:-]{0,40})/gi,
      '<\\',
    );
}

/** Every run of blanks and line breaks as one blank, and none at the ends. */
export function collapsed(text: string): string {
  return text.replace(/\s+/g, ' ').trim();
}

/** One line, bounded: for titles and names inside our own lines. */
export function oneLine(text: string, chars = 200): string {
  const line = collapsed(tame(text.slice(0, chars * 4)));
  return line.length <= chars ? line : `${front(line, chars)}…`;
}

/** What an agent sent where a text belongs; anything else as JSON, since not everything can be made a string. */
export function asText(value: unknown): string {
  return typeof value === 'string' ? value : value === undefined || value === null ? '' : JSON.stringify(value);
}
