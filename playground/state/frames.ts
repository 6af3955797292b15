/** The JSON-RPC frames between host and agent, bounded: the session's log is the record. */
import type { AnyMessage } from '@agentclientprotocol/sdk';
import { fieldsOf, type Fields } from '../../src/engine/objects.ts';
import { textOf } from '../../src/engine/protocol/updates.ts';
import { readCapabilities } from '../../src/engine/protocol/versions.ts';
import { count, label } from './words.ts';

export type Direction = 'to-agent' | 'from-agent';

export interface Frame {
  readonly id: number;
  readonly at: number;
  readonly process: number;
  readonly direction: Direction;
  readonly kind: 'request' | 'response' | 'error' | 'notification' | 'lifecycle';
  /** For a response its request's method; for a lifecycle line the words. */
  readonly method: string;
  readonly rpcId?: unknown;
  readonly ms?: number;
  /** In UTF-16 units, near enough to bytes. */
  readonly size: number;
  readonly message: AnyMessage | null;
  readonly summary: string;
}

export const FRAME_LIMIT = 2_000;

const oneLine = (value: unknown): string => label(String(value ?? ''), '', 96);

export function summarise(message: AnyMessage, method: string): string {
  const { error, params: given, result: answer } = fieldsOf(message);
  if (error !== undefined) return oneLine(`${String(fieldsOf(error)['code'])} ${String(fieldsOf(error)['message'])}`);
  const result = fieldsOf(answer);
  if (answer !== undefined) {
    const { stopReason, sessionId, sessions } = result;
    if (typeof stopReason === 'string') return stopReason;
    if (typeof sessionId === 'string') return oneLine(sessionId);
    if (Array.isArray(sessions)) return count(sessions.length, 'session');
    const outcome = fieldsOf(result['outcome']);
    if (method === 'session/request_permission') return oneLine(outcome['optionId'] ?? outcome['outcome']);
    if (method === 'initialize') return capabilityWords(result['agentCapabilities'] ?? result['capabilities']);
    return oneLine(Object.keys(result).join(', ')) || 'ok';
  }
  const { update: said, toolCall, prompt, sessionId, path } = fieldsOf(given);
  if (method === 'session/update') {
    const update = fieldsOf(said);
    const text = textOf(update['content']);
    const says = text === null ? String(update['title'] ?? update['status'] ?? '') : `“${text}”`;
    return oneLine(`${String(update['sessionUpdate'] ?? 'no update')} ${says}`);
  }
  if (method === 'session/request_permission') return oneLine(fieldsOf(toolCall)['title']);
  if (method === 'session/prompt' && Array.isArray(prompt)) return oneLine(prompt.map((block) => blockWords(fieldsOf(block))).join(' + '));
  return [sessionId, path].filter((one) => typeof one === 'string').map(oneLine)[0] ?? '';
}

function blockWords({ type, text, resource }: Fields): string {
  if (type === 'text') return `“${String(text)}”`;
  return type === 'resource' ? `resource ${String(fieldsOf(resource)['uri'] ?? '')}` : String(type);
}

function capabilityWords(capabilities: unknown): string {
  const { canResume, canLoad, canList } = readCapabilities(capabilities);
  const words = [canResume && 'resume', canLoad && 'load', canList && 'list'].filter(Boolean);
  return words.length > 0 ? `can ${words.join(', ')}` : 'can neither resume nor load';
}

/** Matches responses to their requests. */
export class FrameLog {
  #frames: Frame[] = [];
  #next = 1;
  readonly #pending = new Map<string, { readonly method: string; readonly at: number }>();

  get frames(): readonly Frame[] {
    return this.#frames;
  }

  add(process: number, direction: Direction, message: AnyMessage, at: number): void {
    const { id, method: called, error } = fieldsOf(message);
    const isCall = typeof called === 'string';
    // A response travels against its request.
    const asker = isCall === (direction === 'to-agent') ? 'to-agent' : 'from-agent';
    const key = `${process} ${asker} ${JSON.stringify(id)}`;
    const request = isCall ? undefined : this.#pending.get(key);
    this.#pending.delete(key);
    const method = isCall ? called : (request?.method ?? 'response');
    if (isCall && id !== undefined) this.#pending.set(key, { method, at });
    this.#push({
      at,
      process,
      direction,
      kind: isCall ? (id === undefined ? 'notification' : 'request') : error === undefined ? 'response' : 'error',
      method,
      ...(id === undefined ? {} : { rpcId: id }),
      ...(request ? { ms: at - request.at } : {}),
      size: JSON.stringify(message).length,
      message,
      summary: summarise(message, method),
    });
  }

  note(process: number, direction: Direction, words: string, at: number): void {
    for (const key of this.#pending.keys()) if (key.startsWith(`${process} `)) this.#pending.delete(key);
    this.#push({ at, process, direction, kind: 'lifecycle', method: words, size: 0, message: null, summary: '' });
  }

  clear(): void {
    this.#frames = [];
    this.#pending.clear();
  }

  #push(frame: Omit<Frame, 'id'>): void {
    this.#frames.push({ id: this.#next++, ...frame });
    // In blocks: trimming for each frame would copy the whole ring.
    if (this.#frames.length > FRAME_LIMIT * 1.25) this.#frames = this.#frames.slice(-FRAME_LIMIT);
  }
}

export function filterFrames(frames: readonly Frame[], text: string): readonly Frame[] {
  const words = text.trim().toLowerCase();
  if (words === '') return frames;
  return frames.filter(
    ({ method, summary, message }) =>
      `${method}\n${summary}`.toLowerCase().includes(words) || JSON.stringify(message).toLowerCase().includes(words),
  );
}

/** One frame, or a run of the same kind of update, which would drown everything else. */
export interface WireRow {
  readonly key: string;
  readonly first: Frame;
  readonly last: Frame;
  readonly count: number;
}

const RUN_LENGTH = 4;

function runKind({ kind, method, process, direction, summary }: Frame): string | null {
  return method === 'session/update' && kind === 'notification' ? `${process} ${direction} ${summary.split(' ', 1)[0]}` : null;
}

/** The newest frames as at most `limit` rows, oldest first. */
export function wireRows(frames: readonly Frame[], limit: number): readonly WireRow[] {
  const rows: WireRow[] = [];
  for (let end = frames.length - 1; end >= 0 && rows.length < limit;) {
    const last = frames[end]!;
    const kind = runKind(last);
    let start = end;
    while (kind !== null && start > 0 && runKind(frames[start - 1]!) === kind) start -= 1;
    const first = frames[start]!;
    if (end - start + 1 >= RUN_LENGTH) rows.push({ key: `r${first.id}`, first, last, count: end - start + 1 });
    else
      for (const frame of frames.slice(start, end + 1).reverse()) rows.push({ key: `f${frame.id}`, first: frame, last: frame, count: 1 });
    end = start - 1;
  }
  return rows.slice(0, limit).reverse();
}
