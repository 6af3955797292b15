/** Words events and resume reports for people. Pure functions, which do not throw whatever an agent sent. */
import { describeExit } from '../engine/ports.ts';
import { fieldsOf, stringOf } from '../engine/objects.ts';
import { blocksOf, classOf, contentKind, noticeText, readToolCall, roleOf, textOf } from '../engine/protocol/updates.ts';
import { isoTime } from '../engine/safe-text.ts';
import type { ResumeReport, SessionEvent } from '../engine/types.ts';

const TIERS: Readonly<Record<ResumeReport['tier'], string>> = {
  live: 'the agent was live',
  new: 'a new session of the agent',
  resume: 'the agent resumed its session',
  load: 'the agent loaded its session',
  transcript: 'a new session of the agent, which is given the transcript',
};

const VERIFIED: Readonly<Record<NonNullable<ResumeReport['verified']>, string>> = {
  'replay-matched': 'its replay matches the record',
  'replay-partial': 'its replay matches part of the record',
  'replay-empty': 'it replayed nothing',
  'replay-mismatch': 'its replay does not match the record',
  listed: 'its list shows the session',
  unverified: 'it could not be checked',
};

/** Says how the session was resumed, and on further lines which attempts failed first and why. */
export function describeReport(report: ResumeReport): string {
  const { tier, attempts, verified, replay, preamble, settings } = report;
  const told = [TIERS[tier], ...(verified ? [VERIFIED[verified]] : [])];
  if (verified === 'replay-partial' && replay) {
    const newest = replay.newestMissing === undefined ? '' : `, without the newest ${replay.newestMissing}`;
    told[1] += `: ${replay.matched} of ${replay.matched + replay.missing} messages${newest}`;
  }
  if (preamble) told.push(`${preamble.bytes} bytes from ${preamble.events} events${preamble.truncated ? ', cut to the newest' : ''}`);
  if (replay && replay.imported > 0) told.push(`${replay.imported} messages from elsewhere were added to the record`);
  const failed = attempts
    .filter((attempt) => attempt.outcome !== 'ok')
    .map((attempt) => `  ${attempt.method}: ${attempt.outcome} (${attempt.evidence})`);
  const lost = settings.failed.map((setting) => `  ${setting.id} could not be set again: ${setting.reason}`);
  return [`${told.join('; ')} (${report.ms} ms)`, ...failed, ...lost].join('\n');
}

/** The line to print when a tool call starts or ends; null for updates in between. `titles` keeps the calls' titles. */
export function toolLine(update: unknown, titles: Map<string, string>): string | null {
  const { sessionUpdate } = fieldsOf(update);
  if (sessionUpdate !== 'tool_call' && sessionUpdate !== 'tool_call_update') return null;
  const { id, title: said = '', status } = readToolCall(update);
  const given = oneLine(said, 100);
  const isFirst = sessionUpdate === 'tool_call' || (given !== '' && !titles.has(id));
  if (given !== '' && id !== '') titles.set(id, given);
  const title = given || titles.get(id) || oneLine(id, 100) || 'a tool call';
  switch (status) {
    case 'completed':
      return `✓ ${title}`;
    case 'failed':
      return `✗ ${title}`;
    default:
      return isFirst ? `· ${title}` : null;
  }
}

/** The same JSON for an event that was just stored and one that was read back. */
export function eventRecord({ seq, turnId, at, kind, origin, payload, meta }: SessionEvent): { type: 'event'; event: object } {
  return { type: 'event', event: { seq, turnId, at, kind, origin, payload, ...(meta ? { meta } : {}) } };
}

/** Always one line, whatever an agent or a caller put into the event. */
export function eventLine(event: SessionEvent): string {
  return `${String(event.seq).padStart(5)}  ${formatTime(event.at)}  ${describeEvent(event).replace(/\s+/g, ' ')}`;
}

export function formatTime(at: number): string {
  return isoTime(at).replace('T', ' ').slice(0, 19);
}

export function describeEvent(event: SessionEvent): string {
  switch (event.kind) {
    case 'turn_started':
      return event.payload.idempotencyKey === undefined ? 'turn started' : `turn started, key ${event.payload.idempotencyKey}`;
    case 'turn_ended': {
      const { state, stopReason, error } = event.payload;
      return `turn ${state}${stopReason ? ` (${oneLine(stopReason, 100)})` : ''}${error ? `: ${error.code}: ${oneLine(error.message, 200)}` : ''}`;
    }
    case 'permission_requested':
      return `permission requested: ${oneLine(readToolCall(event.payload.toolCall).title ?? '', 100) || event.payload.requestId}`;
    case 'permission_resolved':
      return `permission ${event.payload.optionId === null ? 'cancelled' : `answered: ${oneLine(event.payload.optionId, 100)}`}, by ${event.payload.by}`;
    case 'elicitation_requested':
      return `the agent asks: ${oneLine(stringOf(event.payload.question['message']), 200)}`;
    case 'elicitation_resolved':
      return `the question was ${event.payload.answer === null ? 'cancelled' : `answered: ${oneLine(stringOf(event.payload.answer['action']), 100)}`}`;
    case 'resumed':
      return `resumed: ${describeReport(event.payload).split('\n')[0]}`;
    case 'agent_exited':
      return `the agent ${describeExit(event.payload)}`;
    case 'update':
      return `${event.origin === 'import' ? '(from elsewhere) ' : ''}${describeUpdate(event.payload, event.meta)}`;
  }
}

function describeUpdate(update: unknown, meta: unknown): string {
  const notice = noticeText(update, meta);
  if (notice !== null) return `notice: ${oneLine(notice, 200)}`;
  const role = roleOf(update, meta);
  if (role !== null) return `${role}: ${blocksOf(update).map(describeContent).join(' ')}`;
  const { sessionUpdate, ...said } = fieldsOf(update);
  const name = oneLine(stringOf(sessionUpdate).replaceAll('_', ' '), 60);
  if (name === '') return `update ${oneLine(shown(update), 200)}`;
  if (classOf(update, meta).startsWith('tool_call')) {
    const { id, title = '', status = '' } = readToolCall(update);
    return `${name}: ${oneLine(title, 100) || oneLine(id, 100) || 'without a title'}${status === '' ? '' : ` (${oneLine(status, 60)})`}`;
  }
  const words = Object.values(said).map((value) => oneLine(stringOf(value), 200));
  return [name, words.filter((word) => word !== '').join(', ')].filter(Boolean).join(': ');
}

/** A content block's text, or its kind in brackets. */
function describeContent(content: unknown): string {
  const kind = contentKind(content);
  if (kind !== 'text' && kind !== 'unknown') return `[${oneLine(kind, 60)}]`;
  return oneLine(textOf(content) ?? shown(content), 200);
}

/** How much of a text `oneLine` looks at. An agent's text may have megabytes, and one line needs only the beginning. */
const ONE_LINE_READS = 10_000;

/** A value that is not text is shown as JSON, instead of as nothing. */
function shown(value: unknown): string {
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? 'nothing');
}

export function oneLine(text: string, most: number): string {
  const line = text.slice(0, ONE_LINE_READS).replace(/\s+/g, ' ').trim();
  return [...line].length > most ? `${[...line].slice(0, most - 1).join('')}…` : line;
}

export const quote = (text: string): string => `“${oneLine(text, 200)}”`;

export const seconds = (ms: number): string => (ms < 10_000 ? `${(ms / 1000).toFixed(1)} s` : `${Math.round(ms / 1000)} s`);

export const count = (n: number, thing: string): string => `${n} ${thing}${n === 1 ? '' : thing.endsWith('s') ? 'es' : 's'}`;
