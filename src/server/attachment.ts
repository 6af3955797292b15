/** One client at one session: it is sent what is stored, as soon as it is stored (I2), and asked for permission. */
import { randomId } from '../engine/random-id.ts';
import { type Host, type PermissionRequested, RehydrateError, type SessionEvent, type SessionUpdate } from '../engine/index.ts';
import { fieldsOf } from '../engine/objects.ts';
import type { Connection } from './connection.ts';
import { failureOf, toRpcError } from './errors.ts';
import { lossNotice, noticeToolCall, noticeUpdate, turnNotice, type Notice } from './notice.ts';
import type { Names } from './names.ts';
import { NO_NEWS, ofTurn, turnTold } from './replay.ts';

export interface AttachedClient {
  readonly host: Host;
  readonly connection: Connection;
  readonly observes: boolean;
  /** Whether a prompt is this client's own, which is not echoed to it. */
  readonly isOwn: (sessionId: string, key: string) => boolean;
  readonly showsNotices: () => boolean;
  /** The clients of a session that may answer its questions. */
  readonly answering: (sessionId: string) => Iterable<Attachment>;
  /** The session was deleted, so that nothing of it can be followed any more. */
  readonly onDeleted: (attachment: Attachment) => void;
}

/** How often permission is asked again if the answer could not be stored. */
const ASKED_AGAIN = 3;

/** Must stay small: a client may have hundreds of sleeping sessions open. */
export class Attachment {
  readonly sessionId: string;
  /** The number of the last event the client has. */
  cursor: number;
  readonly names: Names;
  private readonly client: AttachedClient;
  private ownTurns: string[] = [];
  /** The kinds of settings that this client has changed, and whose updates are still to come. */
  private readonly ownSettings: string[] = [];
  /** The last such update that came. */
  private ownSetting: SessionEvent | null = null;
  private asked: { readonly requestId: string; readonly withdrawn: AbortController }[] = [];
  /** Ids of the permission requests that this client could not answer. */
  private unanswerable: string[] = [];
  private waiting: { readonly seq: number; readonly resolve: () => void; readonly reject: (reason: unknown) => void }[] = [];
  private readonly stopped = new AbortController();
  private following: 'running' | 'stopped' | { readonly failure: unknown } = 'running';
  private followed: Promise<void> = Promise.resolve();

  /** `names` has seen the events up to `after`. */
  constructor(client: AttachedClient, sessionId: string, after: number, names: Names) {
    this.client = client;
    this.sessionId = sessionId;
    this.cursor = after;
    this.names = names;
  }

  /** Whether following has failed. The client was told why. */
  get failed(): boolean {
    return typeof this.following === 'object';
  }

  start(openPermissions: readonly PermissionRequested[]): void {
    // The client may have closed the session before its answer was sent.
    if (this.stopped.signal.aborted) return;
    this.followed = this.follow();
    for (const request of openPermissions) this.ask({ ...request, toolCall: this.names.current(request.toolCall) });
  }

  async stop(): Promise<void> {
    this.stopped.abort();
    await this.followed;
  }

  /** Resolves when the client was sent everything up to `seq`, or is gone. Rejects when following fails. */
  reached(seq: number): Promise<void> {
    if (this.following === 'stopped' || this.cursor >= seq) return Promise.resolve();
    const promise = new Promise<void>((resolve, reject) => this.waiting.push({ seq, resolve, reject }));
    this.settle();
    return promise;
  }

  /** Runs a change of a setting by this client. Updates about it go only to the other clients. */
  async unechoed(kind: string, set: () => Promise<void>): Promise<void> {
    this.ownSettings.push(kind);
    try {
      await set();
    } catch (error) {
      this.forgetSetting(kind);
      throw error;
    }
  }

  private forgetSetting(kind: string): boolean {
    const place = this.ownSettings.indexOf(kind);
    if (place >= 0) this.ownSettings.splice(place, 1);
    return place >= 0;
  }

  private isOwnSetting(event: SessionEvent, kind: string): boolean {
    if (this.forgetSetting(kind)) {
      this.ownSetting = event;
      return true;
    }
    // A mode that is also a configuration option causes two updates, one after the other.
    const own = this.ownSetting;
    return own?.seq === event.seq - 1 && own.at === event.at && fieldsOf(own.payload)['sessionUpdate'] !== kind;
  }

  // -------------------------------------------------------------- what is stored

  private async follow(): Promise<void> {
    const { sessionId, cursor: after, stopped, client } = this;
    const { signal } = stopped;
    let failure: unknown = null;
    try {
      for await (const event of client.host.events(sessionId, { after, signal })) {
        for (const told of this.names.told(event)) await this.deliver(told);
        this.cursor = event.seq;
        if (this.waiting.length > 0) this.settle();
      }
      // Nobody stopped it: the session was deleted or made anew, or the host goes to sleep.
      if (!signal.aborted) await client.host.history(sessionId, { after: this.cursor, limit: 0 });
    } catch (error) {
      failure = error;
    }
    this.following = failure === null || signal.aborted ? 'stopped' : { failure };
    this.settle();
    for (const { withdrawn } of this.asked) withdrawn.abort();
    if (RehydrateError.is(failure) && failure.code === 'session_not_found') client.onDeleted(this);
    if (this.failed) await this.tellFailure('this session cannot be followed any more', failure);
  }

  private settle(): void {
    const { following, cursor } = this;
    const settled = this.waiting.filter(({ seq }) => following !== 'running' || seq <= cursor);
    this.waiting = this.waiting.filter((each) => !settled.includes(each));
    for (const { seq, resolve, reject } of settled) {
      if (typeof following === 'object' && seq > cursor) reject(following.failure);
      else resolve();
    }
  }

  private async deliver(event: SessionEvent): Promise<void> {
    const { turnId } = event;
    switch (event.kind) {
      case 'update':
        if (event.origin !== 'host') return this.send(event, event.payload);
        if (turnId === null) return this.isOwnSetting(event, event.payload.sessionUpdate) ? undefined : this.send(event, event.payload);
        if (!this.ownTurns.includes(turnId)) return this.send(event, ofTurn(event.payload, turnId));
        // In v2 the user's message is sent back, to say that it is in the conversation now.
        if (this.client.connection.version === 1) return;
        return this.update(ofTurn(event.payload, turnId), { seq: event.seq, turnId }, event.meta);
      case 'turn_started': {
        const key = event.payload.idempotencyKey;
        if (key !== undefined && turnId !== null && this.client.isOwn(this.sessionId, key)) {
          this.ownTurns.push(turnId);
          return;
        }
        return this.update(NO_NEWS, { seq: event.seq, turn: turnTold(event) });
      }
      case 'turn_ended': {
        const notice = turnNotice(event.payload);
        // Numbered one less, because a client that has the notice has not heard of the turn's end yet.
        if (notice) await this.update(this.asUpdate(notice, event.seq), { seq: event.seq - 1 });
        if (turnId === null || !this.ownTurns.includes(turnId)) return this.update(NO_NEWS, { seq: event.seq, turn: turnTold(event) });
        this.ownTurns = this.ownTurns.filter((each) => each !== turnId);
        return;
      }
      case 'resumed': {
        const notice = lossNotice(event.payload);
        return notice ? this.send(event, this.asUpdate(notice, event.seq)) : undefined;
      }
      case 'permission_requested':
        return this.ask(event.payload);
      case 'permission_resolved': {
        const { requestId } = event.payload;
        this.asked.find((each) => each.requestId === requestId)?.withdrawn.abort();
        this.unanswerable = this.unanswerable.filter((each) => each !== requestId);
        return;
      }
    }
  }

  private send({ seq, meta }: SessionEvent, update: SessionUpdate): Promise<void> {
    return this.update(update, { seq }, meta);
  }

  private update(update: SessionUpdate, rehydrate: object, meta: object = {}): Promise<void> {
    return this.client.connection.notify('session/update', { sessionId: this.sessionId, update, _meta: { ...meta, rehydrate } });
  }

  /** Tells the client of a failure for which there is no request to answer. */
  private tellFailure(title: string, failure: unknown): Promise<void> {
    const notice: Notice = { severity: 'error', title: `Rehydrate: ${title}`, description: toRpcError(failure).message };
    return this.update(this.asUpdate(notice, `failure-${randomId()}`), { error: failureOf(failure) });
  }

  private asUpdate(notice: Notice, id: number | string): SessionUpdate {
    return this.client.showsNotices() ? noticeUpdate(notice) : noticeToolCall(notice, id);
  }

  // -------------------------------------------------------------- what is asked

  private ask(request: PermissionRequested): void {
    const { requestId } = request;
    if (this.client.observes || this.asked.some((each) => each.requestId === requestId)) return;
    const withdrawn = new AbortController();
    this.asked.push({ requestId, withdrawn });
    void this.haveAnswered(request, withdrawn.signal).finally(() => {
      this.asked = this.asked.filter((each) => each.requestId !== requestId);
    });
  }

  private async haveAnswered({ requestId, toolCall, options }: PermissionRequested, withdrawn: AbortSignal): Promise<void> {
    const { sessionId } = this;
    const { host, connection, answering } = this.client;
    for (let again = 0; again <= ASKED_AGAIN; again += 1) {
      const response = await connection.request('session/request_permission', { sessionId, toolCall, options }, withdrawn);
      if (response === null || withdrawn.aborted) return;
      if ('error' in response) {
        this.unanswerable.push(requestId);
        // A client that cannot answer leaves the question to those that can.
        if ([...answering(sessionId)].some((other) => !other.unanswerable.includes(requestId))) return;
      }
      const chosen = 'result' in response ? optionOf(response.result) : null;
      try {
        const option = options.find(({ optionId }) => optionId === chosen);
        return await host.respondPermission(sessionId, requestId, option?.optionId ?? null);
      } catch (error) {
        // Someone else has answered meanwhile, or the turn or its host has ended.
        if (withdrawn.aborted || (RehydrateError.is(error) && /^(invalid_argument|host_closed)$/.test(error.code))) return;
        await this.tellFailure('this answer could not be stored, so the agent did not get it', error);
      }
    }
  }
}

function optionOf(result: unknown): unknown {
  const { outcome, optionId } = fieldsOf(fieldsOf(result)['outcome']);
  return outcome === 'selected' ? optionId : null;
}
