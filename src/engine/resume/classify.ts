/**
 * What an agent's error means for the session: by a table of answers that real agents were seen to give (a new agent is one row), then
 * patterns for what others say in words, then the code. What is none of these is `indeterminate`.
 *
 * An unknown session taken for an opaque error stops the user with an error they can read; an opaque error taken for an unknown session
 * abandons a conversation that was still there. So the patterns are few and narrow, and anything that names another cause takes their
 * verdict back.
 */
import { fieldsOf, stringOf } from '../objects.ts';

export interface ResumeFailureContext {
  readonly method: 'session/resume' | 'session/load' | 'session/prompt' | 'session/new';
  readonly agentSessionId: string;
  /** What a complete `session/list` with the session's cwd says of the id; leave it out when none was asked. */
  readonly listed?: 'present' | 'absent' | 'unknown' | undefined;
}

export interface ResumeFailure {
  readonly outcome: 'unknown_session' | 'unsupported' | 'auth_required' | 'session_busy' | 'indeterminate';
  /** The rule's name and what it saw, in words: `says-absent: message says “Session "X" not found”`. */
  readonly evidence: string;
  /**
   * True where `unknown_session` rests on a shape that one agent is known to use and that could mean
   * something else. A `session/list` that shows the id takes it back; ask one where it is advertised.
   */
  readonly weak?: true | undefined;
}

export interface RpcErrorSeen {
  readonly code: number;
  readonly message: string;
  readonly data?: unknown;
}

/** An answer of a real agent: `{id}` stands for the session id, `…` for anything. */
export interface RecordedAnswer {
  readonly agent: string;
  /** Whether the agent was run, or its source or a report read. */
  readonly source: 'run' | 'read';
  readonly outcome: ResumeFailure['outcome'];
  /** As sent; or, where only the words are known, what some string of the error says. */
  readonly answer: RpcErrorSeen | { readonly says: string };
  readonly weak?: true | undefined;
  /** Given to `session/prompt` for a session that was resumed, loaded or live. */
  readonly atPrompt?: true;
}

const error = (code: number, message: string, data?: unknown): RpcErrorSeen => ({ code, message, ...(data === undefined ? {} : { data }) });
const unknown = (agent: string, source: 'run' | 'read', answer: RecordedAnswer['answer']): RecordedAnswer => ({
  ...{ agent, source, outcome: 'unknown_session', answer },
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
 * Classifies the error an agent gave to a resume or, after one that it answered with success, to a prompt. Never throws,
 * whatever stands in `data`.
 *
 * - `listed: 'absent'` makes it `unknown_session`, unless it is `auth_required`, `session_busy` or `unsupported`.
 * - `listed: 'present'` takes back what rests on a known shape alone; the agent's own words and −32002 stand.
 * - At `session/prompt` errors speak of many other things. A known shape counts only where the list proves it, −32002 only
 *   where it names the session, and absence from the list alone says nothing (agents list late, or never).
 * - For `session/new` the answer is never `unknown_session`.
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
  const saying = (pattern: RegExp): string | null => {
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

  // Agents also pass on a −32601 of a client, and what an MCP server wants.
  if (code === -32601 && saying(/\bclientmethod\b/) === null) return { outcome: 'unsupported', evidence: 'method-not-found: code −32601' };
  const auth = saying(AUTH);
  if (auth && !saying(/\bmcp\b/)) return { outcome: 'auth_required', evidence: `says-auth: ${auth}` };
  const busy = saying(BUSY);
  if (busy) return { outcome: 'session_busy', evidence: `says-busy: ${busy}` };

  const atPrompt = method === 'session/prompt';
  const resuming = method === 'session/resume' || method === 'session/load';
  const weak = known?.weak;
  const absent = saying(ABSENT);
  const isMissing = code === -32002 && !namesOther(sayings) && (!atPrompt || namesSession(sayings));
  const evidence =
    seen ??
    (absent && `says-absent: ${absent}`) ??
    (isMissing ? `resource-not-found: code −32002 (${quoted}) names no other resource` : null);
  const cause = known && !weak ? null : saying(OTHER_CAUSE);
  const later = listed === 'absent' ? null : saying(LATER);
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

/** A string whole, an object with these keys and no others. */
function fits(wanted: unknown, value: unknown, id: string): boolean {
  if (typeof wanted !== 'string') {
    const [keys, found] = [Object.keys(fieldsOf(wanted)), fieldsOf(value)];
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

/** What lies beyond is bulk (a stack, a dump) and no evidence. */
const MAX_TEXT = 2_000;
const MAX_SAYINGS = 60;
const MAX_DEPTH = 8;

/** Every string of the error: the message, a string `data`, `data.details`, `data.error.message`, … */
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
 * A text as lower-case words with single blanks, a sentence each. `SessionNotFoundError` is "session not found error", "can't" is "can
 * not"; marks stand for values: `§` our session id, `¶` a path, `x` what has digits in it, `:` a colon or bracket.
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
/** What leaves a session the session: "MCP session" is another. */
const THE =
  '(?:^|: |(?<!\\b(?:in|of|by|for|from|uses) )\\b(?:the|this|that|an?|any|your|our|requested|given|such|previous|saved|acp|agent|load|resume|restore|find|err|error|params|method) )';
/** Between a session and what is said of it. */
const FILL =
  '(?: (?:§|x|:|id|uuid|with|the|this|that|requested|given|specified|provided|named|called|for|of|you|we|was|is|were|are|has|have|had|been|be|can|could|does|do|did|seem|to|now|already|currently|apparently|and|or|because|it|trying|load|resume)){0,10}';
/** Where a statement ends; "unknown mode" and "missing field" are about something else. */
const END =
  '(?= [§x:]| in\\b| on\\b| from\\b| by\\b| or\\b| and\\b| to this\\b| with\\b| for\\b| any ?more\\b| here\\b| you\\b| matching\\b|$)';
const NOT =
  'not (?:be |been )?(?:found|exists?|known|recogni[sz]ed|located|present)\\b(?! in (?:the |your )?(?:request|param|body|header))|no longer (?:exists?|available|known)';
const GONE = '(?:(?<!: )unknown|gone|expired|deleted|removed|purged|lost|evicted|stale|(?<!\\bid (?:is )?)missing)';

const any = (...patterns: readonly string[]): RegExp => new RegExp(patterns.join('|'));

/** A sentence that only wonders says nothing. */
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
/** A cause that is not the session's absence takes a verdict on the session back. */
const OTHER_CAUSE =
  /\b(?:permission|denied|forbidden|unauthori[sz]ed|time ?out|timed out|e(?:conn[a-z]+|notfound|timedout|pipe|acces|perm|mfile|nospc|rofs|io|busy)|refused|unreachable|unavailable|network|corrupt(?:ed)?|quota|overloaded|rate limit\w*|mcp|out of memory|tokens?|credentials?|api key|decrypt|parsed?|not be read|is locked|disk full)\b/;
/** Asked later, the session may be there. "Please try again" alone is what any error says. */
const LATER =
  /\btemporar(?:il)?y\b(?! (?:dir|director|file|folder|stor))|\btransient|\bin (?:the |its )?cache\b|\b(?:later|shortly|in a (?:moment|minute|second))$/;

// ---------------------------------------------------------------- −32002

/** It is the answer to any missing resource, which words name, or the field that holds it. */
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
