/**
 * Reads a log backwards as entries of a transcript: messages, tool calls, plans, notes. Thoughts and what is meant for machines are left
 * out.
 */
import type { SessionEvent, TurnEnded } from '../types.ts';
import { fieldsOf, stringOf } from '../objects.ts';
import {
  blocksOf,
  classOf,
  contentKind,
  continuesMessage,
  cutOffBy,
  isSameCall,
  mergeToolCalls,
  type MessagePiece,
  pieceOf,
  planEntries,
  readToolCall,
  replacesMessage,
  roleOf,
  textOf,
  type ToolCallReport,
  toolOutput,
} from '../protocol/updates.ts';
import { asText } from './text.ts';

/** Nothing in it is redacted, tamed or cut yet. */
export interface Entry {
  readonly label: 'user' | 'agent' | 'tool' | 'plan' | 'note';
  /** Stands behind the label, on the same line. */
  readonly head: string;
  /** Stands below the label. In pieces, so that a huge message is joined only once. */
  readonly body: readonly string[];
  /** Whether only an excerpt of the body is shown, even if there is room. */
  readonly excerpt?: true;
  readonly seq: number;
}

type UpdateEvent = SessionEvent & { readonly kind: 'update' };

interface OpenMessage {
  readonly label: 'user' | 'agent';
  readonly piece: MessagePiece;
  /** Whether a thought comes before the oldest part so far. */
  isParted: boolean;
  /** Newest first. */
  readonly parts: string[];
  /** Whether the oldest part so far continues a line. */
  inline: boolean;
  chars: number;
  /** Whether the oldest part so far replaced what was said before it. */
  isWhole: boolean;
}

export function createEntryReader() {
  let open: OpenMessage | null = null;
  let openSeq = 0;
  let planSeen = false;
  /** Tool calls whose beginning is still to come. `first` is the oldest update so far. */
  const toolCalls = new Map<string, { readonly report: ToolCallReport; readonly seq: number; readonly first: UpdateEvent }>();
  /** Tool calls that have become entries, with the updates that began them. */
  const given = new Map<string, UpdateEvent>();
  /** The last answer to each question. An earlier one was cancelled while it was being stored, and does not count. */
  const answers = new Map<string, string>();
  const answered = (id: string, answer: string): Entry[] => {
    if (!answers.has(id)) answers.set(id, answer);
    return close();
  };
  /** Messages that replaced what was said before under their ids. */
  const replaced = new Set<string>();
  /** Turns whose end was read, or noted as missing. */
  const ended = new Set<string>();
  let seq = 0;

  const close = (): Entry[] => {
    if (!open) return [];
    const entry: Entry = { label: open.label, head: '', body: open.parts.reverse(), seq: openSeq };
    open = null;
    return [entry];
  };
  const note = (text: string): Entry[] => [...close(), { label: 'note', head: text, body: [], seq }];

  const chunk = (label: 'user' | 'agent', event: UpdateEvent): Entry[] => {
    const piece = pieceOf(event) as MessagePiece;
    const continues = open && continuesMessage(open.piece, piece, open.isParted);
    const key = `${piece.turnId} ${label} ${piece.messageId}`;
    const closed = continues ? [] : close();
    if (!continues && replaced.has(key)) return closed;
    open ??= { label, piece, isParted: false, parts: [], inline: true, chars: 0, isWhole: false };
    open.isParted = false;
    openSeq = event.seq;
    if (open.isWhole) return closed;
    for (const content of blocksOf(event.payload).toReversed()) {
      const text = textOf(content, 'describe');
      const inline = contentKind(content) === 'text';
      // A block of a prompt, and one that is not text, gets a line of its own.
      if (open.parts.length > 0 && (event.origin === 'host' || !inline || !open.inline)) open.parts.push('\n');
      open.parts.push(text);
      open.inline = inline;
      open.chars += text.length;
    }
    open.isWhole = replacesMessage(event.payload);
    if (open.isWhole && piece.messageId !== null) replaced.add(key);
    return closed;
  };

  const update = (event: UpdateEvent): Entry[] => {
    switch (classOf(event.payload, event.meta)) {
      case 'message': {
        const role = roleOf(event.payload, event.meta);
        if (role === 'user' || role === 'agent') return [...begunCalls(role), ...chunk(role, event)];
        if (open) open.isParted = true;
        return [];
      }
      case 'tool_call_update': {
        const report = readToolCall(event.payload);
        const begun = given.get(report.id);
        if (begun && isSameCall({ ...report, turnId: event.turnId, isUpserted: true }, begun.payload, begun.turnId)) return close();
        given.delete(report.id);
        const later = toolCalls.get(report.id)?.report;
        toolCalls.set(report.id, { report: later ? mergeToolCalls(report, later) : report, seq: event.seq, first: event });
        return close();
      }
      case 'tool_call': {
        const report = readToolCall(event.payload);
        if (given.delete(report.id)) return close();
        const later = toolCalls.get(report.id)?.report;
        toolCalls.delete(report.id);
        return [...close(), toolEntry(later ? mergeToolCalls(report, later) : report, event.seq)];
      }
      case 'plan': {
        if (planSeen) return close();
        planSeen = true;
        const body = planEntries(event.payload).map(
          ({ text, status }, i) => `${i === 0 ? '' : '\n'}- ${status === 'completed' ? '[x]' : '[ ]'} ${text}`,
        );
        return [...close(), { label: 'plan', head: '', body, excerpt: true, seq: event.seq }];
      }
      // These do not end a message.
      case 'state':
      case 'notice':
      case 'compaction':
        return [];
      case 'unknown':
        return close();
    }
  };

  /**
   * In ACP v2 nothing marks where a tool call begins. One with a title and a kind is taken to have begun after the agent's words before it,
   * any other after the prompt.
   */
  const begunCalls = (before: 'user' | 'agent'): Entry[] => {
    if (toolCalls.size === 0) return [];
    const begun = [...toolCalls].filter(([, { report }]) => before === 'user' || (report.title !== undefined && report.kind !== undefined));
    for (const [id, { first }] of begun) {
      toolCalls.delete(id);
      given.set(id, first);
    }
    return [
      ...(begun.length > 0 ? close() : []),
      ...begun.sort(([, a], [, b]) => b.seq - a.seq).map(([, { report, seq: oldest }]) => toolEntry(report, oldest)),
    ];
  };

  const read = (event: SessionEvent): Entry[] => {
    // A tool call of an earlier turn that has the same id is another one.
    if (cutOffBy(event)) given.clear();
    switch (event.kind) {
      case 'update':
        return update(event);
      case 'turn_ended': {
        if (event.turnId !== null) ended.add(event.turnId);
        const end = describeTurnEnd(event.payload);
        return end === null ? close() : note(end);
      }
      case 'turn_started':
        return close();
      case 'permission_resolved':
        return answered(event.payload.requestId, event.payload.optionId ?? 'cancelled');
      case 'permission_requested': {
        const { requestId, toolCall, options } = event.payload;
        const answer = answers.get(requestId) ?? 'never answered';
        const option = (Array.isArray(options) ? options : []).find((candidate) => candidate.optionId === answer);
        return note(`permission was asked for ${asText(toolCall?.title ?? 'a tool call')}: ${asText(option?.name ?? answer)}`);
      }
      case 'elicitation_resolved': {
        const { answer } = event.payload;
        const content = fieldsOf(answer)['content'];
        const words = content === undefined ? stringOf(answer?.['action']) || 'cancelled' : JSON.stringify(content);
        return answered(event.payload.requestId, words);
      }
      case 'elicitation_requested': {
        const { requestId, question } = event.payload;
        return note(`the user was asked: ${asText(question?.['message'])}: ${asText(answers.get(requestId) ?? 'never answered')}`);
      }
      case 'resumed':
        return event.payload.tier === 'transcript'
          ? note('here the agent lost this conversation, and went on from a record of what stands above')
          : close();
      case 'agent_exited':
        return close();
    }
  };

  return {
    /** Takes the next older event, and returns the entries that are now complete, newest first. */
    push(event: SessionEvent): Entry[] {
      seq = event.seq;
      // The newest event of a turn is not its end, so the turn was cut off or is still running. (Imported events say nothing of that.)
      if (event.turnId !== null && event.origin !== 'import' && event.kind !== 'turn_ended' && !ended.has(event.turnId)) {
        ended.add(event.turnId);
        return [...note('this turn did not end'), ...read(event)];
      }
      return read(event);
    },
    /** Returns what is still open. Of the tool calls that are left, the beginning is not known. */
    end: (): Entry[] => [
      ...close(),
      ...[...toolCalls.values()].sort((a, b) => b.seq - a.seq).map(({ report, seq: oldest }) => toolEntry(report, oldest)),
    ],
    get openChars(): number {
      return open?.chars ?? 0;
    },
  };
}

function toolEntry(report: ToolCallReport, seq: number): Entry {
  const title = report.title ?? 'a tool call';
  const facts = [report.kind, report.status].filter((fact) => fact !== undefined).join(', ');
  const paths = (report.paths ?? []).slice(0, 3).filter((path) => !title.includes(path));
  const head = [title, ...(facts === '' ? [] : [`(${facts})`]), ...paths].join(' ');
  const body = toolOutput(report).flatMap((part, i) => (i === 0 ? [part] : ['\n', part]));
  return { label: 'tool', head, body, excerpt: true, seq };
}

function describeTurnEnd({ state, stopReason, error }: TurnEnded): string | null {
  switch (state) {
    case 'completed':
      return stopReason === undefined || stopReason === 'end_turn' ? null : `the agent stopped: ${asText(stopReason)}`;
    case 'cancelled':
      return 'the user cancelled this turn';
    case 'failed':
      return `this turn failed${error ? `: ${asText(error.message)}` : ''}`;
    case 'interrupted':
      return 'this turn was interrupted, and may have had effects that are not shown';
    // An imported file may say anything.
    default:
      return null;
  }
}
