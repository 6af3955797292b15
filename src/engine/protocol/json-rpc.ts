/**
 * A JSON-RPC peer. All messages, responses too, are handled in the order in which they arrive, so that what an agent says before its answer
 * is recorded before it (I11). Unknown kinds and fields reach the handlers as they were sent, up to `nestedLevels` deep.
 */
import type { AnyMessage } from '@agentclientprotocol/sdk';
import { RehydrateError } from '../errors.ts';
import { FIXED_LIMITS, type Limits } from '../limits.ts';
import { isObject, type Fields } from '../objects.ts';
import type { MessageStream } from '../ports.ts';
import { exceeds, utf8Length } from '../transcript/text.ts';
import { inBackground } from '../waiting.ts';
import { inStrings, redactTokens } from '../transcript/token-shapes.ts';
import { beginning, bounded, errorData, NOTE_CHARS, QUOTE_CHARS } from './bounded.ts';

export interface RpcError {
  readonly code: number;
  readonly message: string;
  readonly data?: unknown;
}

export type RpcResponse = { readonly result: unknown } | { readonly error: RpcError };

export type RpcId = string | number | null;

export interface IncomingRequest {
  readonly id: RpcId;
  readonly method: string;
  readonly params: Fields;
  /** Aborted when the agent wants no answer any more (`$/cancel_request`). */
  readonly signal: AbortSignal;
}

export interface PeerHandlers {
  /** The response is sent when the promise settles. Meanwhile further messages are read. */
  onRequest(request: IncomingRequest): Promise<RpcResponse>;
  onNotification(method: string, params: Fields): void;
  /** Backpressure: the next message is read when this settles. */
  room(): Promise<void> | null;
  /** The agent did something wrong that is not fatal. `what` follows “the agent”. */
  onNoise(what: string): void;
}

export type PeerLimits = Pick<Limits, 'messageBytes' | 'agentRequests' | 'unreadAnswers' | 'unreadBytes'>;

export interface Peer {
  /**
   * `settle` runs synchronously when the response is read; with null if the stream ended first, and at once with an error if the request
   * cannot be sent. An abort of `signal` tells the agent that no answer is wanted any more; it must still answer.
   */
  request(method: string, params: unknown, settle: (response: RpcResponse | null) => void, signal?: AbortSignal): void;
  /** A notification that cannot be sent is reported as noise. */
  notify(method: string, params: unknown): void;
  /** When the agent last sent a message, by `performance.now`. */
  readonly heardAt: number;
  /** Resolves when the agent's last message has been handled, with the transport's error if it broke. */
  readonly closed: Promise<Error | null>;
  close(): void;
}

export function createPeer(stream: MessageStream, handlers: PeerHandlers, limits?: PeerLimits): Peer {
  const reader = stream.readable.getReader();
  const writer = stream.writable.getWriter();
  const pending = new Map<number, (response: RpcResponse | null) => void>();
  let nextId = 0;
  /** The request that was sent last, unless a notification followed. An error without an id is about it, if no other request waits. */
  let latest: number | null = null;
  let ended = false;
  let closing = false;
  let heardAt = performance.now();

  let broken: Error | null = null;
  /** After a failed write the reading side should end by itself, and say how. If it does not, or a limit was reached, it is closed here. */
  const write = (message: AnyMessage): Promise<void> =>
    writer.write(message).catch((error: unknown) => {
      handlers.onNoise(`could not be sent to: ${messageOf(error)}`);
      const end = () => {
        if (ended) return;
        broken ??= error instanceof Error ? error : new Error(messageOf(error));
        close();
      };
      if (RehydrateError.is(error) && error.code === 'limit_exceeded') end();
      else inBackground(setTimeout(end, FIXED_LIMITS.exitGraceMs));
    });
  const close = () => {
    closing = true;
    onRead?.();
    // Cancelling a stream that failed rejects with what `closed` reports.
    reader.cancel().catch((error: unknown) => handlers.onNoise(messageOf(error)));
  };

  const working = new Set<{ readonly id: RpcId; readonly abort: AbortController }>();
  /** Answers that the agent has not read yet, and their size. */
  let unread = 0;
  let unreadBytes = 0;
  let onRead: (() => void) | null = null;
  let unheardBytes = 0;

  const respond = (asked: Pick<IncomingRequest, 'id' | 'method'>, response: RpcResponse, instead = false): void => {
    const message = { jsonrpc: '2.0', id: asked.id, ...response } as AnyMessage;
    const written = asText(message, limits?.messageBytes);
    if ('problem' in written) {
      const why = `the answer to ${beginning(asked.method, NOTE_CHARS)} ${written.problem}`;
      // The id alone may exceed the limit.
      if (instead) return handlers.onNoise(`gets no answer: ${why}`);
      const said = 'error' in response ? `${beginning(response.error.message, QUOTE_CHARS)}; ` : '';
      return respond(asked, { error: { code: RPC_INTERNAL, message: said + why } }, true);
    }
    const bytes = utf8Length(written.text);
    unread += 1;
    unreadBytes += bytes;
    void write(message).then(() => {
      unread -= 1;
      unreadBytes -= bytes;
      onRead?.();
    });
  };
  const isFull = (): boolean => !!limits && !closing && (unread > limits.unreadAnswers || unreadBytes > limits.unreadBytes);

  function withdraw(requestId: unknown): void {
    for (const { id, abort } of working)
      if (id === requestId) abort.abort(Object.assign(new Error('The agent withdrew its request.'), { code: RPC_CANCELLED }));
  }

  function handle(message: unknown): void {
    if (typeof message !== 'object' || message === null || Array.isArray(message)) {
      handlers.onNoise(`sent ${Array.isArray(message) ? 'a JSON-RPC batch' : typeof message}, which ACP does not use`);
      return;
    }
    const { id, method, params, result, error } = bounded(message as Record<string, unknown>);
    if (typeof method === 'string') {
      const object = isObject(params) ? params : {};
      if (method === '$/cancel_request') {
        withdraw(object['requestId']);
        // In ACP it is a notification, but some agents send it as a request.
        return id === undefined ? undefined : respond({ id: id as RpcId, method }, { result: {} });
      }
      if (id === undefined) return handlers.onNotification(method, object);
      const handled = { id: id as RpcId, abort: new AbortController() };
      const request: IncomingRequest = { id: handled.id, method, params: object, signal: handled.abort.signal };
      if (limits && working.size >= limits.agentRequests)
        return respond(request, {
          error: { code: RPC_INTERNAL, message: `limit_exceeded: agentRequests allows ${limits.agentRequests} requests in work at once` },
        });
      working.add(handled);
      void handlers
        .onRequest(request)
        .catch((reason: unknown): RpcResponse => ({ error: { code: RPC_INTERNAL, message: `Internal error: ${messageOf(reason)}` } }))
        .then((response) => {
          working.delete(handled);
          respond(request, response);
        });
      return;
    }
    const isError = error !== undefined && error !== null;
    const key = id === null && isError && pending.size === 1 ? latest : keyOf(id);
    const settle = key === null ? undefined : pending.get(key);
    if (key === null || !settle) {
      handlers.onNoise(`answered ${beginning(JSON.stringify(id) ?? 'nothing', NOTE_CHARS)}, which was not asked or was answered before`);
      return;
    }
    pending.delete(key);
    settle(isError ? { error: toRpcError(error) } : { result });
  }

  const closed = (async () => {
    let failure: Error | null = null;
    try {
      for (;;) {
        const { value, done } = await reader.read();
        if (done || closing) break;
        heardAt = performance.now();
        handle(value);
        const room = handlers.room();
        if (room) await room;
        // An agent that does not read its answers is not read any further (I10).
        while (isFull()) await new Promise<void>((resolve) => (onRead = resolve));
      }
    } catch (error) {
      failure = error instanceof Error ? error : new Error(String(error));
    }
    ended = true;
    const waiting = [...pending.values()];
    pending.clear();
    for (const settle of waiting) settle(null);
    return failure ?? broken;
  })();

  const peer: Peer = {
    request(method, params, settle, signal) {
      if (ended) return settle(null);
      const id = nextId++;
      const onAbort = () => peer.notify('$/cancel_request', { requestId: id });
      const over = (response: RpcResponse | null) => {
        signal?.removeEventListener('abort', onAbort);
        settle(response);
      };
      pending.set(id, over);
      signal?.addEventListener('abort', onAbort, { once: true });
      latest = id;
      const message = { jsonrpc: '2.0', id, method, params } as AnyMessage;
      const written = asText(message, limits?.messageBytes);
      if ('text' in written) {
        void write(message);
        return;
      }
      pending.delete(id);
      over({ error: { code: RPC_INTERNAL, message: `${method} was not sent: it ${written.problem}` } });
    },
    notify(method, params) {
      latest = null;
      if (ended) return;
      const message = { jsonrpc: '2.0', method, params } as AnyMessage;
      const written = asText(message, limits?.messageBytes);
      if ('problem' in written) return handlers.onNoise(`was not sent ${method}: it ${written.problem}`);
      if (limits && unheardBytes > limits.unreadBytes)
        return handlers.onNoise(`was not sent ${method}: it leaves more unread than unreadBytes allows (${limits.unreadBytes} bytes)`);
      const bytes = utf8Length(written.text);
      unheardBytes += bytes;
      void write(message).then(() => (unheardBytes -= bytes));
    },
    get heardAt() {
      return heardAt;
    },
    closed,
    close,
  };
  return peer;
}

const RPC_INTERNAL = -32603;
const RPC_CANCELLED = -32800;

/** The message as JSON, or why it cannot be sent. Checked before it is written, since after a failed write a transport takes no other. */
function asText(message: AnyMessage, messageBytes = Infinity): { readonly text: string } | { readonly problem: string } {
  try {
    const text = JSON.stringify(message);
    return exceeds(messageBytes, text) ? { problem: `is larger than messageBytes (${messageBytes} bytes; limit_exceeded)` } : { text };
  } catch (error) {
    return { problem: `cannot be written as JSON: ${messageOf(error)}` };
  }
}

/** Some agents and clients answer with the id as a string. */
export function keyOf(id: unknown): number | null {
  if (typeof id === 'string' && /^\d{1,15}$/.test(id)) return Number(id);
  return typeof id === 'number' ? id : null;
}

/** Shortened, and without tokens, since it is quoted and stored. */
export function toRpcError(value: unknown): RpcError {
  const { code, message, data } = isObject(value) ? value : { message: typeof value === 'string' ? value : JSON.stringify(value) };
  return inStrings(
    {
      code: typeof code === 'number' ? code : 0,
      message: typeof message === 'string' ? beginning(message, FIXED_LIMITS.errorChars) : '',
      ...(data === undefined ? {} : { data: errorData(data) }),
    },
    redactTokens,
  ) as RpcError;
}

/** What a client threw, whatever that is. */
export function thrownError(thrown: unknown): RpcError {
  try {
    const { code, message, data } = Object(thrown) as Fields;
    return {
      code: Number.isSafeInteger(code) ? (code as number) : RPC_INTERNAL,
      message: typeof message === 'string' ? message : String(thrown),
      ...(data === undefined ? {} : { data }),
    };
  } catch (error) {
    return { code: RPC_INTERNAL, message: `what the client threw cannot be read: ${messageOf(error)}` };
  }
}

export function messageOf(error: unknown): string {
  try {
    return error instanceof Error ? error.message : String(error);
  } catch {
    return 'an error without a message';
  }
}
