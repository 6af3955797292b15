/**
 * What an agent's error to a resume means. A pure function with a table of rules, in the
 * order in which they are asked; the first that knows gives the outcome, and its name opens the evidence.
 *
 * The cost of the two mistakes differs. An unknown session taken for an opaque error stops the user with
 * an error they can read. An opaque error taken for an unknown session leaves a conversation behind that
 * was still there. So a rule concludes `unknown_session` only from what the agent says about *this*
 * session, and anything in the error that names another cause takes that conclusion back.
 */
import { findPhrase, type Said } from './classify-phrases.ts';
import { identifierWords, readError, wordsOf, type ReadError, type Saying } from './classify-read.ts';

export interface ResumeFailureContext {
  readonly method: 'session/resume' | 'session/load' | 'session/list' | 'session/new' | 'initialize';
  readonly agentSessionId: string;
  /** What a complete `session/list` with the session's cwd says of the id; leave it out when none was asked. */
  readonly listed?: 'present' | 'absent' | 'unknown';
}

export interface ResumeFailure {
  readonly outcome: 'unknown_session' | 'unsupported' | 'auth_required' | 'session_busy' | 'indeterminate';
  /** The rule's name and what it saw, in words: `says-absent: message says “Session "X" not found”`. */
  readonly evidence: string;
  /**
   * True where `unknown_session` rests on a shape that one agent is known to use and that could mean
   * something else. A `session/list` that shows the id takes it back; ask one where it is advertised.
   */
  readonly weak?: true;
}

type Outcome = ResumeFailure['outcome'];

interface Case {
  readonly code: number;
  readonly read: ReadError;
  readonly context: ResumeFailureContext;
  readonly data: unknown;
  readonly message: string;
}

interface Rule {
  readonly name: string;
  readonly outcome: Outcome;
  /** What the rule saw, or null when it does not apply. */
  readonly sees: (of: Case) => string | null;
  /** A verdict that another cause named in the error takes back, as does a list that shows the id. */
  readonly weak?: true;
  /** A verdict about the session, so only for the two methods that name one; another cause takes it back. */
  readonly aboutSession?: true;
}

const RULES: readonly Rule[] = [
  { name: 'method-not-found', outcome: 'unsupported', sees: methodNotFound },
  { name: 'says-auth', outcome: 'auth_required', sees: saysAuth },
  { name: 'says-busy', outcome: 'session_busy', sees: (of) => says('busy', of) },
  { name: 'says-unsupported', outcome: 'unsupported', sees: (of) => (names(of, CLIENT_METHOD) ? null : says('unsupported', of)) },
  { name: 'says-absent', outcome: 'unknown_session', sees: (of) => says('absent', of), aboutSession: true },
  { name: 'names-absent', outcome: 'unknown_session', sees: namesAbsent, aboutSession: true },
  // Asked after the words: many agents use −32000 for any server error, and "Session not found" is not about a login.
  { name: 'auth-code', outcome: 'auth_required', sees: (of) => (of.code === -32000 ? 'code −32000' : null) },
  { name: 'resource-not-found', outcome: 'unknown_session', sees: resourceNotFound, aboutSession: true },
  { name: 'invalid-id', outcome: 'unknown_session', sees: (of) => says('invalid-id', of), aboutSession: true, weak: true },
  { name: 'known-shape', outcome: 'unknown_session', sees: knownShape, aboutSession: true, weak: true },
];

/**
 * Classifies the error an agent gave to a resume. Never throws, whatever stands in `data`.
 *
 * - `listed: 'absent'` makes it `unknown_session`, unless it is `auth_required`, `session_busy` or `unsupported`.
 * - `listed: 'present'` takes back what rests on a known shape alone; the agent's own words and −32002 stand.
 * - For `session/list`, `session/new` and `initialize` the answer is never `unknown_session`.
 */
export function classifyResumeFailure(
  error: { readonly code: number; readonly message: string; readonly data?: unknown },
  context: ResumeFailureContext,
): ResumeFailure {
  const of: Case = {
    code: error.code,
    read: readError(error, context.agentSessionId),
    context,
    data: error.data,
    message: typeof error.message === 'string' ? error.message : '',
  };
  const resuming = context.method === 'session/resume' || context.method === 'session/load';
  const cause = otherCause(of);
  let doubt: string | null = null;
  for (const rule of RULES) {
    const seen = rule.sees(of);
    if (seen === null) continue;
    if (rule.aboutSession) {
      if (!resuming) continue;
      const against = cause ?? (rule.weak && context.listed === 'present' ? 'session/list shows the session' : null);
      if (against !== null) {
        doubt ??= `${rule.name}: ${seen}, but ${against}`;
        continue;
      }
    }
    return { outcome: rule.outcome, evidence: `${rule.name}: ${seen}`, ...(rule.weak ? { weak: true as const } : {}) };
  }
  if (resuming && context.listed === 'absent') {
    return {
      outcome: 'unknown_session',
      evidence: `list-absent: session/list is complete and does not show the session (${quote(of.message, of.code)})`,
    };
  }
  const listed = context.listed === 'present' ? '; session/list shows the session' : '';
  return {
    outcome: 'indeterminate',
    evidence: `opaque: ${doubt ?? `${quote(of.message, of.code)} says nothing about the session`}${listed}`,
  };
}

// ---------------------------------------------------------------- what the rules look at

function says(said: Said, of: Case): string | null {
  for (const saying of of.read.sayings) {
    if (findPhrase(said, saying.clauses) !== null) return evidenceOf(saying);
  }
  return null;
}

/** An agent that asks to log in, unless it is an MCP server that does the asking. */
function saysAuth(of: Case): string | null {
  return hasWord(of, 'mcp') ? null : says('auth', of);
}

const CLIENT_METHOD = /^(?:fs|terminal|mcp|elicitation)\/|^session\/(?:update|request_permission)/;

/** −32601 for the method we called. Agents also pass on a −32601 that a client gave *them*. */
function methodNotFound(of: Case): string | null {
  if (of.code !== -32601) return null;
  return names(of, CLIENT_METHOD) ? null : 'code −32601';
}

function names(of: Case, method: RegExp): boolean {
  return of.read.sayings.some((saying) => saying.text.split(/[\s"'`:,()]+/).some((piece) => method.test(piece)));
}

const SESSION_KEY = /^(?:(?:acp_?)?(?:agent_?)?(?:session|thread|conversation|rollout|chat)_?(?:id|uuid|key)?)$/i;
const SESSION_NAME = /^(?:session|thread|conversation|rollout|chat)s?$/i;
const KIND_KEY = /^(?:resource|resource_?type|entity|entity_?type|type|kind|object|what|subject|name|target|model_?name)$/i;

/** A bare "not found" beside a field that says what: `{ code: "NOT_FOUND", resource: "session" }`. */
function namesAbsent(of: Case): string | null {
  const spoken = of.read.sayings.filter((saying) => findPhrase('bare-absent', saying.clauses) !== null);
  const flagged = of.read.nodes.some(({ fields }) => fields['found'] === false || fields['exists'] === false);
  if (spoken.length === 0 && !flagged) return null;
  for (const { where, fields } of of.read.nodes) {
    for (const [key, value] of Object.entries(fields)) {
      if (typeof value !== 'string') continue;
      // `{ sessionId: "not found" }`, as form checkers put it.
      const said = SESSION_KEY.test(key) ? spoken.find((saying) => saying.where === `${where}.${key}`) : undefined;
      if (said) return evidenceOf(said);
      const isSession = SESSION_KEY.test(key) ? value === of.context.agentSessionId : KIND_KEY.test(key) && SESSION_NAME.test(value);
      if (isSession) {
        const what = spoken[0] ? evidenceOf(spoken[0]) : `${where} says it is not found`;
        return `${what}, and ${where}.${key} names the session`;
      }
    }
  }
  return null;
}

const OTHER_KEY =
  /^(?:uri|url|path|file|filename|file_?path|directory|dir|cwd|model|model_?id|tool|tool_?name|command|server|server_?name|mode|mode_?id|provider)$/i;
/** Things that can be missing besides a session. "Resource" and "server error" are neither. */
const OTHER_NOUNS = new Set(
  'file files model models tool tools command directory folder workspace project provider mode prompt config configuration initialized initialised binary executable template agent skill plugin extension checkpoint-model'.split(
    ' ',
  ),
);

/** −32002, the specification's answer, unless the error names another resource. */
function resourceNotFound(of: Case): string | null {
  if (of.code !== -32002) return null;
  for (const { fields } of of.read.nodes) {
    for (const [key, value] of Object.entries(fields)) {
      if (OTHER_KEY.test(key) && typeof value === 'string' && !aboutOurs(value, of)) return null;
      if (KIND_KEY.test(key) && typeof value === 'string' && identifierWords(value).some((word) => OTHER_NOUNS.has(word))) return null;
    }
  }
  for (const saying of of.read.sayings) {
    if (
      !/\.(?:stack|trace)$/.test(saying.where) &&
      saying.clauses.flat().some((word) => OTHER_NOUNS.has(word) || word === '#path' || word === '#uri')
    )
      return null;
  }
  return `code −32002 (${quote(of.message, of.code)}) names no other resource`;
}

function aboutOurs(value: string, of: Case): boolean {
  const marks = wordsOf(value, of.context.agentSessionId);
  return marks.some((word) => word === '#id' || word === '#idpath') || /^(?:session|thread|conversation)s?:/i.test(value);
}

/** Shapes that say nothing in words, read off real agents: each is one agent's answer to an unknown id. */
function knownShape(of: Case): string | null {
  if (of.code !== -32603 || of.data === null || typeof of.data !== 'object') return null;
  const data = of.data as Record<string, unknown>;
  if (data['service'] === 'session' && /service failure/i.test(of.message)) return 'OpenCode’s session service failed';
  if (data['details'] === 'NotFoundError') return 'OpenCode’s bare NotFoundError';
  return null;
}

// ---------------------------------------------------------------- other causes

const CAUSE_WORDS = new Set(
  'permission denied forbidden unauthorized unauthorised timeout econnrefused econnreset enotfound etimedout epipe eacces eperm emfile enfile enospc erofs eio ebusy refused unreachable network socket corrupt corrupted malformed quota overloaded unavailable mcp deadlock oom token credential credentials authentication decrypt parse syntax'.split(
    ' ',
  ),
);
const CAUSE_PAIRS = [
  'timed out',
  'rate limit',
  'rate limited',
  'rate limiting',
  'disk full',
  'disk error',
  'i o',
  'api key',
  'database locked',
  'is locked',
  'out of memory',
  'connection closed',
  'connection lost',
  'connection reset',
  'not readable',
  'not be read',
  'not be parsed',
  'not writable',
  'login expired',
];

/** A cause the error names that is not the session's absence, or null. It spoils every verdict on the session. */
function otherCause(of: Case): string | null {
  for (const saying of of.read.sayings) {
    for (const clause of saying.clauses) {
      const joined = ` ${clause.filter((word) => word !== ':').join(' ')} `;
      const pair = CAUSE_PAIRS.find((text) => joined.includes(` ${text} `));
      const word = pair ?? clause.find((candidate) => CAUSE_WORDS.has(candidate));
      // An id or session called malformed is the session's own trouble, not another.
      if (word === 'malformed' && findPhrase('invalid-id', [clause]) !== null) continue;
      if (word !== undefined) return `${saying.where} also says “${word}”`;
    }
  }
  return null;
}

function hasWord(of: Case, word: string): boolean {
  return of.read.sayings.some((saying) => saying.clauses.some((clause) => clause.includes(word)));
}

// ---------------------------------------------------------------- evidence

const MAX_QUOTE = 160;

function evidenceOf(saying: Saying): string {
  return `${saying.where} says “${shorten(saying.text)}”`;
}

function quote(message: string, code: number): string {
  return `${code} “${shorten(message)}”`;
}

function shorten(text: string): string {
  const line = text.replace(/\s+/g, ' ').trim();
  return line.length <= MAX_QUOTE ? line : `${line.slice(0, MAX_QUOTE - 1).replace(/[\uD800-\uDBFF]$/, '')}…`;
}
