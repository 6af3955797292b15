/**
 * A JSON-RPC peer. Messages, responses included, are handled in the order they arrived, so that what an agent said before its answer is
 * recorded before it (I11). Unknown kinds and fields reach the handlers as sent, up to `nestedLevels` deep.
 */
import type { AnyMessage } from '@agentclientprotocol/sdk';
import { RehydrateError } from '../errors.ts';
import { FIXED_LIMITS, type Limits } from '../limits.ts';
import { isObject } from '../objects.ts';
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
  readonly params: Readonly<Record<string, unknown>>;
  /** Aborted when the agent wants no answer any more (`$/cancel_request`). */
  readonly signal: AbortSignal;
}

export interface PeerHandlers {
  /** The returned promise holds up nothing: the response is sent when it settles. */
  onRequest(request: IncomingRequest): Promise<RpcResponse>;
  onNotification(method: string, params: Readonly<Record<string, unknown>>): void;
  /** Awaited before the next message is read: this is how reading from the agent stops. */
  room(): Promise<void> | null;
  /** A message that is not JSON-RPC, or answers nothing that was asked: never fatal. */
  onNoise(what: string): void;
}

export type PeerLimits = Pick<Limits, 'messageBytes' | 'agentRequests' | 'unreadAnswers' | 'unreadBytes'>;

export interface Peer {
  /**
   * `settle` runs synchronously when the response is read; with null when the stream ended first, and at once with an error when it cannot
   * be sent. `signal` withdraws the request, which is still to be answered.
   */
  request(method: string, params: unknown, settle: (response: RpcResponse | null) => void, signal?: AbortSignal): void;
  /** One that cannot be sent is told as noise. */
  notify(method: string, params: unknown): void;
  /** When the agent last sent a message, by `performance.now`. */
  readonly heardAt: number;
  /** Resolves at the agent's last word, with the transport's error if it broke. */
  readonly closed: Promise<Error | null>;
  /** What was not read is dropped. */
  close(): void;
}

export function createPeer(stream: MessageStream, handlers: PeerHandlers, limits?: PeerLimits): Peer {
  const reader = stream.readable.getReader();
  const writer = stream.writable.getWriter();
  const pending = new Map<number, (response: RpcResponse | null) => void>();
  let nextId = 0;
  /** The request that was said last: an error without an id is about it when no other waits. */
  let latest: number | null = null;
  let ended = false;
  let closing = false;
  let heardAt = performance.now();

  let broken: Error | null = null;
  /** After a failed write the reading side ends, too, and says how; where it does not, or a limit was reached, the connection ends for it. */
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
  /** Null, or what is wrong with it: then it was not sent. */
  const send = (message: AnyMessage): string | null => {
    const written = asText(message, limits?.messageBytes);
    if ('problem' in written) return written.problem;
    void write(message);
    return null;
  };
  const close = () => {
    closing = true;
    onRead?.();
    // Cancelling a stream that failed rejects with what `closed` reports.
    reader.cancel().catch((error: unknown) => handlers.onNoise(messageOf(error)));
  };

  /** Requests of the agent in work; answers that it has not read yet, and their size. */
  const working = new Set<{ readonly id: RpcId; readonly abort: AbortController }>();
  let unread = 0;
  let unreadBytes = 0;
  let onRead: (() => void) | null = null;
  /** Of notifications that it has not read: nobody waits for those. */
  let unheardBytes = 0;

  const respond = (asked: Pick<IncomingRequest, 'id' | 'method'>, response: RpcResponse, instead = false): void => {
    const message = { jsonrpc: '2.0', id: asked.id, ...response } as AnyMessage;
    const written = asText(message, limits?.messageBytes);
    if ('problem' in written) {
      const why = `the answer to ${beginning(asked.method, NOTE_CHARS)} ${written.problem}`;
      // Its id alone may be more than a message holds.
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
        // ACP has it as a notification only, and some agents want an answer.
        return id === undefined ? undefined : respond({ id: id as RpcId, method }, { result: {} });
      }
      if (id === undefined) return handlers.onNotification(method, object);
      const mine = { id: id as RpcId, abort: new AbortController() };
      const request: IncomingRequest = { id: mine.id, method, params: object, signal: mine.abort.signal };
      if (limits && working.size >= limits.agentRequests)
        return respond(request, {
          error: { code: RPC_INTERNAL, message: `limit_exceeded: agentRequests allows ${limits.agentRequests} requests in work at once` },
        });
      working.add(mine);
      void handlers
        .onRequest(request)
        .catch((reason: unknown): RpcResponse => ({ error: { code: RPC_INTERNAL, message: `Internal error: ${messageOf(reason)}` } }))
        .then((response) => {
          working.delete(mine);
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
        // An agent that does not read its answers is not read any further, either (I10).
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
      const problem = send({ jsonrpc: '2.0', id, method, params } as AnyMessage);
      if (problem === null) return;
      pending.delete(id);
      over({ error: { code: RPC_INTERNAL, message: `${method} was not sent: it ${problem}` } });
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

const [RPC_INTERNAL, RPC_CANCELLED] = [-32603, -32800];

/** Found out here, since a transport whose write fails takes no other. */
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

/** Shortened and without tokens, since it is looked through, quoted and stored. */
export function toRpcError(value: unknown): RpcError {
  const { code, message, data } = isObject(value)
    ? value
    : { code: 0, message: typeof value === 'string' ? value : JSON.stringify(value), data: undefined };
  return inStrings(
    {
      code: typeof code === 'number' ? code : 0,
      message: typeof message === 'string' ? beginning(message, FIXED_LIMITS.errorChars) : '',
      ...(data === undefined ? {} : { data: errorData(data) }),
    },
    redactTokens,
  ) as RpcError;
}

/** What a client threw, in any shape. */
export function thrownError(thrown: unknown): RpcError {
  try {
    const { code, message, data } = Object(thrown) as Readonly<Record<string, unknown>>;
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
