/** Events and reports in words, for people. Pure. */
import { describeExit } from '../engine/ports.ts';
import type { ResumeReport, SessionEvent } from '../engine/types.ts';
import { fieldsOf, shown, stringOf, textOf, titleOf } from './foreign.ts';

const TIERS: Readonly<Record<ResumeReport['tier'], string>> = {
  live: 'the agent was live',
  new: 'a new session of the agent',
  resume: 'the agent resumed its session',
  load: 'the agent loaded its session',
  transcript: 'a new session of the agent, which was given the transcript',
};

const VERIFIED: Readonly<Record<NonNullable<ResumeReport['verified']>, string>> = {
  'replay-matched': 'its replay matches the record',
  'replay-partial': 'its replay matches part of the record',
  'replay-empty': 'it replayed nothing',
  'replay-mismatch': 'its replay does not match the record',
  listed: 'its list shows the session',
  unverified: 'it could not be checked',
};

/** How a session came back, in a line or a few: what was tried in vain is said, since it is why. */
export function reportWords(report: ResumeReport): string {
  const { tier, attempts, verified, replay, preamble, settings } = report;
  const told = [TIERS[tier], ...(verified ? [VERIFIED[verified]] : [])];
  if (preamble) told.push(`${preamble.bytes} bytes from ${preamble.events} events${preamble.truncated ? ', cut to the newest' : ''}`);
  if (replay && replay.imported > 0) told.push(`${replay.imported} messages from elsewhere were added to the record`);
  const failed = attempts
    .filter((attempt) => attempt.outcome !== 'ok')
    .map((attempt) => `  ${attempt.method}: ${attempt.outcome} (${attempt.evidence})`);
  const lost = settings.failed.map((setting) => `  ${setting.id} could not be set again: ${setting.reason}`);
  return [`${told.join('; ')} (${report.ms} ms)`, ...failed, ...lost].join('\n');
}

/** A tool call as one line, when it starts and when it ends; null for what lies between. */
export function toolLine(update: unknown, titles: Map<string, string>): string | null {
  const { sessionUpdate, status, toolCallId } = fieldsOf(update);
  if (sessionUpdate !== 'tool_call' && sessionUpdate !== 'tool_call_update') return null;
  const id = stringOf(toolCallId);
  const given = oneLine(titleOf(update), 100);
  if (given !== '' && id !== '') titles.set(id, given);
  const title = given || titles.get(id) || oneLine(id, 100) || 'a tool call';
  switch (status) {
    case 'completed':
      return `✓ ${title}`;
    case 'failed':
      return `✗ ${title}`;
    default:
      return sessionUpdate === 'tool_call' ? `· ${title}` : null;
  }
}

/** An event as JSON lines have it: the same whether it was just stored or read back. */
export function eventRecord({ seq, turnId, at, kind, origin, payload, meta }: SessionEvent): { type: 'event'; event: object } {
  return { type: 'event', event: { seq, turnId, at, kind, origin, payload, ...(meta ? { meta } : {}) } };
}

/** One event as one line, whatever an agent or a caller put into it. */
export function eventLine(event: SessionEvent): string {
  const at = new Date(event.at).toISOString().replace('T', ' ').slice(0, 19);
  return `${String(event.seq).padStart(5)}  ${at}  ${eventWords(event).replace(/\s+/g, ' ')}`;
}

export function eventWords(event: SessionEvent): string {
  switch (event.kind) {
    case 'turn_started':
      return event.payload.idempotencyKey === undefined ? 'turn started' : `turn started, key ${event.payload.idempotencyKey}`;
    case 'turn_ended': {
      const { state, stopReason, error } = event.payload;
      return `turn ${state}${stopReason ? ` (${oneLine(stopReason, 100)})` : ''}${error ? `: ${error.code}: ${oneLine(error.message, 200)}` : ''}`;
    }
    case 'permission_requested':
      return `permission requested: ${oneLine(titleOf(event.payload.toolCall), 100) || event.payload.requestId}`;
    case 'permission_resolved':
      return `permission ${event.payload.optionId === null ? 'cancelled' : `answered: ${oneLine(event.payload.optionId, 100)}`}, by ${event.payload.by}`;
    case 'resumed':
      return `resumed: ${reportWords(event.payload).split('\n')[0]}`;
    case 'agent_exited':
      return `the agent ${describeExit(event.payload)}`;
    case 'update':
      return `${event.origin === 'import' ? '(from elsewhere) ' : ''}${updateWords(event.payload)}`;
  }
}

const WHO: Readonly<Record<string, string>> = { user_message_chunk: 'user', agent_message_chunk: 'agent', agent_thought_chunk: 'thought' };

function updateWords(update: unknown): string {
  const fields = fieldsOf(update);
  const kind = stringOf(fields['sessionUpdate']);
  const name = oneLine(kind.replaceAll('_', ' '), 60);
  switch (kind) {
    case 'user_message_chunk':
    case 'agent_message_chunk':
    case 'agent_thought_chunk':
      return `${WHO[kind]}: ${contentWords(fields['content'])}`;
    case 'tool_call':
    case 'tool_call_update': {
      const title = oneLine(titleOf(update), 100) || oneLine(stringOf(fields['toolCallId']), 100) || 'without a title';
      const status = oneLine(stringOf(fields['status']), 60);
      return `${name}: ${title}${status === '' ? '' : ` (${status})`}`;
    }
    case 'plan':
      return `plan: ${planWords(fields['entries'])}`;
    case 'current_mode_update':
      return `mode: ${oneLine(shown(fields['currentModeId']), 100)}`;
    case 'session_info_update':
      return `title: ${oneLine(shown(fields['title'] ?? ''), 200)}`;
    default:
      return name === '' ? `update ${oneLine(shown(update), 200)}` : name;
  }
}

/** Its text, or in brackets what kind of block it is. */
function contentWords(content: unknown): string {
  const type = stringOf(fieldsOf(content)['type']);
  if (type !== '' && type !== 'text') return `[${oneLine(type, 60)}]`;
  return oneLine(textOf(content) ?? shown(content), 200);
}

function planWords(entries: unknown): string {
  if (!Array.isArray(entries)) return oneLine(shown(entries), 200);
  const words = (entry: unknown) => {
    const { content, status } = fieldsOf(entry);
    return typeof content === 'string'
      ? `${oneLine(content, 60)} (${oneLine(stringOf(status), 60) || 'no status'})`
      : oneLine(shown(entry), 60);
  };
  return entries.map(words).join(', ');
}

export function oneLine(text: string, most: number): string {
  const line = text.replace(/\s+/g, ' ').trim();
  return [...line].length > most ? `${[...line].slice(0, most - 1).join('')}…` : line;
}
