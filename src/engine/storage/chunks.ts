/** Joins adjacent text chunks that differ only in their text, so that they become one row. */
import { kindsOf, textOf } from '../protocol/updates.ts';
import { utf8Length } from '../transcript/text.ts';
import type { NewEvent } from './statements.ts';

const CHUNKS: ReadonlySet<unknown> = new Set(kindsOf('user', 'agent', 'thought'));

/** The text of a message chunk; null for anything else. */
function chunkText(event: NewEvent): string | null {
  if (event.kind !== 'update') return null;
  const { sessionUpdate, content } = event.payload as { sessionUpdate?: unknown; content?: unknown };
  return CHUNKS.has(sessionUpdate) ? textOf(content) : null;
}

function frame(event: NewEvent): string {
  const payload = event.payload as { content: object };
  return JSON.stringify([event.meta ?? null, { ...payload, content: { ...payload.content, text: '' } }]);
}

function sameFrame(a: NewEvent, b: NewEvent): boolean {
  if (a.turnId !== b.turnId || a.origin !== b.origin) return false;
  const first = a.payload as Chunk;
  const second = b.payload as Chunk;
  if (first.sessionUpdate !== second.sessionUpdate || first.messageId !== second.messageId) return false;
  // Nearly all chunks are plain, and are compared without writing JSON.
  return (isPlain(a) && isPlain(b)) || frame(a) === frame(b);
}

interface Chunk {
  readonly sessionUpdate: string;
  readonly messageId?: unknown;
  readonly content: object;
}

/** Whether it has nothing but a kind, a text and perhaps a message id. */
function isPlain(event: NewEvent): boolean {
  if (event.meta) return false;
  const payload = event.payload as unknown as Chunk;
  const { messageId } = payload;
  if (messageId !== undefined && typeof messageId !== 'string') return false;
  return Object.keys(payload).length === ('messageId' in payload ? 3 : 2) && Object.keys(payload.content).length === 2;
}

export interface ChunkRun {
  readonly first: NewEvent;
  text: string;
}

/** Null when it is not a text chunk. The blocks of a prompt are never joined: each is a row of its own. */
export function startRun(event: NewEvent): ChunkRun | null {
  const text = event.origin === 'host' ? null : chunkText(event);
  return text === null ? null : { first: event, text };
}

export function extendRun(run: ChunkRun, event: NewEvent): boolean {
  const text = chunkText(event);
  if (text === null || !sameFrame(run.first, event)) return false;
  run.text += text;
  return true;
}

export const runToEvent = ({ first, text }: ChunkRun): NewEvent => withText(first, text);

export function withText<Chunk extends { readonly payload?: unknown }>(chunk: Chunk, text: string): Chunk {
  const payload = chunk.payload as { readonly content: { readonly text: string } };
  return payload.content.text === text ? chunk : { ...chunk, payload: { ...payload, content: { ...payload.content, text } } };
}

/** About how many bytes it takes when stored. */
export const eventSize = (event: NewEvent): number => 128 + utf8Length(chunkText(event) ?? JSON.stringify(event.payload));
