/**
 * Finds tokens that nobody named as secrets, by their shapes. A hit needs a shape that the token's issuer publishes, or a place for secrets
 * (`PASSWORD=`) together with a mixture of characters that words do not have. Repeats are bounded, so that no text makes the search slow. A
 * pattern with a lookbehind is tried at every character, so a hint without one says first whether to try it at all.
 */
export interface TokenShape {
  readonly name: string;
  /** What the replacement `[secret …]` says. */
  readonly what: 'token' | 'password' | 'private key' | 'value';
  readonly pattern: RegExp;
  /**
   * Literals: every such token has one of them, and only runs of token characters around one are searched. A pattern: the token is known by
   * what stands before it, and only texts that match are searched.
   */
  readonly hint: readonly string[] | RegExp;
  /** A closer look at what the pattern found. `before` is the text in front of it. */
  readonly is?: (found: string, before: string) => boolean;
}

/** A token with one of the prefixes (separated by blanks) and at least `least` characters of the class `rest`. */
function prefixed(name: string, prefixes: string, rest: string, least: number, is?: TokenShape['is']): TokenShape {
  const hint = prefixes.split(' ');
  const any = hint.map((prefix) => prefix.replace('.', '\\.')).join('|');
  return { name, what: 'token', hint, pattern: new RegExp(`(?<![\\w-])(?:${any})${rest}{${least},512}`, 'g'), ...(is ? { is } : {}) };
}

/** Whether it mixes letters and digits as neither words nor numbers do. */
function isMixed(text: string): boolean {
  const changes = text.match(/[a-z](?=[A-Z0-9])|[A-Z](?=[0-9])|[0-9](?=[A-Za-z])|[A-Z](?=[a-z])/g)?.length ?? 0;
  return /\d/.test(text) && /[A-Za-z]/.test(text) && changes >= Math.max(2, text.length / 10);
}

const SECRET_NAME =
  '(?:pass(?:word|wd|phrase)|pwd|secret|token|credential|(?:api|access|account|auth|private|secret|signing|encryption|shared|subscription)[_-]?key)s?';
const SUFFIX = '(?:_(?:v?\\d+|prod|production|dev|test|staging|live))?';

/** What people write instead of a value. */
const PLACEHOLDER =
  /^(?:-?[\d._]+|true|false|null|none|undefined|nil|string|str|number|bool(?:ean)?|object|any|void|unknown|required|optional|empty|redacted|hidden|example|changeme|placeholder|todo|[xX*.…-]+|your[_-].*|my[_-].*|process\.env.*|os\.environ.*|env\..*|secrets\..*|.*\(.*)$/i;

export const TOKEN_SHAPES: readonly TokenShape[] = [
  prefixed('OpenAI, Anthropic, OpenRouter and kin', 'sk-', '[\\w-]', 16, isMixed),
  prefixed('Stripe', 'sk_live_ sk_test_ rk_live_ rk_test_ pk_live_ pk_test_ whsec_', '[A-Za-z0-9]', 10),
  prefixed('GitHub', 'ghp_ gho_ ghu_ ghs_ ghr_', '[A-Za-z0-9]', 20),
  prefixed('GitHub, fine-grained', 'github_pat_', '\\w', 20),
  prefixed('GitLab', 'glpat- gldt- glptt- glrt- glcbt- glsoat- glagent- glft- glimt- gloas-', '[\\w.-]', 16, isMixed),
  prefixed('npm', 'npm_', '[A-Za-z0-9]', 30),
  prefixed('PyPI', 'pypi-', '[\\w-]', 40, isMixed),
  prefixed('Docker', 'dckr_pat_ dckr_oat_', '[\\w-]', 20, isMixed),
  prefixed('Hugging Face', 'hf_ api_org_', '[A-Za-z0-9]', 20),
  prefixed('RubyGems, crates.io', 'rubygems_ cio', '[A-Za-z0-9]', 32, isMixed),
  prefixed('Slack', 'xoxb- xoxp- xoxa- xoxe- xoxr- xoxs- xoxc- xoxd- xapp-', '[\\w-]', 10),
  { name: 'Slack webhook', what: 'token', hint: ['hooks.slack.com'], pattern: /(?<=hooks\.slack\.com\/services\/)[\w/]{16,128}/g },
  { name: 'Discord bot', what: 'token', hint: /\.[\w-]{6}\.[\w-]{27}/, pattern: /(?<![\w-])[MNO][\w-]{23,27}\.[\w-]{6}\.[\w-]{27,45}(?![\w-])/g, is: isMixed },
  { name: 'Telegram bot', what: 'token', hint: [':AA'], pattern: /(?<![\w-])\d{8,10}:AA[\w-]{32,33}(?![\w-])/g },
  { name: 'AWS key id', what: 'token', hint: ['AKIA', 'ASIA', 'ABIA', 'ACCA'], pattern: /(?<!\w)(?:AKIA|ASIA|ABIA|ACCA)[0-9A-Z]{16}(?!\w)/g },
  prefixed('Google', 'AIza ya29. GOCSPX-', '[\\w-]', 20, isMixed),
  { name: 'Azure client secret', what: 'token', hint: ['Q~'], pattern: /(?<![\w.~-])[\w.~-]{3}[78]Q~[\w.~-]{31,34}(?![\w.~-])/g },
  { name: 'Azure shared key', what: 'token', hint: ['AccountKey=', 'SharedAccessKey='], pattern: /(?<=(?:AccountKey|SharedAccessKey)=)[A-Za-z0-9+/]{40,128}={0,2}/g },
  { name: 'Signed address', what: 'token', hint: ['sig=', 'ignature='], pattern: /(?<=[?&](?:sig|Signature|X-Amz-Signature|X-Goog-Signature)=)[\w%+/=-]{24,1024}/g },
  prefixed('DigitalOcean', 'dop_v1_ doo_v1_ dor_v1_', '[0-9a-f]', 40),
  { name: 'SendGrid', what: 'token', hint: ['SG.'], pattern: /(?<![\w.])SG\.[\w-]{16,64}\.[\w-]{16,128}/g },
  { name: 'Twilio, Mailgun', what: 'token', hint: ['SK', 'key-'], pattern: /(?<![\w-])(?:SK|key-)[0-9a-f]{32}(?!\w)/g },
  { name: 'Mailchimp', what: 'token', hint: ['-us'], pattern: /(?<!\w)[0-9a-f]{32}-us\d{1,2}(?!\w)/g },
  prefixed('Groq, xAI, NVIDIA, Replicate, Perplexity, Tavily', 'gsk_ xai- nvapi- r8_ pplx- tvly-', '[\\w-]', 24, isMixed),
  prefixed('Shopify', 'shpat_ shpca_ shppa_ shpss_', '[0-9a-fA-F]', 32),
  prefixed('Square', 'sq0atp- sq0csp- sq0idp-', '[\\w-]', 22),
  prefixed('Databricks', 'dapi', '[0-9a-f]', 32),
  prefixed('Grafana, Sentry', 'glsa_ glc_ sntrys_ sntryu_', '[\\w=+/]', 32, isMixed),
  prefixed('Linear, Notion, Figma', 'lin_api_ ntn_ secret_ figd_', '[A-Za-z0-9-]', 32, isMixed),
  prefixed('HashiCorp Vault', 'hvs. hvb. hvr.', '[\\w-]', 24, isMixed),
  { name: 'Terraform', what: 'token', hint: ['.atlasv1.'], pattern: /(?<!\w)[A-Za-z0-9]{14}\.atlasv1\.[\w-]{60,80}/g },
  prefixed('Atlassian', 'ATATT3 ATBB', '[\\w=-]', 28, isMixed),
  { name: 'Postman', what: 'token', hint: ['PMAK-'], pattern: /(?<!\w)PMAK-[0-9a-f]{24}-[0-9a-f]{34}/g },
  prefixed('New Relic', 'NRAK-', '[A-Z0-9]', 27),
  prefixed('Supabase, Pulumi, PlanetScale', 'sbp_ pul- pscale_tkn_ pscale_pw_', '[\\w-]', 32, isMixed),
  prefixed('Tailscale, Supabase, Vercel', 'tskey- sb_secret_ vercel_blob_rw_', '[\\w-]', 24, isMixed),
  prefixed('Fly.io', 'fm1_ fm2_ fo1_', '[\\w+/=-]', 32, isMixed),
  prefixed('age', 'AGE-SECRET-KEY-1', '[0-9A-Z]', 50),
  { name: 'JWT and JWE', what: 'token', hint: ['eyJ'], pattern: /(?<![\w-])eyJ[\w-]{8,8192}\.[\w-]{8,8192}(?:\.[\w-]{0,4096}){0,3}/g },
  { name: 'Bearer', what: 'token', hint: /[Bb]earer\s/, pattern: /(?<=(?<!\w)[Bb]earer\s{1,4})[\w.~+/=-]{16,8192}/g, is: (found) => /\d/.test(found) },
  { name: 'Basic', what: 'password', hint: /[Bb]asic\s/, pattern: /(?<=(?<!\w)[Aa]uthorization["']?\s{0,4}[:=]\s{0,4}["']?[Bb]asic\s{1,4})[\w+/=-]{8,4096}/g },
  { name: 'Password in an address', what: 'password', hint: /:\/\/[^\s/@]{1,400}@/, pattern: /(?<=(?<![\w+.-])[A-Za-z][\w+.-]{1,20}:\/\/[^\s/:@"'<>]{0,128}:)[^\s/@"'<>$]{1,256}(?=@)/g },
  { name: 'Cookie', what: 'value', hint: /cookie["']?\s{0,3}:/i, pattern: /(?<=cookie["']?\s{0,3}:\s{0,3}["']?)[\w.-]{1,64}=[^\n"']{16,4096}/gi, is: isMixed },
  { name: 'Option of a command', what: 'value', hint: /\s--?[a-z]/i, pattern: new RegExp(`(?<before>\\s--[a-z-]{0,32}${SECRET_NAME}\\s{1,3}["']?)(?![-$])[^\\s"'\`<>]{6,512}`, 'gi'), is: isAssigned },
  { name: 'Password of curl', what: 'password', hint: /\bcurl\b/, pattern: /(?<=\s(?:-u|--user)\s{1,3}["']?(?!\d+:)[\w.@+-]{1,64}:)[^\s"'$<>]{4,256}/g },
  // NAME_TOKEN=value, "password": "…", X-Api-Key: …
  {
    name: 'Assignment',
    what: 'value',
    hint: new RegExp(`${SECRET_NAME}${SUFFIX}["']?\\s{0,3}(?:=>|:=|[=:])`, 'i'),
    pattern: new RegExp(`(?<before>${SECRET_NAME}${SUFFIX}["']?\\s{0,3}(?:=>|:=|[=:])\\s{0,3}["'\`]?)(?!\\[secret )[^\\s"'\`,;(){}[\\]<>$]{6,4096}`, 'gi'),
    is: isAssigned,
  },
]; // prettier-ignore

/** Whether it is a secret that is assigned: in a line of an environment file anything but a placeholder, elsewhere anything but a word. */
function isAssigned(value: string, before: string): boolean {
  if (PLACEHOLDER.test(value)) return false;
  if (/(?<![a-z0-9_.-])[A-Z0-9_]*[A-Z]["']?=["']?$/.test(before)) return true;
  if (/[^\w.:/-]/.test(value.replace(/[+=]/g, '')) && /\d/.test(value) && /[A-Za-z]/.test(value)) return true;
  return isMixed(value) && !/^(?:https?|file|[a-z]+):\/\//.test(value);
}

// ---------------------------------------------------------------- taking them out

/** The longest token or key block that is looked for. */
export const LONGEST_TOKEN = 16_384;
/** How much in front of a value says what it is assigned to. */
const BEFORE_CHARS = 64;

const literals = (shape: TokenShape): readonly string[] => (shape.hint instanceof RegExp ? [] : shape.hint);
const IN_RUNS = TOKEN_SHAPES.filter((shape) => literals(shape).length > 0);
const IN_TEXT = TOKEN_SHAPES.filter(({ hint }) => hint instanceof RegExp);
const LITERALS = IN_RUNS.flatMap(literals);
const ANY_LITERAL = new RegExp(LITERALS.map((literal) => literal.replaceAll('.', '\\.')).join('|'), 'g');
/** The shapes to try at a literal: also those whose literal it begins, or that begins it. */
const BY_LITERAL = new Map(
  LITERALS.map((literal) => [
    literal,
    IN_RUNS.filter((shape) => literals(shape).some((other) => other.startsWith(literal) || literal.startsWith(other))),
  ]),
);
const RUN_CODES = Array.from({ length: 128 }, (_, code) => /[\w.~+/=:@%&?-]/.test(String.fromCharCode(code)));
/** A shorter run of such characters holds no token. */
const LEAST_RUN = 18;

/** Changes every string in a JSON value, but not keys. */
export function inStrings(value: unknown, change: (text: string) => string): unknown {
  if (typeof value === 'string') return change(value);
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map((item: unknown) => inStrings(item, change));
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, inStrings(item, change)]));
}

/** Linear in the text. */
export function redactTokens(text: string): string {
  let clean = inRuns(keyBlocks(text));
  for (const shape of IN_TEXT) if ((shape.hint as RegExp).test(clean)) clean = without(clean, shape);
  return clean;
}

/** Searches only the runs around literals, so that nearly all of a text is passed over in one search. */
function inRuns(text: string): string {
  let out = '';
  let at = 0;
  ANY_LITERAL.lastIndex = 0;
  for (let hit = ANY_LITERAL.exec(text); hit;) {
    let begin = hit.index;
    while (begin > at && RUN_CODES[text.charCodeAt(begin - 1)]) begin--;
    let end = hit.index;
    while (RUN_CODES[text.charCodeAt(end)]) end++;
    const shapes = new Set<TokenShape>();
    for (; hit && hit.index < end; hit = ANY_LITERAL.exec(text)) {
      for (const shape of BY_LITERAL.get(hit[0])!) shapes.add(shape);
      // Another literal may begin inside this one.
      ANY_LITERAL.lastIndex = hit.index + 1;
    }
    if (end - begin < LEAST_RUN) continue;
    out += text.slice(at, begin) + IN_RUNS.filter((shape) => shapes.has(shape)).reduce(without, text.slice(begin, end));
    at = end;
  }
  return at === 0 ? text : out + text.slice(at);
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

/** Replaces private keys, also those that were cut off before their end. */
function keyBlocks(text: string): string {
  let out = '';
  let at = 0;
  BEGIN_KEY.lastIndex = 0;
  for (let begin = BEGIN_KEY.exec(text); begin; begin = BEGIN_KEY.exec(text)) {
    out += `${text.slice(at, begin.index)}[secret private key]`;
    END_KEY.lastIndex = BEGIN_KEY.lastIndex;
    const window = text.slice(BEGIN_KEY.lastIndex, BEGIN_KEY.lastIndex + LONGEST_TOKEN);
    END_KEY.lastIndex = 0;
    const end = END_KEY.exec(window);
    at = BEGIN_KEY.lastIndex + (end ? END_KEY.lastIndex : keyMaterial(window));
    BEGIN_KEY.lastIndex = at;
  }
  return at === 0 ? text : out + text.slice(at);
}

/** The length of a key block without an end: headers, long runs of base64, and a shorter one on the line after them. */
function keyMaterial(window: string): number {
  return (
    /^(?:\s{0,4}(?:Proc-Type|DEK-Info|Comment|Version):[^\n]{0,200})*(?:(?:\s|\\[nr]){0,8}[A-Za-z0-9+/=]{16,128})*(?:(?:\n|\\n)[A-Za-z0-9+/=]{1,16}(?=\s|\\n|$))?/.exec(
      window,
    )?.[0].length ?? 0
  );
}
