/**
 * The JSON-RPC frames that crossed between host and agent, as the wire panel shows them. The log is
 * bounded: the panel is a window on the traffic, the session's own log is the record.
 */
import type { AnyMessage } from '@agentclientprotocol/sdk';
import { fieldsOf, textOf, type Fields } from '../../src/engine/protocol/updates.ts';
import { readCapabilities } from '../../src/engine/protocol/versions.ts';

export type Direction = 'to-agent' | 'from-agent';
export type FrameKind = 'request' | 'response' | 'error' | 'notification' | 'lifecycle';

export interface Frame {
  /** Counts up over the life of the page. */
  readonly id: number;
  /** Milliseconds since the epoch. */
  readonly at: number;
  /** Which launched agent process it belongs to, counting from 1. */
  readonly process: number;
  readonly direction: Direction;
  readonly kind: FrameKind;
  /** The method; for a response that of its request; for a lifecycle line the words. */
  readonly method: string;
  readonly rpcId?: string | number | null;
  /** For responses: milliseconds since the request. */
  readonly ms?: number;
  /** Size of the JSON text in UTF-16 units, near enough to bytes to compare frames. */
  readonly size: number;
  readonly message: AnyMessage | null;
  /** One line that says what it carries, for the closed row. */
  readonly summary: string;
}

/** Frames kept for the panel; older ones leave it (they are not lost, the log has what matters). */
export const FRAME_LIMIT = 2_000;

interface Pending {
  readonly method: string;
  readonly at: number;
}

/** Shortens text for one line: white space collapsed, at most `max` characters. */
export function oneLine(text: string, max = 96): string {
  const flat = text.replace(/\s+/g, ' ').trim();
  return flat.length > max ? `${flat.slice(0, max - 1)}…` : flat;
}

/** What a message carries, in a few words. Pure, so that each method is a row in a test. */
export function summarise(message: AnyMessage, method: string): string {
  const m = message as unknown as Fields;
  if ('error' in m) {
    const error = fieldsOf(m['error']);
    return oneLine(`${String(error['code'])} ${String(error['message'])}`);
  }
  if ('result' in m) {
    const result = fieldsOf(m['result']);
    if (typeof result['stopReason'] === 'string') return result['stopReason'];
    if (typeof result['sessionId'] === 'string') return oneLine(result['sessionId']);
    if (Array.isArray(result['sessions']))
      return `${result['sessions'].length} ${result['sessions'].length === 1 ? 'session' : 'sessions'}`;
    const outcome = fieldsOf(result['outcome']);
    if (method === 'session/request_permission') return oneLine(String(outcome['optionId'] ?? outcome['outcome'] ?? ''));
    if (method === 'initialize') return capabilityWords(result['agentCapabilities'] ?? result['capabilities']);
    return Object.keys(result).length === 0 ? 'ok' : oneLine(Object.keys(result).join(', '));
  }
  const params = fieldsOf(m['params']);
  if (method === 'session/update') {
    const update = fieldsOf(params['update']);
    const text = textOf(update['content']);
    const says = text === null ? String(update['title'] ?? update['status'] ?? '') : `“${text}”`;
    return oneLine(`${String(update['sessionUpdate'] ?? 'no update')} ${says}`);
  }
  if (method === 'session/request_permission') return oneLine(String(fieldsOf(params['toolCall'])['title'] ?? ''));
  if (method === 'session/prompt' && Array.isArray(params['prompt'])) {
    return oneLine(params['prompt'].map((block) => blockWords(fieldsOf(block))).join(' + '));
  }
  if (typeof params['sessionId'] === 'string') return oneLine(params['sessionId']);
  if (typeof params['path'] === 'string') return oneLine(params['path']);
  return '';
}

function blockWords(block: Fields): string {
  if (block['type'] === 'text') return `“${String(block['text'])}”`;
  if (block['type'] === 'resource') return `resource ${String(fieldsOf(block['resource'])['uri'] ?? '')}`;
  return String(block['type']);
}

/** Which ways back an agent advertises. */
export function capabilityWords(capabilities: unknown): string {
  const { canResume, canLoad, canList } = readCapabilities(capabilities);
  const words = [...(canResume ? ['resume'] : []), ...(canLoad ? ['load'] : []), ...(canList ? ['list'] : [])];
  return words.length > 0 ? `can ${words.join(', ')}` : 'can neither resume nor load';
}

/** A ring of frames that matches responses to their requests. */
export class FrameLog {
  #frames: Frame[] = [];
  #next = 1;
  readonly #pending = new Map<string, Pending>();
  readonly limit: number;

  constructor(limit = FRAME_LIMIT) {
    this.limit = limit;
  }

  /** How many frames there were in all, those that left included. */
  get total(): number {
    return this.#next - 1;
  }

  /** Oldest first. A fresh array after each change, so that a signal can hold it. */
  get frames(): readonly Frame[] {
    return this.#frames;
  }

  add(process: number, direction: Direction, message: AnyMessage, at: number): Frame {
    const m = message as unknown as Fields;
    const hasId = 'id' in m && m['id'] !== undefined;
    const isCall = typeof m['method'] === 'string';
    const kind: FrameKind = isCall ? (hasId ? 'request' : 'notification') : 'error' in m ? 'error' : 'response';
    // A response travels against its request: key by the side that asked.
    const asker: Direction = isCall ? direction : direction === 'to-agent' ? 'from-agent' : 'to-agent';
    const key = `${process} ${asker} ${JSON.stringify(m['id'])}`;
    let method = isCall ? String(m['method']) : 'response';
    let ms: number | undefined;
    if (kind === 'request') {
      this.#pending.set(key, { method, at });
    } else if (!isCall) {
      const asked = this.#pending.get(key);
      if (asked) {
        this.#pending.delete(key);
        method = asked.method;
        ms = at - asked.at;
      }
    }
    return this.#push({
      at,
      process,
      direction,
      kind,
      method,
      ...(hasId ? { rpcId: m['id'] as string | number | null } : {}),
      ...(ms === undefined ? {} : { ms }),
      size: JSON.stringify(message).length,
      message,
      summary: summarise(message, method),
    });
  }

  /** A line between frames: started, ended, dropped. */
  note(process: number, direction: Direction, words: string, at: number): Frame {
    for (const key of this.#pending.keys()) if (key.startsWith(`${process} `)) this.#pending.delete(key);
    return this.#push({ at, process, direction, kind: 'lifecycle', method: words, size: 0, message: null, summary: '' });
  }

  clear(): void {
    this.#frames = [];
    this.#pending.clear();
  }

  #push(frame: Omit<Frame, 'id'>): Frame {
    const whole: Frame = { id: this.#next++, ...frame };
    this.#frames.push(whole);
    // Trim in blocks: shifting one at a time would make each frame cost the whole ring.
    if (this.#frames.length > this.limit * 1.25) this.#frames = this.#frames.slice(-this.limit);
    return whole;
  }
}

export interface FrameFilter {
  /** Matches method, summary and the JSON text, without regard to case. */
  readonly text: string;
  readonly direction: Direction | 'both';
  /** `session/update` notifications drown the rest; they can be left out. */
  readonly updates: boolean;
}

export function filterFrames(frames: readonly Frame[], filter: FrameFilter): readonly Frame[] {
  const text = filter.text.trim().toLowerCase();
  return frames.filter((frame) => {
    if (filter.direction !== 'both' && frame.direction !== filter.direction) return false;
    if (!filter.updates && frame.method === 'session/update') return false;
    if (text === '') return true;
    return (
      frame.method.toLowerCase().includes(text) ||
      frame.summary.toLowerCase().includes(text) ||
      (frame.message !== null && JSON.stringify(frame.message).toLowerCase().includes(text))
    );
  });
}

/** A row of the panel: one frame, or a run of the same kind of update, which would drown everything else. */
export interface WireRow {
  readonly key: string;
  readonly first: Frame;
  readonly last: Frame;
  readonly count: number;
}

/** So many updates of one kind in a row are drawn as one. */
export const RUN_LENGTH = 4;

/** The kind of an update that can be part of a run, else null. */
function runKind(frame: Frame): string | null {
  if (frame.method !== 'session/update' || frame.kind !== 'notification') return null;
  return `${frame.process} ${frame.direction} ${frame.summary.split(' ', 1)[0]}`;
}

/** Folds the newest frames into at most `limit` rows, oldest first. */
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
