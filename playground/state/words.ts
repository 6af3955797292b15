/** Every report, exit and error in plain words, in one place so that all panels say the same. */
import { withoutControls } from '../../src/engine/safe-text.ts';
import { RehydrateError } from '../../src/engine/errors.ts';
import type { AttemptOutcome, ResumeAttempt, ResumeReport, Tier, TurnEnded } from '../../src/engine/types.ts';

/** What a tier means, in the conversation. */
export const TIER_WORDS: Readonly<Record<Tier, string>> = {
  live: 'The agent was already live. Nothing had to be resumed.',
  new: 'A new agent session: there was nothing to bring back yet.',
  resume: 'The agent was asked for its own session, and says that it has it again.',
  load: 'The agent loaded its own session and replayed it; the replay was compared with the record.',
  transcript: 'A new agent session got the record of the conversation in front of the prompt.',
};

export const OUTCOME_WORDS: Readonly<Record<AttemptOutcome, string>> = {
  ok: 'worked',
  unproven: 'claimed success, and was not believed',
  unknown_session: 'the agent does not know the session',
  unsupported: 'the agent does not support it',
  auth_required: 'the agent wants you to sign in',
  session_busy: 'the session is in use elsewhere',
  indeterminate: 'cannot be told',
  hang: 'no answer in time',
  crash: 'the agent died',
  limit: 'it went over a limit and was ended',
};

/** The agent claimed success, and another tier was taken all the same: the check said otherwise. */
export function isDoubted(attempt: ResumeAttempt, tier: Tier): boolean {
  const own = { 'session/resume': 'resume', 'session/load': 'load' }[attempt.method as string] ?? tier;
  return attempt.outcome === 'ok' && own !== tier && tier !== 'live';
}

/** Everything beyond the verdict and the attempts, a sentence each. */
export function reportNotes(report: ResumeReport): readonly string[] {
  const notes: string[] = [];
  const { replay, preamble, settings } = report;
  if (replay) {
    const parts = [`${count(replay.matched, 'message')} matched`];
    if (replay.missing > 0) parts.push(`${replay.missing} missing`);
    if (replay.imported > 0) parts.push(`${replay.imported} imported from another client`);
    notes.push(`Replay: ${count(replay.received, 'message')} received, ${parts.join(', ')}.`);
  }
  if (preamble) {
    const how = { resource: 'an embedded resource', inline: 'a text block', file: 'a private file' }[preamble.mode];
    notes.push(
      `Preamble: ${bytesWords(preamble.bytes)} covering ${count(preamble.events, 'event')}, sent once as ${how}` +
        `${preamble.truncated ? '; the oldest part did not fit' : ''}.`,
    );
  }
  if (settings.restored.length > 0) notes.push(`Set again: ${settings.restored.join(', ')}.`);
  for (const failed of settings.failed) notes.push(`Could not set ${failed.id} again: ${failed.reason}`);
  if (report.previousAgentSessionId && report.agentSessionId && report.previousAgentSessionId !== report.agentSessionId) {
    notes.push('The agent’s own session id changed. The session’s id, the one you hold, did not.');
  }
  return notes;
}

/** How long, for people: “3 ms”, “1.2 s”. */
export function msWords(ms: number): string {
  return ms < 1_000 ? `${ms < 10 ? Math.round(ms * 10) / 10 : Math.round(ms)} ms` : `${(ms / 1_000).toFixed(1)} s`;
}

export function bytesWords(bytes: number): string {
  if (bytes < 1_024) return `${bytes} bytes`;
  return bytes < 1_024 * 1_024 ? `${(bytes / 1_024).toFixed(1)} KiB` : `${(bytes / 1_024 / 1_024).toFixed(1)} MiB`;
}

export function count(n: number, noun: string): string {
  return `${n} ${noun}${n === 1 ? '' : 's'}`;
}

/** What the end of a turn means for the person, or null when the answer speaks for itself. */
export function turnEndWords(end: TurnEnded): string | null {
  switch (end.state) {
    case 'completed':
      return end.stopReason && end.stopReason !== 'end_turn' ? `The agent stopped: ${end.stopReason.replaceAll('_', ' ')}.` : null;
    case 'cancelled':
      return 'The turn was cancelled.';
    case 'failed':
      return `The agent answered with an error: ${end.error?.message ?? 'it gave no reason.'}`;
    case 'interrupted':
      return 'The turn was interrupted. Whether the agent did the work is unknown, so it is not sent again by itself.';
  }
}

const UNKNOWN_OUTCOME = 'What became of this prompt is unknown';

function causeWords(cause: unknown): string {
  const words = (cause as { words?: unknown } | null | undefined)?.words;
  return typeof words === 'string' ? `: ${words}.` : '.';
}

/** An error for people. Errors of the library already say what to do next. */
export function errorWords(error: unknown): string {
  if (RehydrateError.is(error) && error.code === 'turn_outcome_unknown')
    return `${UNKNOWN_OUTCOME}${causeWords(error.data['cause'])} It was not sent again by itself: send it again if it should be.`;
  if (error instanceof Error) return error.message;
  return typeof error === 'string' ? error : 'Something failed and gave no reason. Reload the page; the session is in the database.';
}

// ------------------------------------------------------------- what an agent said, made safe to be shown

/** A title or a name, in one line: short text that stands in a sentence or on a button of the page. */
export function label(value: unknown, otherwise: string, max = 300): string {
  if (typeof value !== 'string') return otherwise;
  const flat = withoutControls(value, 'page').replace(/\s+/g, ' ').trim();
  if (flat === '') return otherwise;
  return flat.length > max ? `${flat.slice(0, max - 1)}…` : flat;
}

/**
 * For a terminal: no escape, control or direction-changing character survives, so it can neither move
 * the cursor, change the title, make a link nor reach the clipboard.
 */
export function forTerminal(text: string): string {
  return withoutControls(text, 'page').replaceAll('\n', '\r\n');
}
