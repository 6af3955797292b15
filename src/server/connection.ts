/**
 * JSON-RPC with one client over a message stream. Everything that is sent goes through one queue, so that the client gets things in the order
 * in which they happened. While a client does not read, it is not read from, either: its requests would only queue up.
 */
import type { AnyMessage } from '@agentclientprotocol/sdk';
import { bounded } from '../engine/protocol/bounded.ts';
import { objectOf } from '../engine/objects.ts';
import { createWire } from '../engine/protocol/v2-agent-side.ts';
import { type MessageStream, RehydrateError } from '../engine/index.ts';
import { RPC } from '../engine/protocol/agent-protocol.ts';
import { within } from '../engine/waiting.ts';
import { keyOf, type RpcError, type RpcResponse } from '../engine/protocol/json-rpc.ts';
import { refuseText, toRpcError } from './errors.ts';
import type { AcpServerLimits } from './limits.ts';

export type Params = Readonly<Record<string, unknown>>;

export interface ClientCall {
  /** Aborts when the client cancels the request, but not when the client leaves. */
  readonly signal: AbortSignal;
  /** Called once the result was sent; what it sends follows that. */
  afterwards?: () => void;
}

export interface ConnectionHandlers {
  /** Resolves to the result. A rejection becomes the JSON-RPC error. */
  onRequest(method: string, params: Params, call: ClientCall): Promise<unknown>;
  onNotification(method: string, params: Params): void;
}

export type Connection = ReturnType<typeof connect>;

export function connect(
  stream: MessageStream,
  limits: Pick<AcpServerLimits, 'requests' | 'queuedChars' | 'unreadMs'>,
  handlers: ConnectionHandlers,
) {
  const reader = stream.readable.getReader();
  const writer = stream.writable.getWriter();
  const asked = new Map<number, (response: RpcResponse | null) => void>();
  const underWay = new Map<unknown, { readonly abort: AbortController; readonly answered: Promise<void> }>();
  const gone = new AbortController();
  const left = Promise.withResolvers<void>();
  let nextId = 0;

  let answersNothing = false;
  const inputEnded = () => {
    answersNothing = true;
    for (const [requestId, settle] of asked) {
      void send({ method: '$/cancel_request', params: { requestId } });
      settle(null);
    }
    asked.clear();
  };
  const leave = () => {
    if (gone.signal.aborted) return;
    gone.abort();
    left.resolve();
    inputEnded();
    roomier();
    // The stream may have broken already.
    reader.cancel().catch(() => undefined);
  };
  writer.closed.then(leave, leave);

  let queued = 0;
  let written: Promise<void> = Promise.resolve();
  let waiting: (() => void)[] = [];
  const isFull = (): boolean => queued >= limits.queuedChars && !gone.signal.aborted;
  /** Resolves when there is room for more, or the client is gone. (The stream's own high-water mark counts messages, not their size.) */
  const room = (): Promise<void> => (isFull() ? new Promise((resolve) => waiting.push(resolve)) : Promise.resolve());
  const roomier = (): void => {
    if (isFull()) return;
    for (const go of waiting) go();
    waiting = [];
  };
  const write = (message: object): void => {
    if (gone.signal.aborted) return;
    const size = charsIn(message);
    queued += size;
    written = writer.write(message as AnyMessage).then(() => {
      queued -= size;
      roomier();
    }, leave);
  };
  /** Whether the client has kept `offer` waiting for too long. */
  let isStuck = false;
  const wire = createWire(write);
  const send = (message: object): Promise<void> => {
    wire.fromAgent(message);
    return room();
  };

  async function answer(id: unknown, method: string, params: Params, { signal }: AbortController): Promise<void> {
    const call: ClientCall = { signal };
    const outcome = await handlers.onRequest(method, params, call).then(
      (result) => ({ result: result ?? {} }),
      (error: unknown) => ({ error: toRpcError(error, signal) }),
    );
    underWay.delete(id);
    void send({ id, ...outcome });
    if ('result' in outcome) call.afterwards?.();
  }

  /** Why a request with this id is refused; null if it is not. */
  function refusal(id: unknown): RpcError | null {
    if (underWay.has(id))
      return { code: RPC.invalidRequest, message: 'A request of this id is not answered yet. Give each request an id of its own.' };
    if (underWay.size < limits.requests) return null;
    const message = `${limits.requests} requests of this client are under way, as many as requests allows. Wait for an answer first.`;
    return toRpcError(new RehydrateError('limit_exceeded', message, { limit: 'requests', allowed: limits.requests }));
  }

  function notified(method: string, params: Params): void {
    try {
      handlers.onNotification(method, params);
    } catch {
      // A notification has no answer, so a failed one has no effect at all.
    }
  }

  function handle(value: unknown): void {
    const message = objectOf(value);
    if (!message) return write({ jsonrpc: '2.0', ...refuseText(value) });
    const given = bounded(message);
    const refused = typeof given['method'] === 'string' && given['id'] !== undefined ? refusal(given['id']) : null;
    // Not through `wire`, which would take it for the answer to the earlier request with the same id.
    if (refused) return write({ jsonrpc: '2.0', id: given['id'], error: refused });
    const passed = wire.fromClient(typeof given['method'] === 'string' ? given : { ...given, id: keyOf(given['id']) });
    if (!passed) return;
    const { id, method, params, result, error } = passed as Record<string, unknown>;
    if (typeof method === 'string') {
      const object = objectOf(params) ?? {};
      if (method === '$/cancel_request') {
        underWay.get(object['requestId'])?.abort.abort();
        // In ACP this is a notification, but some clients send it as a request and wait for an answer.
        if (id !== undefined) write({ jsonrpc: '2.0', id, result: {} });
      } else if (id !== undefined) {
        const abort = new AbortController();
        underWay.set(id, { abort, answered: answer(id, method, object, abort) });
      } else notified(method, object);
      return;
    }
    const settle = typeof id === 'number' ? asked.get(id) : undefined;
    if (!settle) return;
    asked.delete(id as number);
    settle(error === undefined || error === null ? { result } : { error: error as RpcError });
  }

  const closed = (async () => {
    for (;;) {
      // A stream that fails means that the client is gone.
      const read = await reader.read().catch(() => null);
      if (read === null || read.done || gone.signal.aborted) break;
      handle(read.value);
      await room();
    }
    leave();
    // A client that still reads gets what is queued, but nobody waits for that.
    writer.close().catch(() => undefined);
  })();

  return {
    /** The version of ACP that the client speaks. Here everything is in v1, which `wire` translates. */
    get version(): 1 | 2 {
      return wire.version;
    },
    /** Queues a notification. Resolves when there is room for more: wait for that before sending the next of many. */
    notify: (method: string, params: unknown): Promise<void> => send({ method, params }),
    /**
     * The same for what is not in the record. A client that makes no room within `unreadMs` is left out until it does, because other clients
     * use its sessions, too.
     */
    async offer(method: string, params: unknown): Promise<void> {
      if (isStuck) return;
      const made = send({ method, params });
      isStuck =
        (await within(
          made.then(() => true),
          limits.unreadMs,
        )) === undefined;
      if (isStuck) void made.then(() => (isStuck = false));
    },
    /** Sends a request. Null when the client left before it answered, or when `signal` withdrew the request. */
    request(method: string, params: unknown, signal?: AbortSignal): Promise<RpcResponse | null> {
      if (answersNothing || signal?.aborted) return Promise.resolve(null);
      const id = nextId++;
      return new Promise((resolve) => {
        const withdraw = () => {
          if (!asked.delete(id)) return;
          void send({ method: '$/cancel_request', params: { requestId: id } });
          resolve(null);
        };
        asked.set(id, (response) => {
          signal?.removeEventListener('abort', withdraw);
          resolve(response);
        });
        signal?.addEventListener('abort', withdraw, { once: true });
        void send({ id, method, params });
      });
    },
    /** Aborted when the client is gone. */
    gone: gone.signal,
    /** The client sends nothing more, so requests to it get no answer. */
    inputEnded,
    get answersNothing() {
      return answersNothing;
    },
    /** Resolves when the client is gone. */
    closed,
    /** Resolves when all requests are answered and the client has taken all it was sent, or is gone. */
    async idle(): Promise<void> {
      while (underWay.size > 0 && !gone.signal.aborted)
        await Promise.race([Promise.all([...underWay.values()].map(({ answered }) => answered)), left.promise]);
      await Promise.race([written, left.promise]);
    },
    close: leave,
  };
}

/** About how many characters a message has as JSON, without writing it out. */
function charsIn(value: unknown): number {
  if (typeof value === 'string') return value.length + 2;
  if (typeof value !== 'object' || value === null) return 8;
  let chars = 2;
  if (Array.isArray(value)) for (const item of value) chars += charsIn(item);
  else for (const key in value) chars += key.length + 4 + charsIn((value as Params)[key]);
  return chars;
}
