/**
 * Decides what an agent's error means for the session: first by a table of answers that real agents give (a new agent is one row), then by
 * patterns for what agents say in words, then by the error's code. Anything else is `indeterminate`.
 *
 * The two mistakes are not equally bad. An unknown session taken for an opaque error stops the user with an error that they can read. An
 * opaque error taken for an unknown session abandons a conversation that is still there. So the patterns are few and narrow, and an error
 * that names another cause does not count as an unknown session.
 */
import { fieldsOf, stringOf } from '../objects.ts';

export interface ResumeFailureContext {
  readonly method: 'session/resume' | 'session/load' | 'session/prompt' | 'session/new';
  readonly agentSessionId: string;
  /** What a complete `session/list` with the session's cwd says of the id. Leave it out if the list was not asked. */
  readonly listed?: 'present' | 'absent' | 'unknown' | undefined;
}

export interface ResumeFailure {
  readonly outcome: 'unknown_session' | 'unsupported' | 'auth_required' | 'session_busy' | 'indeterminate';
  /** The name of the rule, and what it found: `says-absent: message says “Session "X" not found”`. */
  readonly evidence: string;
  /**
   * True if `unknown_session` rests on an answer that one agent is known to give, but that could mean something else. If the agent has
   * `session/list`, ask it: a list that shows the id proves the opposite.
   */
  readonly weak?: true | undefined;
}

export interface RpcErrorSeen {
  readonly code: number;
  readonly message: string;
  readonly data?: unknown;
}

/** An answer of a real agent. `{id}` stands for the session id, `…` for anything. */
export interface RecordedAnswer {
  readonly agent: string;
  /** `run`: seen from the running agent. `read`: found in its source or in a report. */
  readonly source: 'run' | 'read';
  readonly outcome: ResumeFailure['outcome'];
  /** The answer as it was sent; or, if only its words are known, what one of its strings says. */
  readonly answer: RpcErrorSeen | { readonly says: string };
  readonly weak?: true | undefined;
  /** Given to `session/prompt` for a session that was resumed, loaded or live. */
  readonly atPrompt?: true;
}

const error = (code: number, message: string, data?: unknown): RpcErrorSeen => ({ code, message, ...(data === undefined ? {} : { data }) });
const unknown = (agent: string, source: 'run' | 'read', answer: RecordedAnswer['answer']): RecordedAnswer => ({
  agent,
  source,
  outcome: 'unknown_session',
  answer,
});

export const RECORDED_ANSWERS: readonly RecordedAnswer[] = [
  unknown('the specification', 'read', error(-32002, 'Session not found: {id}', { sessionId: '{id}' })),
  unknown('Claude agent 0.101', 'run', error(-32002, 'Resource not found', { sessionId: '{id}' })),
  // It may still be the agent's own id, so the list decides.
  {
    ...unknown('Claude agent 0.101, id no UUID', 'run', error(-32603, 'Internal error', { details: '…requires a valid session ID…' })),
    weak: true,
  },
  { ...unknown('Claude agent', 'read', { says: '…No conversation found with session ID: {id}' }), atPrompt: true },
  { ...unknown('OpenCode 1.18.33', 'run', error(-32603, 'Internal error: OpenCode service failure', { service: 'session' })), weak: true },
  {
    ...unknown('OpenCode 1.18.33', 'run', error(-32602, 'Invalid params: session not found: {id}', { sessionId: '{id}' })),
    atPrompt: true,
  },
  { ...unknown('OpenCode, older', 'read', error(-32603, 'Internal error', { details: 'NotFoundError' })), weak: true },
  unknown('OpenCode, older', 'read', error(-32602, '…', { error: 'Session not found: {id}' })),
  unknown('Codex 2.6', 'run', { says: '…no rollout found…' }),
  unknown('Qwen Code 0.24.4', 'run', error(-32002, 'Resource not found: session:{id}', { uri: 'session:{id}' })),
  unknown('pi-acp 0.0.34', 'run', error(-32602, 'Invalid params', 'Unknown sessionId: {id}')),
  unknown('Goose', 'read', error(-32002, 'Resource not found', 'Session not found: {id}')),
  unknown('Cursor', 'read', error(-32602, 'Session "{id}" not found')),
  { ...unknown('Qoder', 'read', { says: '…Invalid session identifier "{id}"…' }), weak: true },
  { agent: 'Devin', source: 'read', outcome: 'session_busy', answer: { says: '…already open in another process…' } },
  { agent: 'Gemini CLI 0.61, Codex 0.16', source: 'run', outcome: 'auth_required', answer: error(-32000, 'Authentication required') },
  { agent: 'agents on the ACP SDK', source: 'run', outcome: 'unsupported', answer: error(-32601, '"Method not found": session/…') },
];

/**
 * Classifies an agent's error to a resume, or to a prompt after a resume that it answered with success. Never throws, whatever is in
 * `data`.
 *
 * - `listed: 'absent'` makes it `unknown_session`, unless it is `auth_required`, `session_busy` or `unsupported`.
 * - `listed: 'present'` overrules a weak answer, but not the agent's own words, nor −32002.
 * - At `session/prompt` errors are about many other things. A weak answer counts only if the list proves it, and −32002 only if it names
 * the session. That the list lacks the session means nothing by itself, since agents list late, or never.
 * - For `session/new` the outcome is never `unknown_session`.
 *
 * @example
 * classifyResumeFailure({ code: -32602, message: 'Session "x" not found' }, { method: 'session/load', agentSessionId: 'x' }).outcome; // 'unknown_session'
 */
export function classifyResumeFailure(error: RpcErrorSeen, context: ResumeFailureContext): ResumeFailure {
  const { method, agentSessionId, listed } = context;
  // A longer one, which would be too large a pattern, is not found in what is read of a text.
  const id = agentSessionId.length > MAX_TEXT ? '' : agentSessionId;
  const code = error.code;
  const sayings = sayingsOf(error, id);
  const matching = (pattern: RegExp): string | null => {
    const found = sayings.find(({ sentences }) => sentences.some((sentence) => pattern.test(sentence)));
    return found ? `${found.where} says “${shorten(found.text)}”` : null;
  };
  const quoted = `${code} “${shorten(stringOf(error.message))}”`;

  const known = RECORDED_ANSWERS.find(({ answer }) =>
    'says' in answer
      ? sayings.some(({ text }) => fits(answer.says, text, id))
      : answer.code === code && fits(answer.message, error.message, id) && (answer.data === undefined || fits(answer.data, error.data, id)),
  );
  const seen = known && `recorded-answer: ${quoted} is what ${known.agent} answers`;
  if (seen && known.outcome !== 'unknown_session') return { outcome: known.outcome, evidence: seen };

  // Not if the agent passes on a client's −32601, or that an MCP server wants a sign-in.
  if (code === -32601 && matching(/\bclientmethod\b/) === null)
    return { outcome: 'unsupported', evidence: 'method-not-found: code −32601' };
  const auth = matching(AUTH);
  if (auth && !matching(/\bmcp\b/)) return { outcome: 'auth_required', evidence: `says-auth: ${auth}` };
  const busy = matching(BUSY);
  if (busy) return { outcome: 'session_busy', evidence: `says-busy: ${busy}` };

  const atPrompt = method === 'session/prompt';
  const resuming = method === 'session/resume' || method === 'session/load';
  const weak = known?.weak;
  const absent = matching(ABSENT);
  const isMissing = code === -32002 && !namesOther(sayings) && (!atPrompt || namesSession(sayings));
  const evidence =
    seen ??
    (absent && `says-absent: ${absent}`) ??
    (isMissing ? `resource-not-found: code −32002 (${quoted}) names no other resource` : null);
  const cause = known && !weak ? null : matching(OTHER_CAUSE);
  const later = listed === 'absent' ? null : matching(LATER);
  const against =
    (cause && `${cause}, too`) ??
    (later && `${later}: it may be found then`) ??
    (weak && listed === 'present' ? 'session/list shows the session' : null) ??
    (weak && atPrompt && listed !== 'absent' ? 'at a prompt it may mean something else' : null);
  if (evidence && !against && (atPrompt || resuming)) return { outcome: 'unknown_session', evidence, ...(weak ? { weak } : {}) };
  if (code === -32000) return { outcome: 'auth_required', evidence: 'auth-code: code −32000' };
  if (resuming && listed === 'absent')
    return { outcome: 'unknown_session', evidence: `list-absent: session/list is complete and does not show the session (${quoted})` };
  const why = evidence && against ? `${evidence}, but ${against}` : `${quoted} says nothing about the session`;
  return { outcome: 'indeterminate', evidence: `opaque: ${why}${listed === 'present' ? '; session/list shows the session' : ''}` };
}

// ---------------------------------------------------------------- recorded answers

/** Whether a value matches a recorded one: a string as a whole, an object with the same keys and no others. */
function fits(wanted: unknown, value: unknown, id: string): boolean {
  if (typeof wanted !== 'string') {
    const keys = Object.keys(fieldsOf(wanted));
    const found = fieldsOf(value);
    return keys.length === Object.keys(found).length && keys.every((key) => fits(fieldsOf(wanted)[key], found[key], id));
  }
  if (typeof value !== 'string') return false;
  const pattern = wanted.split(/(\{id\}|…)/).map((part) => (part === '{id}' ? quoteRegExp(id) : part === '…' ? '[^]*' : quoteRegExp(part)));
  return new RegExp(`^${pattern.join('')}$`).test(value);
}

const quoteRegExp = (text: string): string => text.replace(/[.*+?^${}()|[\]\\/-]/g, '\\$&');

// ---------------------------------------------------------------- what an error says

interface Saying {
  readonly where: string;
  readonly text: string;
  readonly sentences: readonly string[];
}

/** Longer texts, and what is beyond these bounds, are stack traces and dumps, and no evidence. */
const MAX_TEXT = 2_000;
const MAX_SAYINGS = 60;
const MAX_DEPTH = 8;

/** All strings of the error: `message`, `data` if it is a string, `data.details`, `data.error.message`, … */
function sayingsOf(error: RpcErrorSeen, id: string): Saying[] {
  const sayings: Saying[] = [];
  const walk = (where: string, value: unknown, depth: number): void => {
    if (sayings.length >= MAX_SAYINGS || depth > MAX_DEPTH) return;
    if (typeof value === 'string') sayings.push({ where, text: value, sentences: sentencesOf(value.slice(0, MAX_TEXT), id) });
    else for (const [key, part] of Object.entries(fieldsOf(value))) walk(`${where}.${key}`, part, depth + 1);
  };
  walk('message', error.message, 0);
  walk('data', error.data, 0);
  return sayings;
}

/**
 * The sentences of a text, as lower-case words separated by single blanks. `SessionNotFoundError` becomes "session not found error",
 * "can't" becomes "can not". Signs replace values: `§` our session id, `¶` a path, `x` a word with digits, `:` a colon, an opening bracket
 * or a dash.
 */
function sentencesOf(text: string, id: string): string[] {
  const own = id === '' ? text : text.replace(new RegExp(`(?<![A-Za-z0-9])${quoteRegExp(id)}(?![A-Za-z0-9])`, 'g'), '§');
  return own
    .replace(/^\s*at\s.*$/gm, '') // stack frames
    .replace(/[‘’]/g, "'")
    .replace(/\/(?=login\b)/g, '') // a command to type
    .replace(/\bcan(?:not|'t)\b/gi, 'can not')
    .replace(/n't\b/gi, ' not')
    .replace(/\b(?:fs|terminal|mcp|elicitation)\/\w+/g, 'clientmethod')
    .replace(/\bsession\/\w+/g, 'method')
    .replace(/[^\s"'(),]*[/\\][^\s"'(),]*/g, ' ¶ ')
    .split(/[.!?;](?=\s|$)|[\r\n]+/)
    .map((sentence) =>
      ` ${sentence} `
        .replace(/([a-z])(?=[A-Z])|([A-Z])(?=[A-Z][a-z])/g, '$1$2 ')
        .toLowerCase()
        .replace(/[:([{]+|\s-\s/g, ' : ')
        .replace(/[^a-z0-9§¶:]+/g, ' ')
        .replace(/\b[a-z]*\d[a-z0-9]*\b/g, 'x')
        .trim(),
    )
    .filter((sentence) => sentence !== '');
}

// ---------------------------------------------------------------- patterns

const SESSION = '(?:session|thread|conversation|rollout|chat)s?(?: id(?:entifier)?| file| record)?';
/** What may stand in front of a session for it to be ours: an "MCP session" is another. */
const THE =
  '(?:^|: |(?<!\\b(?:in|of|by|for|from|uses) )\\b(?:the|this|that|an?|any|your|our|requested|given|such|previous|saved|acp|agent|load|resume|restore|find|err|error|params|method) )';
/** What may stand between a session and what is said of it. */
const FILL =
  '(?: (?:§|x|:|id|uuid|with|the|this|that|requested|given|specified|provided|named|called|for|of|you|we|was|is|were|are|has|have|had|been|be|can|could|does|do|did|seem|to|now|already|currently|apparently|and|or|because|it|trying|load|resume)){0,10}';
/** What may follow a statement about the session: "session unknown mode" and "session missing field" are about something else. */
const END =
  '(?= [§x:]| in\\b| on\\b| from\\b| by\\b| or\\b| and\\b| to this\\b| with\\b| for\\b| any ?more\\b| here\\b| you\\b| matching\\b|$)';
const NOT =
  'not (?:be |been )?(?:found|exists?|known|recogni[sz]ed|located|present)\\b(?! in (?:the |your )?(?:request|param|body|header))|no longer (?:exists?|available|known)';
const GONE = '(?:(?<!: )unknown|gone|expired|deleted|removed|purged|lost|evicted|stale|(?<!\\bid (?:is )?)missing)';

const any = (...patterns: readonly string[]): RegExp => new RegExp(patterns.join('|'));

/** The session does not exist. A sentence with "if" or "may" only wonders, and does not count. */
const ABSENT = new RegExp(
  `^(?!.*\\b(?:if|whether|may|might|check|verify|determine)\\b)(?:.*?(?:${
    any(
      `${THE}${SESSION}${FILL} (?:${NOT}|${GONE}${END})`,
      `(?<!not (?:an? )?)\\b(?:unknown|no such|non ?existent|unrecogni[sz]ed) ${SESSION}(?: error$| exists| matching|${END})`,
      `\\bno (?:saved |active |previous |matching |existing |stored |known )?${SESSION}(?: was| were| could be)? (?:found|exists?|with|for|named|called|matching|§|x)`,
      `\\b(?:not|unable to|failed to) (?:find|locate|recogni[sz]e|know|have) (?:the |an? |any |that |this |your )?(?:requested |saved )?${SESSION}${END}`,
      `(?:^|: )(?:resource )?not found(?: error)?(?: :)? (?:§|${SESSION}(?= [§x:]|$))`,
      `(?:^|: )§(?: :)?(?: (?:is|was|does))* (?:${NOT}|unknown${END})`,
    ).source
  }))`,
);
const BUSY = any(
  `${THE}${SESSION}${FILL} (?:in use|(?:being )?used (?:by|in)|locked|busy|open(?:ed)? (?:in|by|on|elsewhere)|active$)`,
  `already open(?:ed)? in another|\\banother (?:process|client|instance)(?: \\w+){0,4} ${SESSION}`,
);
const AUTH = any(
  '\\b(?:authentication|auth|login|sign ?in) (?:is )?(?:required|needed)',
  '\\bnot (?:logged in|signed in|authenticated)\\b',
  '\\b(?:please|must|need to)(?: be)? (?:run )?(?:log(?:ged)? ?in|sign(?:ed)? ?in|login|authenticate)\\b',
);
/** A cause other than the absence of the session. With one, no verdict on the session counts. */
const OTHER_CAUSE =
  /\b(?:permission|denied|forbidden|unauthori[sz]ed|time ?out|timed out|e(?:conn[a-z]+|notfound|timedout|pipe|acces|perm|mfile|nospc|rofs|io|busy)|refused|unreachable|unavailable|network|corrupt(?:ed)?|quota|overloaded|rate limit\w*|mcp|out of memory|tokens?|credentials?|api key|decrypt|parsed?|not be read|is locked|disk full)\b/;
/** The session may be there later. "Please try again" alone does not count, since any error says that. */
const LATER =
  /\btemporar(?:il)?y\b(?! (?:dir|director|file|folder|stor))|\btransient|\bin (?:the |its )?cache\b|\b(?:later|shortly|in a (?:moment|minute|second))$/;

// ---------------------------------------------------------------- −32002

/** Any missing resource may be answered with −32002. These words, in a text or in the name of its field, say that it is not the session. */
const OTHER_RESOURCE =
  /\b(?:files?|models?|tools?|commands?|dir|director(?:y|ies)|folder|workspace|project|provider|prompt|template|config\w*|initiali[sz]ed|binary|skill|plugin|path|ur[il]|cwd|server|mode)\b|¶/;

const namesOther = (sayings: readonly Saying[]): boolean =>
  sayings.some(({ where, sentences }) => [...sentencesOf(where, ''), ...sentences].some((sentence) => OTHER_RESOURCE.test(sentence)));

const namesSession = (sayings: readonly Saying[]): boolean =>
  sayings.some(({ sentences }) => sentences.some((sentence) => sentence.includes('§')));

function shorten(text: string): string {
  const line = text.slice(0, 400).replace(/\s+/g, ' ').trim();
  return line.length <= 160 ? line : `${line.slice(0, 159).toWellFormed()}…`;
}
