/**
 * Reading an agent's error: what it says in words, and what it says in fields. Nothing here judges.
 *
 * Errors arrive in every shape: words in `message`, in `data` as a string, in `data.details`, nested
 * in `data.error.cause.message`, as JSON inside a string, or as an identifier such as
 * `SessionNotFoundError`. All of them become the same thing, clauses of lower-case words, so that one
 * set of phrases reads them all.
 */

/** A string of the error and where it stood, for the evidence. */
export interface Saying {
  readonly where: string;
  readonly text: string;
  /** Words between sentence ends. See `wordsOf`. */
  readonly clauses: readonly (readonly string[])[];
}

/** One object of the error, with the strings that stand directly in it. */
export interface Node {
  readonly where: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

export interface ReadError {
  readonly sayings: readonly Saying[];
  readonly nodes: readonly Node[];
}

/** How much of an error is read. What lies beyond is not evidence, only bulk (a stack, a dump). */
const MAX_NODES = 200;
const MAX_DEPTH = 12;
const MAX_TEXT = 4_000;
const MAX_ALL_TEXT = 16_000;

export function readError(error: { readonly message: unknown; readonly data?: unknown }, agentSessionId: string): ReadError {
  const sayings: Saying[] = [];
  const nodes: Node[] = [];
  let budget = MAX_NODES;
  let chars = MAX_ALL_TEXT;

  const say = (where: string, text: string): void => {
    if (chars <= 0) return;
    chars -= Math.min(text.length, MAX_TEXT);
    sayings.push({ where, text, clauses: clausesOf(text, agentSessionId) });
  };
  const walk = (where: string, value: unknown, depth: number): void => {
    if (budget-- <= 0 || depth > MAX_DEPTH) return;
    if (typeof value === 'string') {
      const inner = embeddedJson(value);
      if (inner !== undefined) walk(where, inner, depth + 1);
      else say(where, value);
    } else if (Array.isArray(value)) {
      for (const [i, item] of value.slice(0, MAX_NODES).entries()) walk(`${where}[${i}]`, item, depth + 1);
    } else if (value !== null && typeof value === 'object') {
      const fields = value as Record<string, unknown>;
      nodes.push({ where, fields });
      for (const key of Object.keys(fields).slice(0, MAX_NODES)) {
        // `{ sessionNotFound: true }` says it with the key.
        if (fields[key] === true) say(`${where}.${key}`, key);
        else walk(`${where}.${key}`, fields[key], depth + 1);
      }
    }
  };
  walk('message', error.message, 0);
  walk('data', error.data, 0);
  return { sayings, nodes };
}

/** A string that is a JSON object or array, possibly behind a prefix such as `Internal error: {…}`. */
function embeddedJson(text: string): unknown {
  if (text.length > MAX_TEXT) return undefined;
  const start = text.search(/[[{]/);
  if (start < 0 || !/[\]}]\s*$/.test(text)) return undefined;
  try {
    const value: unknown = JSON.parse(text.slice(start));
    if (value === null || typeof value !== 'object') return undefined;
    return start === 0 ? value : [text.slice(0, start), value];
  } catch {
    return undefined; // not JSON after all: then it is read as words
  }
}

const SENTENCE_END = '.';
/** A turn in the sentence: what stands behind it is another statement. */
const TURNS = new Set(['but', 'however', 'although', 'because', 'since', 'while', 'until', 'unless', 'when']);

export function clausesOf(text: string, agentSessionId: string): string[][] {
  const clauses: string[][] = [];
  let clause: string[] = [];
  for (const word of wordsOf(text, agentSessionId)) {
    if (word === SENTENCE_END || TURNS.has(word)) {
      if (clause.length > 0) clauses.push(clause);
      clause = [];
    } else {
      clause.push(word);
    }
  }
  if (clause.length > 0) clauses.push(clause);
  return clauses;
}

/**
 * Lower-case words of a text. Identifiers fall apart into theirs (`SessionNotFoundError` → session not
 * found error), contractions are spelled out (can't → can not), and what is a value and not a word
 * becomes a mark: `#id` our agent session id, `#idpath` a path whose last part holds it, `#path`,
 * `#uri`, `#method` (an ACP method name), `#x` any other value. `:` stands for the lighter
 * punctuation, `.` for a sentence end.
 */
export function wordsOf(text: string, agentSessionId: string): string[] {
  // An id with punctuation or spaces of its own would fall apart below.
  const odd = agentSessionId !== '' && /[^\w./\\-]/.test(agentSessionId);
  const plain = (odd ? text.slice(0, MAX_TEXT).replaceAll(agentSessionId, ' #id ') : text.slice(0, MAX_TEXT))
    .replace(/^\s*at\s.*$/gm, ' . ') // stack frames
    .replace(/[‘’]/g, "'")
    .replace(/[“”]/g, '"')
    .replace(/\\"/g, '"')
    .replace(/\bcan(?:'t|not)\b/gi, 'can not')
    .replace(/\b([A-Za-z]{2,8})n't\b/gi, '$1 not')
    .replace(/(["`])([^"`\n]{1,300})\1/g, (_, _quote, inner: string) => quoted(inner, agentSessionId))
    .replace(
      /(^|[^A-Za-z0-9])'([^'\n]{1,300})'(?![A-Za-z0-9])/g,
      (_, before: string, inner: string) => before + quoted(inner, agentSessionId),
    )
    .replace(/[\r\n]+/g, ' . ');
  const words: string[] = [];
  for (const piece of plain.split(/[\s"]+/)) pieceWords(piece, agentSessionId, words);
  return words;
}

/** What stands in quotes is a value, unless it speaks: an identifier, a session word, or a sentence. */
function quoted(inner: string, agentSessionId: string): string {
  if (holds(inner, agentSessionId) || inner.includes('#id') || inner.includes('/') || inner.includes('\\'))
    return ` ${inner.replace(/\s+/g, '_')} `;
  if (/^[A-Za-z]+$/.test(inner) && SPEAKING.test(inner)) return ` ${inner} `;
  if (/[\s_]|[a-z][A-Z]/.test(inner) && SPEAKING.test(inner) && /not|no|unknown|missing|expired|lock|busy|use/i.test(inner)) {
    return ` ; ${inner} ; `;
  }
  return ' #x ';
}
/** A short id such as `1` is in every text; only a telling one is looked for inside other words. */
function holds(text: string, id: string): boolean {
  return id.length >= 6 && text.includes(id);
}

const SPEAKING = /session|thread|conversation|rollout|chat/i;

const METHOD = /^(?:session|fs|terminal|authenticate|initialize|mcp|elicitation|document|nes|providers)\/[a-z_]+$/i;
const FILE = /\.(?:jsonl?|toml|ya?ml|md|txt|[jt]sx?|py|rs|go|db|sqlite3?|log|lock|env|sock|sh|exe)$/i;

function pieceWords(piece: string, id: string, words: string[]): void {
  // Punctuation around the piece first, so that `(session:` is a word and two marks.
  const open = /^[([{<>)\]},;:.!?|=*#-]+/.exec(piece);
  if (open && !/^#(?:x|id)/.test(piece) && !(id !== '' && piece.startsWith(id))) {
    words.push(/[;!?.]/.test(open[0]) && open[0].length === piece.length ? SENTENCE_END : ':');
    piece = piece.slice(open[0].length);
  }
  const close = piece === id ? null : /[()[\]{}<>,;:.!?|=*-]+$/.exec(piece);
  const core = close ? piece.slice(0, close.index) : piece;
  if (core !== '') coreWords(core, id, words);
  if (close) words.push(/[;!?]|\.$/.test(close[0]) ? SENTENCE_END : ':');
}

function coreWords(core: string, id: string, words: string[]): void {
  if (core === id || core === '#id') words.push('#id');
  else if (core === '#x') words.push('#x');
  else if (METHOD.test(core)) words.push('#method');
  else if (/^\/(?:login|signin)$/.test(core))
    words.push('login'); // a command to type
  else if (/[/\\]/.test(core) && !/^[A-Za-z]{2,}\/[A-Za-z]{2,}$/.test(core)) words.push(pathMark(core, id));
  else if (holds(core, id) && /[=:([]/.test(core)) splitAround(core, id, words);
  else if (/[=:]/.test(core) && !/^[A-Za-z]:/.test(core)) eachPart(core.split(/([=:])/), id, words);
  else if (FILE.test(core)) words.push(holds(core, id) ? '#idpath' : '#path');
  else if (/[(,[]/.test(core)) eachPart(core.split(/[(,[\])]+/), id, words);
  else if (/\d/.test(core)) words.push('#x');
  else words.push(...identifierWords(core));
}

function eachPart(parts: readonly string[], id: string, words: string[]): void {
  for (const part of parts) {
    if (part === '=' || part === ':') words.push(':');
    else if (part !== '') coreWords(part, id, words);
  }
}

function splitAround(core: string, id: string, words: string[]): void {
  const at = core.indexOf(id);
  if (at > 0) pieceWords(core.slice(0, at), id, words);
  words.push('#id');
  if (at + id.length < core.length) pieceWords(core.slice(at + id.length), id, words);
}

/** A path or URI. The agent's own record of the session ends in the id; anything else is another resource. */
function pathMark(core: string, id: string): string {
  const last =
    core
      .split(/[/\\]/)
      .filter((part) => part !== '')
      .at(-1) ?? '';
  if (holds(last, id)) return '#idpath';
  return core.includes('://') ? '#uri' : '#path';
}

export function identifierWords(identifier: string): string[] {
  return identifier
    .replace(/([a-z])([A-Z])/g, '$1 $2')
    .replace(/([A-Z]+)([A-Z][a-z])/g, '$1 $2')
    .toLowerCase()
    .split(/[^a-z#]+/)
    .filter((word) => word !== '');
}
