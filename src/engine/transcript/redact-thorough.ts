/**
 * Taking secrets out of text that leaves the log for an agent, a file or a screen: known values, their
 * encoded forms, the lines of long ones, and the shapes of well-known tokens nobody told us about.
 */
import { FIXED_LIMITS } from '../limits.ts';
import { formsOf, replacer, wholeForms, type Secret } from './redact.ts';
import { collapsed, tame } from './text.ts';

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

/**
 * Well-known shapes. Every one begins at a fixed prefix that does not continue another word, and has bounded
 * repeats, so that no text makes the search slow. Patterns that look behind are asked at every character; a hint, which
 * is not, says whether to ask at all.
 */
const SHAPES: readonly (readonly [what: string, pattern: RegExp, hint?: RegExp])[] = [
  ['token', /(?<![\w-])sk-[\w-]{16,512}/g], // OpenAI, Anthropic, OpenRouter and their kin
  ['token', /(?<!\w)(?:sk|rk|pk)_(?:live|test)_\w{10,256}/g], // Stripe
  ['token', /(?<!\w)gh[pousr]_\w{20,512}/g], // GitHub
  ['token', /(?<!\w)github_pat_\w{20,512}/g],
  ['token', /(?<![\w-])glpat-[\w.-]{16,256}/g], // GitLab
  ['token', /(?<!\w)(?:npm|hf|dop_v1|pypi|gsk|xai|nvapi|shpat|lin_api|ntn|sntrys|figd|tvly)[_-][\w-]{20,512}/g],
  ['token', /(?<![\w-])xox[a-z]-[\w-]{10,512}/g], // Slack
  ['token', /(?<![\w-])xapp-[\w-]{10,512}/g],
  ['token', /(?<!\w)(?:AKIA|ASIA|ABIA|ACCA)[0-9A-Z]{16}(?!\w)/g], // AWS key ids
  ['token', /(?<![\w-])AIza[\w-]{30,64}/g], // Google
  ['token', /(?<![\w.])ya29\.[\w-]{20,2048}/g],
  ['token', /(?<![\w.])SG\.[\w-]{16,64}\.[\w-]{16,128}/g], // SendGrid
  ['token', /(?<![\w-])eyJ[\w-]{8,8192}\.[\w-]{8,8192}(?:\.[\w-]{0,4096}){0,3}/g], // JWT and JWE
  ['token', /(?<=(?<![A-Za-z])hooks\.slack\.com\/services\/)[\w/]{16,128}/g, /hooks\.slack/],
  ['token', /(?<=(?<!\w)[Bb]earer\s{1,4})[\w.~+/=-]{16,8192}/g, /[Bb]earer\s/],
  ['password', /(?<=(?<!\w)[Aa]uthorization["']?\s{0,4}[:=]\s{0,4}["']?[Bb]asic\s{1,4})[\w+/=-]{8,4096}/g, /[Bb]asic\s/],
  ['password', /(?<=(?<![\w+.-])[A-Za-z][\w+.-]{1,20}:\/\/[^\s/:@"'<>]{0,128}:)[^\s/@"'<>]{1,256}(?=@)/g, /:\/\/[^\s/@]{1,400}@/], // scheme://user:password@host
  // NAME_TOKEN=value as in .env files. The name is in capitals, so prose and most code are left alone.
  [
    'value',
    /(?<=(?<![A-Z0-9_])[A-Z0-9_]{0,48}(?:PASSWORD|PASSWD|SECRET|TOKEN|API_?KEY|ACCESS_KEY|PRIVATE_KEY|CREDENTIALS)(?:_[A-Z0-9_]{1,32})?["']?\s{0,2}[=:]\s{0,2}["']?)(?!\[secret )[^\s"'`,;(){}[\]<>$]{6,4096}/g,
    /(?:PASSWORD|PASSWD|SECRET|TOKEN|KEY|CREDENTIALS)(?:_[A-Z0-9_]{1,32})?["']?\s{0,2}[=:]/,
  ],
];

function shapes(text: string): string {
  let clean = keyBlocks(text);
  for (const [what, pattern, hint] of SHAPES) {
    if (hint === undefined || hint.test(clean)) clean = clean.replace(pattern, `[secret ${what}]`);
  }
  return clean;
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
