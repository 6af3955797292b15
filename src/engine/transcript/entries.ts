/**
 * A log read backwards as entries, newest first: messages, tool calls, notes. What agents send for machines, and thoughts, are left out.
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

/** Raw: nothing is redacted, tamed or cut yet. */
export interface Entry {
  readonly label: 'user' | 'agent' | 'tool' | 'plan' | 'note';
  /** After the label, on its line. */
  readonly head: string;
  /** Below the label, in chunks, so that a huge message is joined once. */
  readonly body: readonly string[];
  /** True for what may only ever be an excerpt. */
  readonly excerpt?: true;
  readonly seq: number;
}

type UpdateEvent = SessionEvent & { readonly kind: 'update' };

interface OpenMessage {
  readonly label: 'user' | 'agent';
  readonly piece: MessagePiece;
  /** A thought stands before its oldest part so far. */
  isParted: boolean;
  /** Newest first. */
  readonly parts: string[];
  /** Whether the oldest part so far continues a line. */
  inline: boolean;
  chars: number;
  /** It was told whole: what was said before is replaced. */
  isWhole: boolean;
}

export function createEntryReader() {
  let open: OpenMessage | null = null;
  let openSeq = 0;
  let planSeen = false;
  /** Tool calls whose beginning is still to come, with the first update so far. */
  const toolCalls = new Map<string, { readonly report: ToolCallReport; readonly seq: number; readonly first: UpdateEvent }>();
  /** Tool calls that were given, and where they began. */
  const given = new Map<string, UpdateEvent>();
  /** The last word on a question: an answer that was cancelled while it was stored does not count. */
  const answers = new Map<string, string>();
  const answered = (id: string, answer: string): Entry[] => {
    if (!answers.has(id)) answers.set(id, answer);
    return close();
  };
  /** Messages that were told whole: what was said before under their ids is replaced. */
  const replaced = new Set<string>();
  /** A turn without an end was cut off. */
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
    const done = continues ? [] : close();
    if (!continues && replaced.has(key)) return done;
    open ??= { label, piece, isParted: false, parts: [], inline: true, chars: 0, isWhole: false };
    open.isParted = false;
    openSeq = event.seq;
    if (open.isWhole) return done;
    for (const content of blocksOf(event.payload).toReversed()) {
      const text = textOf(content, 'describe');
      const inline = contentKind(content) === 'text';
      // What is a prompt's block, or not text, stands on a line of its own.
      if (open.parts.length > 0 && (event.origin === 'host' || !inline || !open.inline)) open.parts.push('\n');
      open.parts.push(text);
      open.inline = inline;
      open.chars += text.length;
    }
    open.isWhole = replacesMessage(event.payload);
    if (open.isWhole && piece.messageId !== null) replaced.add(key);
    return done;
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
      // These do not part a message.
      case 'state':
      case 'notice':
      case 'compaction':
        return [];
      case 'unknown':
        return close();
    }
  };

  /**
   * ACP v2 does not tell a beginning: a call with a title and a kind is taken to have begun after the words that come before it, and every
   * one after its prompt.
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
    // What has the id of a given call in the turns before is another.
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
        const given = fieldsOf(answer)['content'];
        return answered(event.payload.requestId, given === undefined ? stringOf(answer?.['action']) || 'cancelled' : JSON.stringify(given));
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
    /** Takes the next older event; gives the entries that are now complete, newest first. */
    push(event: SessionEvent): Entry[] {
      seq = event.seq;
      // Newest of its turn and not its end: cut off, or still running. (What was imported later says nothing of it.)
      if (event.turnId !== null && event.origin !== 'import' && event.kind !== 'turn_ended' && !ended.has(event.turnId)) {
        ended.add(event.turnId);
        return [...note('this turn did not end'), ...read(event)];
      }
      return read(event);
    },
    /** Gives what is still open; of tool calls that are left, only updates are known. */
    end: (): Entry[] => [
      ...close(),
      ...[...toolCalls.values()].sort((a, b) => b.seq - a.seq).map(({ report, seq: oldest }) => toolEntry(report, oldest)),
    ],
    /** Of the message that is still open. */
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

/** Null when it simply ended. */
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
