/** One client at one session: what is stored goes to the client as it is stored (I2), and what the agent asks is asked of it. */
import { RehydrateError } from '../engine/index.ts';
import type { Host, PermissionRequested, SessionEvent, SessionUpdate } from '../engine/index.ts';
import type { Connection } from './connection.ts';
import { failureOf, toRpcError } from './errors.ts';
import { lossNotice, noticeToolCall, noticeUpdate, type Notice } from './notice.ts';
import { ofTurn } from './replay.ts';

export interface Attachment {
  /** Prompts of this client, by their key: their words are not told to who said them. */
  readonly own: Set<string>;
  /** The number of the last event the client has. */
  readonly cursor: number;
  /** Whether following has ended although nobody stopped it. The client was told why. */
  readonly failed: boolean;
  /** Runs a setting of this client's; the update that tells the others of it is not told to who set it. */
  unechoed(kind: string, set: () => Promise<void>): Promise<void>;
  /** Whether its client has said that it cannot answer this question. */
  cannotAnswer(requestId: string): boolean;
  /** Begins to follow the session, and asks what is asked already. */
  start(openPermissions: readonly PermissionRequested[]): void;
  /**
   * Resolves when the client was sent everything up to this number, or is gone. Rejects when following fails. `reread`: look
   * into the record again.
   */
  reached(seq: number, how?: 'reread'): Promise<void>;
  stop(): Promise<void>;
}

export interface AttachmentDeps {
  readonly host: Host;
  readonly connection: Connection;
  readonly sessionId: string;
  /** The number of the last event the client has. */
  readonly after: number;
  readonly observes: boolean;
  /** What other clients of the session may answer its questions. */
  readonly others: () => readonly Attachment[];
  readonly showsNotices: () => boolean;
}

/** How often a question is asked again whose answer could not be stored. */
const ASKED_AGAIN = 3;

type Following = 'running' | 'stopped' | { readonly failure: unknown };

export function createAttachment({ host, connection, sessionId, after, observes, others, showsNotices }: AttachmentDeps): Attachment {
  const own = new Set<string>();
  const ownTurns = new Set<string>();
  /** Of each kind of setting, how many updates are still to come that this client has caused. */
  const ownSettings = new Map<string, number>();
  const asked = new Map<string, AbortController>();
  const unanswerable = new Set<string>();
  const waiting = new Set<{ readonly seq: number; readonly resolve: () => void; readonly reject: (reason: unknown) => void }>();
  const stopped = new AbortController();
  let cursor = after;
  let round = new AbortController();
  let rounds: Promise<void> = Promise.resolve();
  let following: Following = 'running';
  let failures = 0;

  const update = (what: SessionUpdate, meta: object, more: object = {}) =>
    connection.notify('session/update', { sessionId, update: what, _meta: { ...more, rehydrate: meta } });
  const send = (event: SessionEvent, what: SessionUpdate) => update(what, { seq: event.seq }, event.meta);
  /** ACP v1 has no word for the turns of others; a client that knows us reads it here, any other finds nothing new. */
  const tellTurn = (event: SessionEvent, turn: object) => update({ sessionUpdate: 'session_info_update' }, { seq: event.seq, turn });
  const asUpdate = (notice: Notice, id: number | string) => (showsNotices() ? noticeUpdate(notice) : noticeToolCall(notice, id));

  /** Says what went wrong where there is no request to be answered with it. */
  function tellFailure(title: string, failure: unknown): Promise<void> {
    const notice: Notice = { severity: 'error', title: `Rehydrate: ${title}`, description: toRpcError(failure).message };
    return update(asUpdate(notice, `failure-${(failures += 1)}`), { error: failureOf(failure) });
  }

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
        // In v2 the user's message comes back: that is how a client learns that it is in the conversation.
        if (ownTurns.has(event.turnId) && connection.version === 1) return;
        return send(event, ofTurn(event.payload, event.turnId));
      case 'turn_started': {
        const key = event.payload.idempotencyKey;
        if (key !== undefined && own.has(key) && event.turnId !== null) return void ownTurns.add(event.turnId);
        return tellTurn(event, { turnId: event.turnId, state: 'running' });
      }
      case 'turn_ended':
        if (event.turnId !== null && ownTurns.delete(event.turnId)) return;
        return tellTurn(event, { turnId: event.turnId, ...event.payload });
      case 'resumed': {
        const notice = lossNotice(event.payload);
        return notice ? send(event, asUpdate(notice, event.seq)) : undefined;
      }
      case 'permission_requested':
        return ask(event.payload);
      case 'permission_resolved':
        asked.get(event.payload.requestId)?.abort();
        unanswerable.delete(event.payload.requestId);
        return;
      case 'agent_exited':
        return;
    }
  }

  function ask(request: PermissionRequested): void {
    if (observes || asked.has(request.requestId)) return;
    const withdrawn = new AbortController();
    asked.set(request.requestId, withdrawn);
    void answerOf(request, withdrawn.signal).finally(() => asked.delete(request.requestId));
  }

  async function answerOf({ requestId, toolCall, options }: PermissionRequested, withdrawn: AbortSignal): Promise<void> {
    for (let again = 0; again <= ASKED_AGAIN; again += 1) {
      const response = await connection.request('session/request_permission', { sessionId, toolCall, options }, withdrawn);
      // It went, or somebody else answered.
      if (response === null || withdrawn.aborted) return;
      if ('error' in response) {
        unanswerable.add(requestId);
        // A client that cannot answer has not answered, as long as another can.
        if (others().some((other) => !other.cannotAnswer(requestId))) return;
      }
      const choice = 'result' in response ? optionOf(response.result) : null;
      try {
        await host.respondPermission(sessionId, requestId, options.some(({ optionId }) => optionId === choice) ? choice : null);
        return;
      } catch (error) {
        // Answered by somebody else meanwhile, or the turn or its host is at an end: then there is nothing left to answer.
        if (withdrawn.aborted || (RehydrateError.is(error) && /^(invalid_argument|host_closed)$/.test(error.code))) return;
        await tellFailure('this answer could not be stored, so the agent did not get it', error);
      }
    }
  }

  const settle = () => {
    for (const entry of waiting) {
      if (following === 'running' && entry.seq > cursor) continue;
      waiting.delete(entry);
      if (typeof following === 'object' && entry.seq > cursor) entry.reject(following.failure);
      else entry.resolve();
    }
  };

  async function follow(signal: AbortSignal): Promise<void> {
    const ends = AbortSignal.any([signal, stopped.signal, connection.gone]);
    let failure: unknown = null;
    try {
      for await (const event of host.events(sessionId, { after: cursor, signal: ends })) {
        await deliver(event);
        cursor = event.seq;
        if (waiting.size > 0) settle();
      }
      // Nobody stopped it: the session was deleted, or another made under its id; or the host goes to sleep.
      if (!ends.aborted) await host.history(sessionId, { after: cursor, limit: 0 });
    } catch (error) {
      failure = error;
    }
    const isLast = !signal.aborted || stopped.signal.aborted || connection.gone.aborted;
    if (!isLast) return;
    following = failure === null || ends.aborted ? 'stopped' : { failure };
    settle();
    for (const withdrawn of asked.values()) withdrawn.abort();
    if (typeof following === 'object') await tellFailure('this session cannot be followed any more', failure);
  }

  const nextRound = () => {
    const { signal } = round;
    rounds = rounds.then(() => follow(signal));
  };

  return {
    own,
    get cursor() {
      return cursor;
    },
    get failed() {
      return typeof following === 'object';
    },
    cannotAnswer: (requestId) => unanswerable.has(requestId),
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
    start(openPermissions) {
      nextRound();
      for (const request of openPermissions) ask(request);
    },
    reached(seq, how) {
      if (following === 'stopped' || cursor >= seq) return Promise.resolve();
      const promise = new Promise<void>((resolve, reject) => waiting.add({ seq, resolve, reject }));
      if (typeof following === 'object') settle();
      else if (how === 'reread') {
        round.abort();
        round = new AbortController();
        nextRound();
      }
      return promise;
    },
    async stop() {
      stopped.abort();
      await rounds;
    },
  };
}

function optionOf(result: unknown): string | null {
  const outcome = (result as { outcome?: { outcome?: unknown; optionId?: unknown } } | null)?.outcome;
  return outcome?.outcome === 'selected' && typeof outcome.optionId === 'string' ? outcome.optionId : null;
}
