/**
 * What a person must notice although editors do not show `_meta`: the agent had lost the session and was given our record of it (I4), some of
 * its output was lost, or something could not be done. Sent as a message, this would be taken for the agent's words. A client that shows ACP's
 * notices (`session.notices`) gets a notice. All others, and every replay, get a finished tool call, which editors show on a line of its own.
 */
import type { DroppedLines } from '../engine/ports.ts';
import type { ResumeReport, SessionUpdate, TurnEnded } from '../engine/index.ts';

export interface Notice {
  readonly severity: 'warning' | 'error';
  readonly title: string;
  readonly description: string;
}

export function noticeUpdate(notice: Notice): SessionUpdate {
  return { sessionUpdate: 'notice', ...notice };
}

/** `id` must be unique in the session, and the same in every replay. */
export function noticeToolCall({ severity, title, description }: Notice, id: number | string): SessionUpdate {
  return {
    sessionUpdate: 'tool_call',
    toolCallId: `rehydrate-${id}`,
    title,
    kind: 'other',
    status: severity === 'error' ? 'failed' : 'completed',
    content: [{ type: 'content', content: { type: 'text', text: description } }],
  };
}

export const describeDropped = ({ lines }: DroppedLines): string =>
  `${lines === 1 ? 'A line of the agent’s output was not one JSON-RPC message' : `${lines} lines of the agent’s output were not one JSON-RPC message each`} and could not be read, so words of it may be missing. The last began:`;

/** The notice at the end of a turn; null if none of the agent's output was lost in it. */
export function turnNotice({ dropped }: TurnEnded): Notice | null {
  if (!dropped) return null;
  const title = 'Rehydrate: some of the agent’s output could not be read';
  return { severity: 'warning', title, description: `${describeDropped(dropped)} ${dropped.last}` };
}

/**
 * The notice of a resume; null if nothing was lost. A replay that lacks the oldest messages may only be capped, so that is no loss; one that
 * ends before the record does is.
 */
export function lossNotice({ tier, preamble, attempts, replay }: ResumeReport): Notice | null {
  if (tier === 'load' && replay?.newestMissing)
    return {
      severity: 'warning',
      title: 'Rehydrate: the agent may have lost the newest part of this session',
      description: `Its replay has ${replay.matched} of ${replay.matched + replay.missing} messages, and ends ${replay.newestMissing} before the record does. Ask it again for what it no longer knows, or start with --policy transcript to give it the record.`,
    };
  if (tier !== 'transcript') return null;
  const shortened = preamble?.truncated === true;
  const tried = attempts
    .filter(({ outcome }) => outcome !== 'ok')
    .map(({ method, outcome, evidence }) => `${method}: ${outcome} (${evidence})`);
  return {
    severity: 'warning',
    title: `Rehydrate: the agent no longer had this session${preamble === null ? '' : `; it is given the record of it${shortened ? ', shortened' : ''}`}`,
    description: [
      preamble === null
        ? 'It is given nothing back.'
        : `It is given ${preamble.events} events of the record as text (${preamble.bytes} bytes)${shortened ? ', and not what is older' : ''}, in front of the first prompt that is no slash command.`,
      'What the record does not say, it does not know any more.',
      ...tried,
    ].join('\n'),
  };
}
