/** One client at one session: what is stored goes to the client as it is stored (I2), and what the agent asks is asked of it. */
import type { Host, PermissionRequested, SessionEvent, SessionUpdate } from '../engine/index.ts';
import type { Connection } from './connection.ts';
import { lossNotice, lossToolCall } from './notice.ts';
import { ofTurn } from './replay.ts';

export interface Attachment {
  readonly sessionId: string;
  /** Prompts of this client, by their key: their words are not told to who said them. */
  readonly own: Set<string>;
  /** Runs a setting of this client's; the update that tells the others of it is not told to who set it. */
  unechoed(kind: string, set: () => Promise<void>): Promise<void>;
  /** Begins to follow the session. */
  start(): void;
  /** Resolves when the client was sent everything up to this number, or will not be any more. `reread`: look into the record again. */
  reached(seq: number, how?: 'reread'): Promise<void>;
  /** Asks for a permission that is open already. */
  ask(request: PermissionRequested): void;
  stop(): Promise<void>;
}

export interface AttachmentDeps {
  readonly host: Host;
  readonly connection: Connection;
  readonly sessionId: string;
  /** The number of the last event the client has. */
  readonly after: number;
  readonly observes: boolean;
  readonly showsNotices: () => boolean;
}

export function createAttachment({ host, connection, sessionId, after, observes, showsNotices }: AttachmentDeps): Attachment {
  const own = new Set<string>();
  const ownTurns = new Set<string>();
  /** Of each kind of setting, how many updates are still to come that this client has caused. */
  const ownSettings = new Map<string, number>();
  const asked = new Map<string, AbortController>();
  const waiting: { readonly seq: number; readonly resolve: () => void }[] = [];
  const stopped = new AbortController();
  let cursor = after;
  let round = new AbortController();
  let following: Promise<void> = Promise.resolve();
  let over = false;

  const send = (event: SessionEvent, update: SessionUpdate) =>
    connection.notify('session/update', { sessionId, update, _meta: { ...event.meta, rehydrate: { seq: event.seq } } });
  /** ACP v1 has no word for the turns of others; a client that knows us reads it here, any other finds nothing new. */
  const tell = (event: SessionEvent, turn: object) =>
    connection.notify('session/update', {
      sessionId,
      update: { sessionUpdate: 'session_info_update' },
      _meta: { rehydrate: { seq: event.seq, turn } },
    });

  const isOwnSetting = ({ sessionUpdate }: SessionUpdate): boolean => {
    const left = ownSettings.get(sessionUpdate) ?? 0;
    if (left > 0) ownSettings.set(sessionUpdate, left - 1);
    return left > 0;
  };

  async function deliver(event: SessionEvent): Promise<void> {
    switch (event.kind) {
      case 'update':
        if (event.origin !== 'host') return send(event, event.payload);
        if (event.turnId === null) return isOwnSetting(event.payload) ? undefined : send(event, event.payload);
        if (ownTurns.has(event.turnId)) return;
        return send(event, ofTurn(event.payload, event.turnId));
      case 'turn_started': {
        const key = event.payload.idempotencyKey;
        if (key !== undefined && own.has(key) && event.turnId !== null) return void ownTurns.add(event.turnId);
        return tell(event, { turnId: event.turnId, state: 'running' });
      }
      case 'turn_ended':
        if (event.turnId !== null && ownTurns.delete(event.turnId)) return;
        return tell(event, { turnId: event.turnId, ...event.payload });
      case 'resumed': {
        const notice = showsNotices() ? lossNotice(event.payload) : lossToolCall(event.payload, event.seq);
        return notice ? send(event, notice) : undefined;
      }
      case 'permission_requested':
        return observes ? undefined : ask(event.payload);
      case 'permission_resolved':
        asked.get(event.payload.requestId)?.abort();
        return;
      case 'agent_exited':
        return;
    }
  }

  function ask(request: PermissionRequested): void {
    if (asked.has(request.requestId)) return;
    const withdrawn = new AbortController();
    asked.set(request.requestId, withdrawn);
    void answerOf(request, withdrawn.signal).finally(() => asked.delete(request.requestId));
  }

  async function answerOf({ requestId, toolCall, options }: PermissionRequested, withdrawn: AbortSignal): Promise<void> {
    const response = await connection.request('session/request_permission', { sessionId, toolCall, options }, withdrawn);
    // It went, or somebody else answered.
    if (response === null || withdrawn.aborted) return;
    const choice = 'result' in response ? optionOf(response.result) : null;
    try {
      await host.respondPermission(sessionId, requestId, options.some(({ optionId }) => optionId === choice) ? choice : null);
    } catch {
      // Answered by somebody else meanwhile, or the turn is over: then there is nothing left to answer.
    }
  }

  const settle = () => {
    for (const [index, entry] of [...waiting.entries()].reverse()) {
      if (!over && entry.seq > cursor) continue;
      waiting.splice(index, 1);
      entry.resolve();
    }
  };

  async function follow(signal: AbortSignal): Promise<void> {
    try {
      for await (const event of host.events(sessionId, {
        after: cursor,
        signal: AbortSignal.any([signal, stopped.signal, connection.gone]),
      })) {
        await deliver(event);
        cursor = event.seq;
        if (waiting.length > 0) settle();
      }
    } catch {
      // The session is gone, or the record cannot be read: its next use says so to whoever asks.
    }
    if (signal.aborted && !stopped.signal.aborted && !connection.gone.aborted) return;
    over = true;
    settle();
    for (const withdrawn of asked.values()) withdrawn.abort();
  }

  const start = () => {
    const { signal } = round;
    following = following.then(() => follow(signal));
  };

  return {
    sessionId,
    own,
    async unechoed(kind, set) {
      const change = (by: number) => ownSettings.set(kind, Math.max(0, (ownSettings.get(kind) ?? 0) + by));
      change(1);
      try {
        await set();
      } catch (error) {
        change(-1);
        throw error;
      }
    },
    start,
    reached(seq, how) {
      if (over || cursor >= seq) return Promise.resolve();
      const promise = new Promise<void>((resolve) => waiting.push({ seq, resolve }));
      if (how === 'reread') {
        round.abort();
        round = new AbortController();
        start();
      }
      return promise;
    },
    ask,
    async stop() {
      stopped.abort();
      await following;
    },
  };
}

function optionOf(result: unknown): string | null {
  const outcome = (result as { outcome?: { outcome?: unknown; optionId?: unknown } } | null)?.outcome;
  return outcome?.outcome === 'selected' && typeof outcome.optionId === 'string' ? outcome.optionId : null;
}
