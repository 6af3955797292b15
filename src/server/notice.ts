/**
 * What a person must notice although their editor shows no `_meta`: the agent had lost the session and answers from our record of it (I4),
 * words of its were lost, or something could not be done. As a message it would be taken for the agent's words. A client that shows ACP's
 * notices (`session.notices`) gets one; all others, and every replay, get a tool call that is over, which editors show as a line of its
 * own.
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

/** `id` is the same in every replay, and another for each notice of the session. */
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

/** The notice of a turn, or null when nothing that the agent said in it was lost. */
export function turnNotice({ dropped }: TurnEnded): Notice | null {
  if (!dropped) return null;
  const title = 'Rehydrate: some of the agent’s output could not be read';
  return { severity: 'warning', title, description: `${describeDropped(dropped)} ${dropped.last}` };
}

/**
 * The notice of a resume, or null when nothing was lost. A replay without the oldest may only be capped; one that ends before the record
 * does lacks what came last.
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
