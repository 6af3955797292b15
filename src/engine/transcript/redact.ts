/**
 * Taking secrets out of text (DESIGN §4).
 *
 * Two strengths. `exact` and `deep` replace a known value that lies whole in one string; they run on
 * everything before it is committed, and must not touch anything else (I11). `thorough` runs on text that
 * leaves the log for an agent, a file or a screen: it also knows the values' encoded forms, the lines of
 * long values, and the shapes of well-known tokens nobody told us about.
 */

export interface Secret {
  readonly name: string;
  readonly value: string;
}

export interface Redactor {
  /** Replaces every known value in the text by `[secret NAME]`. */
  exact(text: string): string;
  /** `exact` for every string of a JSON value, keys included. Returns the same object when nothing changed. */
  deep<T>(value: T): T;
  /** `exact`, and encoded forms, parts of long values and token shapes. Linear in the text. */
  thorough(text: string): string;
  /** The longest text one replacement may span; whoever cuts before redacting keeps this margin. */
  readonly reach: number;
}

/**
 * Values shorter than this are not replaced: `1`, `true`, `en` or `/usr` stand in innocent text
 * everywhere, and replacing them would say more (that the value is this one) than it hides.
 */
export const MIN_SECRET_CHARS = 6;

/** Lines of a many-line value (a private key) are secrets of their own from this length. */
const MIN_LINE_CHARS = 16;

/** JSON nested deeper than this is not kept by the log; see `deep`. */
export const MAX_REDACT_DEPTH = 1_000;

export function createRedactor(secrets: readonly Secret[]): Redactor {
  const whole = new Map<string, string>();
  const parts = new Map<string, string>();
  for (const { name, value } of secrets) {
    for (const form of wholeForms(value)) note(whole, form, name);
    for (const form of encodedForms(value)) note(parts, form, name);
  }
  const exactly = replacer(whole);
  const partly = replacer(new Map([...parts, ...whole]));
  const reach = Math.max(MAX_SHAPE_CHARS, ...[...whole.keys(), ...parts.keys()].map((form) => form.length));

  const deep = <T>(value: T, depth: number): T => {
    if (typeof value === 'string') return exactly(value) as T;
    if (value === null || typeof value !== 'object') return value;
    // Deeper, and nobody could store it as JSON either; what cannot be searched is not let through.
    if (depth > MAX_REDACT_DEPTH) return `[nested deeper than ${MAX_REDACT_DEPTH} levels]` as T;
    if (Array.isArray(value)) {
      let changed: unknown[] | null = null;
      for (let i = 0; i < value.length; i++) {
        const next: unknown = deep(value[i] as unknown, depth + 1);
        if (next !== value[i]) (changed ??= [...(value as unknown[])])[i] = next;
      }
      return (changed ?? value) as T;
    }
    return deepObject(value as Record<string, unknown>, depth) as T;
  };
  const deepObject = (value: Record<string, unknown>, depth: number): Record<string, unknown> => {
    let changed = false;
    const entries = Object.entries(value).map(([key, item]): [string, unknown] => {
      const pair: [string, unknown] = [exactly(key), deep(item, depth + 1)];
      changed ||= pair[0] !== key || pair[1] !== item;
      return pair;
    });
    return changed ? Object.fromEntries(entries) : value;
  };

  return {
    exact: exactly,
    deep: (value) => (whole.size === 0 ? value : deep(value, 0)),
    thorough: (text) => shapes(partly(text)),
    reach,
  };
}

function note(forms: Map<string, string>, form: string, name: string): void {
  if (form.length >= MIN_SECRET_CHARS && !forms.has(form)) forms.set(form, name);
}

/** The value as it may be said: whole, and a header's token without its scheme (`Bearer abc…`). */
function wholeForms(value: string): string[] {
  const token = /^(?:bearer|basic|token|apikey|digest)\s+(\S+)$/i.exec(value.trim())?.[1];
  return [value, value.trim(), ...(token ? [token] : [])];
}

/** The value as text formats carry it: escaped in JSON, percent-encoded, and its longer lines. */
function encodedForms(value: string): string[] {
  const forms = [JSON.stringify(value).slice(1, -1)];
  if (value.isWellFormed()) forms.push(encodeURIComponent(value));
  const lines = value.split(/\r?\n/);
  if (lines.length > 1) forms.push(...lines.map((line) => line.trim()).filter((line) => line.length >= MIN_LINE_CHARS && !/^-----/.test(line)));
  return forms;
}

/** One pass over the text for all values; of two that begin at the same place, the longer one. */
function replacer(forms: ReadonlyMap<string, string>): (text: string) => string {
  if (forms.size === 0) return (text) => text;
  const longestFirst = [...forms.keys()].sort((a, b) => b.length - a.length);
  const pattern = new RegExp(longestFirst.map((form) => form.replace(/[.*+?^${}()|[\]\\/-]/g, '\\$&')).join('|'), 'g');
  return (text) => text.replace(pattern, (found) => `[secret ${forms.get(found) ?? ''}]`);
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
  ['value', /(?<=(?<![A-Z0-9_])[A-Z0-9_]{0,48}(?:PASSWORD|PASSWD|SECRET|TOKEN|API_?KEY|ACCESS_KEY|PRIVATE_KEY|CREDENTIALS)(?:_[A-Z0-9_]{1,32})?["']?\s{0,2}[=:]\s{0,2}["']?)(?!\[secret )[^\s"'`,;(){}[\]<>$]{6,4096}/g, /(?:PASSWORD|PASSWD|SECRET|TOKEN|KEY|CREDENTIALS)(?:_[A-Z0-9_]{1,32})?["']?\s{0,2}[=:]/],
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
    /^(?:\s{0,4}(?:Proc-Type|DEK-Info|Comment|Version):[^\n]{0,200})*(?:(?:\s|\\[nr]){0,8}[A-Za-z0-9+/=]{16,128})*(?:(?:\n|\\n)[A-Za-z0-9+/=]{1,16}(?=\s|\\n|$))?/.exec(window)?.[0].length ?? 0
  );
}
