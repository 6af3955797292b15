/**
 * Taking secrets out of text that leaves the log for an agent, a file or a screen: known values, their
 * encoded forms, the lines of long ones, and the shapes of well-known tokens nobody told us about.
 */
import { FIXED_LIMITS } from '../limits.ts';
import { formsOf, replacer, wholeForms, type Secret } from './redact.ts';
import { collapsed, tame } from './text.ts';
import { TOKEN_SHAPES, type TokenShape } from './token-shapes.ts';

/** Lines of a many-line value (a private key) are secrets of their own from this length. */
const MIN_LINE_CHARS = 16;

export interface ThoroughRedactor {
  /** Known values whole, in encoded forms and in parts, and token shapes. Linear in the text. */
  thorough(text: string): string;
  /** The longest text one replacement may span; whoever cuts before redacting keeps this margin. */
  readonly reach: number;
}

export function createThoroughRedactor(secrets: readonly Secret[]): ThoroughRedactor {
  const forms = new Map([...formsOf(secrets, encodedForms), ...formsOf(secrets, wholeForms)]);
  const partly = replacer(forms);
  return {
    thorough: (text) => shapes(partly(text)),
    reach: Math.max(MAX_SHAPE_CHARS, ...[...forms.keys()].map((form) => form.length)),
  };
}

/** The value as text formats carry it, and its longer lines. A fixed number of forms besides the lines; for most keys they are four. */
function encodedForms(value: string): string[] {
  const spoken = [...new Set(wholeForms(value))].filter(longEnough);
  const lines = value.split(/\r?\n/);
  const parts =
    lines.length > 1 ? lines.map((line) => line.trim()).filter((line) => line.length >= MIN_LINE_CHARS && !/^-----/.test(line)) : [];
  return [...spoken.flatMap(spellings).filter(longEnough).flatMap(escapes), ...spoken.flatMap(base64Forms), ...parts];
}

/** What encodes a shorter text may be long, and stand everywhere: `\u00e4`. */
const longEnough = (text: string): boolean => text.length >= FIXED_LIMITS.secretChars;

/** The same to a reader: made harmless and one line by ourselves, and with its accents composed or apart. */
function spellings(value: string): string[] {
  return [...new Set([value, tame(value), collapsed(value), value.normalize('NFC'), value.normalize('NFD')])];
}

/** Escaped in JSON, and in JSON inside JSON, as each of its writers does it; and in addresses and forms. */
function escapes(value: string): string[] {
  const whole = value.toWellFormed();
  const plain = json(value);
  const ascii = plain.replace(/[^\0-\x7f]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
  const capitals = ascii.replace(/(?<=\\u)[0-9a-f]{4}/g, (digits) => digits.toUpperCase());
  const addresses = [encodeURIComponent(whole), encodeURI(whole), String(new URLSearchParams({ '': whole })).slice(1)];
  return [
    value,
    ...[plain, ascii, capitals].flatMap((form) => [form, form.replaceAll('/', '\\/'), json(form)]),
    ...addresses.flatMap((form) => [form, form.replace(/%[0-9A-F]{2}/g, (escape) => escape.toLowerCase())]),
  ];
}

const json = (text: string): string => JSON.stringify(text).slice(1, -1);

/** A shorter value would leave fragments in base64 that stand elsewhere, too. */
const MIN_BASE64_BYTES = 12;

/** What is the same of a value in base64 wherever it stands: at each of the three alignments, without the characters it shares with its neighbours. */
function base64Forms(value: string): string[] {
  const bytes = new TextEncoder().encode(value);
  if (bytes.length < MIN_BASE64_BYTES) return [];
  let binary = '';
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return [0, 1, 2].flatMap((before) => {
    const whole = btoa('\0'.repeat(before) + binary).slice(Math.ceil((before * 4) / 3), Math.floor(((before + bytes.length) * 4) / 3));
    return [whole, whole.replaceAll('+', '-').replaceAll('/', '_')];
  });
}

// ---------------------------------------------------------------- shapes of tokens

/** The longest token or key block that is looked for. */
const MAX_SHAPE_CHARS = 16_384;
/** How much in front of a value says what it is assigned to. */
const BEFORE_CHARS = 64;

const literals = (shape: TokenShape): readonly string[] => (shape.hint instanceof RegExp ? [] : shape.hint);
const IN_RUNS = TOKEN_SHAPES.filter((shape) => literals(shape).length > 0);
const IN_TEXT = TOKEN_SHAPES.filter(({ hint }) => hint instanceof RegExp);
/** What tokens are written in; shorter runs hold none. Words are shorter, so nearly all of a text is passed over here. */
const RUN = /[\w.~+/=:@%&?-]{18,}/g;
const ANY_LITERAL = new RegExp(
  IN_RUNS.flatMap(literals)
    .map((literal) => literal.replaceAll('.', '\\.'))
    .join('|'),
);

function shapes(text: string): string {
  let clean = keyBlocks(text).replace(RUN, (run) => (ANY_LITERAL.test(run) ? IN_RUNS.reduce(without, run) : run));
  for (const shape of IN_TEXT) if ((shape.hint as RegExp).test(clean)) clean = without(clean, shape);
  return clean;
}

function without(text: string, { what, pattern, is }: TokenShape): string {
  return text.replace(pattern, (found: string, ...more: unknown[]) => {
    const groups = typeof more.at(-1) === 'object' ? (more.pop() as { readonly before: string }) : { before: '' };
    const at = (more.at(-2) as number) + groups.before.length;
    const token = found.slice(groups.before.length);
    return is === undefined || is(token, text.slice(Math.max(0, at - BEFORE_CHARS), at)) ? `${groups.before}[secret ${what}]` : found;
  });
}

const BEGIN_KEY = /-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----/g;
const END_KEY = /-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----/g;

/** PEM private keys, also ones that were cut off before their end. Each place is looked at once. */
function keyBlocks(text: string): string {
  let out = '';
  let at = 0;
  BEGIN_KEY.lastIndex = 0;
  for (let begin = BEGIN_KEY.exec(text); begin; begin = BEGIN_KEY.exec(text)) {
    out += `${text.slice(at, begin.index)}[secret private key]`;
    END_KEY.lastIndex = BEGIN_KEY.lastIndex;
    const window = text.slice(BEGIN_KEY.lastIndex, BEGIN_KEY.lastIndex + MAX_SHAPE_CHARS);
    END_KEY.lastIndex = 0;
    const end = END_KEY.exec(window);
    at = BEGIN_KEY.lastIndex + (end ? END_KEY.lastIndex : keyMaterial(window));
    BEGIN_KEY.lastIndex = at;
  }
  return at === 0 ? text : out + text.slice(at);
}

/** How far an unfinished key block goes: headers, long base64 runs, and a shorter one on the line behind them. */
function keyMaterial(window: string): number {
  return (
    /^(?:\s{0,4}(?:Proc-Type|DEK-Info|Comment|Version):[^\n]{0,200})*(?:(?:\s|\\[nr]){0,8}[A-Za-z0-9+/=]{16,128})*(?:(?:\n|\\n)[A-Za-z0-9+/=]{1,16}(?=\s|\\n|$))?/.exec(
      window,
    )?.[0].length ?? 0
  );
}
