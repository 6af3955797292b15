/**
 * What a person must notice although their editor shows no `_meta`: the agent had lost the session, and answers
 * from our record of it (I4). It must not be taken for words of the agent's, so it is no message and no thought. A client that
 * says it shows ACP's notices (`session.notices`) gets one. All others, and every replay, get a finished tool call: editors
 * show it as a line of its own, with its title, apart from what the agent says.
 */
import type { ResumeReport, SessionUpdate } from '../engine/index.ts';

/** The notice of a resume, or null when nothing was lost. */
export function lossNotice(report: ResumeReport): SessionUpdate | null {
  if (report.tier !== 'transcript') return null;
  return { sessionUpdate: 'notice', severity: 'warning', ...wordsOf(report) };
}

/** The same as a tool call. */
export function lossToolCall(report: ResumeReport, seq: number): SessionUpdate | null {
  if (report.tier !== 'transcript') return null;
  const { title, description } = wordsOf(report);
  return {
    sessionUpdate: 'tool_call',
    toolCallId: `rehydrate-${seq}`,
    title,
    kind: 'other',
    status: 'completed',
    content: [{ type: 'content', content: { type: 'text', text: description } }],
  };
}

function wordsOf({ preamble, attempts }: ResumeReport): { readonly title: string; readonly description: string } {
  const shortened = preamble?.truncated === true;
  const tried = attempts
    .filter(({ outcome }) => outcome !== 'ok')
    .map(({ method, outcome, evidence }) => `${method}: ${outcome} (${evidence})`);
  return {
    title: `Rehydrate: the agent no longer had this session${preamble === null ? '' : `; it was given the record of it${shortened ? ', shortened' : ''}`}`,
    description: [
      preamble === null
        ? 'It was given nothing back.'
        : `It was given ${preamble.events} events of the record as text (${preamble.bytes} bytes)${shortened ? '; what is older was left out' : ''}.`,
      'What the record does not say, it does not know any more.',
      ...tried,
    ].join('\n'),
  };
}
