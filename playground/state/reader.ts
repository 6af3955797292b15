/**
 * The reading side: a host without agents on the same database, which follows commits. It works while
 * everything live sleeps, in tabs that only watch, and on copies from the past.
 */
import { createHost, type Host } from '../../src/engine/index.ts';
import type { SqlDatabase } from '../../src/engine/ports.ts';
import { RehydrateError } from '../../src/engine/errors.ts';
import type { SessionEvent, SessionInfo } from '../../src/engine/types.ts';
import { Conversation, EMPTY_VIEW, snapshot, type SessionView } from './conversation.ts';

const PAGE = 500;

/** A host that can only read. */
export function openReader(database: SqlDatabase): Promise<Host> {
  return createHost({ database, agents: {} });
}

/** Every event of a session after `after`, in pages. */
export async function* readEvents(reader: Host, sessionId: string, after: number): AsyncGenerator<readonly SessionEvent[]> {
  for (let cursor = after; ;) {
    const page = await reader.history(sessionId, { after: cursor, limit: PAGE });
    if (page.length > 0) yield page;
    if (page.length < PAGE) return;
    cursor = page.at(-1)!.seq;
  }
}

/** The session's record, or null when there is none. */
export async function infoOf(reader: Host, sessionId: string): Promise<SessionInfo | null> {
  try {
    return await reader.get(sessionId);
  } catch (error) {
    if (RehydrateError.is(error) && error.code === 'session_not_found') return null;
    throw error;
  }
}

/** Follows one session: `catchUp` reads what is new and gives the view. */
export class Follower {
  readonly sessionId: string;
  readonly #reader: Host;
  readonly #conversation = new Conversation();

  constructor(reader: Host, sessionId: string) {
    this.#reader = reader;
    this.sessionId = sessionId;
  }

  async catchUp(): Promise<SessionView> {
    const info = await infoOf(this.#reader, this.sessionId);
    if (!info) return EMPTY_VIEW;
    if (info.latestSeq > this.#conversation.lastSeq) {
      for await (const page of readEvents(this.#reader, this.sessionId, this.#conversation.lastSeq)) {
        this.#conversation.add(page);
      }
    }
    return snapshot(this.#conversation, info, info.state === 'asleep');
  }
}

/** The transcript and the preamble, as the engine renders them. */
export interface TranscriptText {
  readonly transcript: string;
  /** The preamble's content blocks as JSON; empty when there is nothing to tell. */
  readonly preamble: string;
}

export async function readTranscript(reader: Host, sessionId: string): Promise<TranscriptText> {
  const transcript = await reader.transcript(sessionId);
  const blocks = await reader.previewPreamble(sessionId);
  return { transcript, preamble: blocks.length === 0 ? '' : JSON.stringify(blocks, null, 2) };
}
