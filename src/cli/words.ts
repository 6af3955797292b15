/** Events and reports in words, for people. Pure. */
import { describeExit } from '../engine/ports.ts';
import type { ResumeReport, SessionEvent, SessionUpdate } from '../engine/types.ts';

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
  const failed = attempts.filter((attempt) => attempt.outcome !== 'ok').map((attempt) => `  ${attempt.method}: ${attempt.outcome} (${attempt.evidence})`);
  const lost = settings.failed.map((setting) => `  ${setting.id} could not be set again: ${setting.reason}`);
  return [`${told.join('; ')} (${report.ms} ms)`, ...failed, ...lost].join('\n');
}

/** A tool call as one line, when it starts and when it ends; null for what lies between. */
export function toolLine(update: SessionUpdate, titles: Map<string, string>): string | null {
  if (update.sessionUpdate !== 'tool_call' && update.sessionUpdate !== 'tool_call_update') return null;
  if (update.title) titles.set(update.toolCallId, oneLine(update.title, 100));
  const title = titles.get(update.toolCallId) ?? update.toolCallId;
  switch (update.status) {
    case 'completed':
      return `✓ ${title}`;
    case 'failed':
      return `✗ ${title}`;
    default:
      return update.sessionUpdate === 'tool_call' ? `· ${title}` : null;
  }
}

/** An event as JSON lines have it: the same whether it was just stored or read back. */
export function eventRecord({ seq, turnId, at, kind, origin, payload, meta }: SessionEvent): { type: 'event'; event: object } {
  return { type: 'event', event: { seq, turnId, at, kind, origin, payload, ...(meta ? { meta } : {}) } };
}

/** One event as one line. */
export function eventLine(event: SessionEvent): string {
  const at = new Date(event.at).toISOString().replace('T', ' ').slice(0, 19);
  return `${String(event.seq).padStart(5)}  ${at}  ${eventWords(event)}`;
}

export function eventWords(event: SessionEvent): string {
  switch (event.kind) {
    case 'turn_started':
      return event.payload.idempotencyKey === undefined ? 'turn started' : `turn started, key ${event.payload.idempotencyKey}`;
    case 'turn_ended': {
      const { state, stopReason, error } = event.payload;
      return `turn ${state}${stopReason ? ` (${stopReason})` : ''}${error ? `: ${error.code}: ${oneLine(error.message, 200)}` : ''}`;
    }
    case 'permission_requested':
      return `permission requested: ${oneLine(event.payload.toolCall?.title ?? event.payload.requestId, 100)}`;
    case 'permission_resolved':
      return `permission ${event.payload.optionId === null ? 'cancelled' : `answered: ${event.payload.optionId}`}, by ${event.payload.by}`;
    case 'resumed':
      return `resumed: ${reportWords(event.payload).split('\n')[0]}`;
    case 'agent_exited':
      return `the agent ${describeExit(event.payload)}`;
    case 'update':
      return `${event.origin === 'import' ? '(from elsewhere) ' : ''}${updateWords(event.payload)}`;
  }
}

function updateWords(update: SessionUpdate): string {
  switch (update.sessionUpdate) {
    case 'user_message_chunk':
    case 'agent_message_chunk':
    case 'agent_thought_chunk': {
      const who = { user_message_chunk: 'user', agent_message_chunk: 'agent', agent_thought_chunk: 'thought' }[update.sessionUpdate];
      return `${who}: ${update.content?.type === 'text' ? oneLine(update.content.text, 200) : `[${update.content?.type}]`}`;
    }
    case 'tool_call':
    case 'tool_call_update':
      return `${update.sessionUpdate.replaceAll('_', ' ')}: ${oneLine(update.title ?? update.toolCallId, 100)}${update.status ? ` (${update.status})` : ''}`;
    case 'plan':
      return `plan: ${(update.entries ?? []).map((entry) => `${oneLine(entry.content, 60)} (${entry.status})`).join(', ')}`;
    case 'current_mode_update':
      return `mode: ${update.currentModeId}`;
    case 'session_info_update':
      return `title: ${update.title ?? ''}`;
    default:
      return String((update as { sessionUpdate?: unknown }).sessionUpdate).replaceAll('_', ' ');
  }
}

export function oneLine(text: string, most: number): string {
  const line = text.replace(/\s+/g, ' ').trim();
  return [...line].length > most ? `${[...line].slice(0, most - 1).join('')}…` : line;
}
