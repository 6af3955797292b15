/**
 * A host as a RivetKit actor, with the sessions in the actor's SQLite. Agent processes end when the actor sleeps, and the first prompt after a
 * wake rehydrates. Typed structurally: this file imports nothing of rivetkit, and its result is what `actor(…)` takes.
 */
import { createHost, type Host, type PromptOptions } from '../../engine/index.ts';
import { checkOptions } from '../../engine/check-options.ts';
import { RehydrateError } from '../../engine/errors.ts';
import { HOST_OPTIONS, type HostOptions } from '../../engine/sessions/config.ts';
import type { CreateOptions, ForkOptions } from '../../engine/sessions/host.ts';
import type { ContentBlock, CreatedSession, SessionInfo } from '../../engine/types.ts';
import type { MessageStream, OwnerRegistry, SqlDatabase } from '../../engine/ports.ts';
import { broadcastEvents } from './broadcast.ts';
import { utf8Length } from '../../engine/transcript/text.ts';
import { rivetkitDatabase, type RivetDb } from './database.ts';
import { askedOf, socketMessages, type RivetSocket } from './socket.ts';

/** The part of an actor's context that is used. */
export interface SessionActorContext {
  readonly db: RivetDb;
  /** Where the call came from. Only an HTTP call has a delivery id. */
  readonly conn?: { readonly state?: unknown };
  /** The request for a raw WebSocket. */
  readonly request?: Request | undefined;
  vars: SessionActorVars;
  broadcast(name: string, ...args: unknown[]): void;
  readonly log?: { error(what: object): void };
  keepAwake<T>(promise: Promise<T>): Promise<T>;
  sleep(): void;
}

/** Lives as long as the actor is awake. */
export interface SessionActorVars {
  open: Promise<Opened> | null;
  /** The actor is going to sleep, so later calls must go to its next life. */
  asleep: boolean;
}

interface Opened {
  readonly host: Host;
  /** Sessions whose events are being broadcast. */
  readonly followed: Map<string, Promise<void>>;
  /** ACP clients of the raw WebSocket. */
  readonly clients: Set<AcpClient>;
  readonly stop: AbortController;
}

export interface SessionActorOptions<Db> extends Omit<HostOptions, 'database' | 'ownerAlive'> {
  /** RivetKit's own: `db({})` from `rivetkit/db`. The schema is made by the host. */
  readonly db: Db;
  /**
   * RivetKit's class of that name, from `rivetkit/errors`. Errors of any other class reach a client as
   * “An internal error occurred”; with it, `code`, `message` and `data` arrive whole.
   */
  readonly UserError: new (message: string, options: { code: string; metadata: unknown }) => Error;
  /** Milliseconds without a call, a connection or a turn before the actor sleeps. Default 30 000. */
  readonly sleepTimeout?: number | undefined;
  /** How long one action, a prompt above all, may take, in milliseconds. Default 30 minutes. */
  readonly actionTimeout?: number | undefined;
  /**
   * `serveAcp` of `acp-rehydrate/server`: then ACP clients reach the actor by its raw WebSocket, at `/websocket/agents/NAME`, as
   * `rehydrate acp --connect` does with the actor's gateway URL. Everybody whom `onBeforeConnect` lets in is served.
   */
  readonly serveAcp?: ServeAcp | undefined;
}

type ServeAcp = (host: Host, stream: MessageStream, options: { readonly agent: string; readonly observe: boolean }) => AcpClient;

interface AcpClient {
  readonly closed: Promise<void>;
  close(): void;
}

/**
 * What the actor keeps of a connection. RivetKit's gateway delivers an HTTP call again when the runner dies under
 * it, or does not answer for five minutes; every delivery carries the same ray id.
 */
export interface SessionConnState {
  /** The call's ray id; null for connections, whose calls are delivered once. */
  readonly delivery: string | null;
}

/** The host's own range, with pages that fit a message. */
export interface HistoryRange {
  readonly after?: number;
  readonly before?: number;
  readonly limit?: number;
  /** Ends the page before it would exceed this; one event always comes. */
  readonly maxBytes?: number;
}

/** Methods of the host that are actions as they are. */
const MIRRORED = [
  'open', 'resume', 'previewPreamble', 'cancel', 'respondPermission', 'setMode', 'setConfigOption', 'describeAgent', 'request', 'authenticate', 'close',
  'delete', 'get', 'list', 'transcript', 'update', 'search', 'agentSessions', 'adopt',
] as const satisfies readonly (keyof Host)[]; // prettier-ignore

type Mirrored = {
  readonly [Name in (typeof MIRRORED)[number]]: (
    c: SessionActorContext,
    ...args: Parameters<Host[Name]>
  ) => Promise<Awaited<ReturnType<Host[Name]>>>;
};

type PromptArgs = Omit<PromptOptions, 'signal'>;

/**
 * The definition to hand to RivetKit's `actor(…)`. Its actions mirror the host's API; `signal`s cannot
 * cross to another machine, so `cancel` takes their place, and `events` is a broadcast beside `history`.
 *
 * @example
 * const sessions = actor(sessionActor({ db: db({}), UserError, agents: stdioLauncher({ agents: { mine: { command: 'your-acp-agent' } } }) }));
 */
export function sessionActor<Db>(options: SessionActorOptions<Db>) {
  const ofHost = HOST_OPTIONS.filter((name) => name !== 'database' && name !== 'ownerAlive');
  checkOptions('sessionActor', options, ['db', 'UserError', 'sleepTimeout', 'actionTimeout', 'serveAcp', ...ofHost], []);
  const { db, UserError, sleepTimeout = 30_000, actionTimeout = 30 * 60_000, serveAcp, ...hostOptions } = options;
  // Checked for programs without types, and for a bundler that replaces a missing package by a stub.
  if (!db || typeof UserError !== 'function') {
    throw new RehydrateError(
      'invalid_argument',
      `sessionActor needs RivetKit’s own ${!db ? '`db: db({})` (from rivetkit/db)' : '`UserError` (from rivetkit/errors)'}. RivetKit is not installed with acp-rehydrate: run “npm install rivetkit”, and pass it in.`,
      { missing: !db ? 'db' : 'UserError', install: 'rivetkit' },
    );
  }

  const open = async (c: SessionActorContext): Promise<Opened> => {
    if (c.vars.asleep && !c.vars.open) throw new RehydrateError('host_closed', 'This actor goes to sleep. Call it again.');
    return (c.vars.open ??= createHost({ ...hostOptions, database: owned(rivetkitDatabase(c.db)) }).then(
      (host) => opened(c, host),
      (error: unknown) => {
        c.vars.open = null;
        throw error;
      },
    ));
  };

  /** Runs one call on the host. Its errors reach the client with their code. */
  const act =
    <Args extends unknown[], Result>(work: (host: Host, ...args: Args) => Promise<Result>) =>
    async (c: SessionActorContext, ...args: Args): Promise<Result> => {
      try {
        const { host } = await open(c);
        return await work(host, ...args);
      } catch (error) {
        if (!RehydrateError.is(error)) throw error;
        if (c.vars.asleep && isRefusedForSleep(error))
          throw Object.assign(new UserError(error.message, { code: 'stopping', metadata: error.data }), { group: 'actor' });
        throw new UserError(error.message, { code: error.code, metadata: error.data });
      }
    };

  const mirrored = Object.fromEntries(
    MIRRORED.map((name) => [name, act((host, ...args: unknown[]) => (host[name] as (...all: unknown[]) => Promise<unknown>)(...args))]),
  ) as unknown as Mirrored;

  const prompt = act((host, sessionId: string, content: string | readonly ContentBlock[], given?: PromptArgs) =>
    host.prompt(sessionId, content, given),
  );

  const make = <Given extends { readonly sessionId?: string | undefined }>(
    c: SessionActorContext,
    given: Given,
    work: (host: Host, options: Given) => Promise<CreatedSession>,
  ): Promise<CreatedSession> =>
    act(async (host) => {
      const delivery = deliveredTo(c);
      if (delivery === null || given?.sessionId !== undefined) return work(host, given);
      const sessionId = `rivet-${delivery}`;
      try {
        return await work(host, { ...given, sessionId });
      } catch (error) {
        if (RehydrateError.is(error) && error.code === 'session_exists') return host.get(sessionId);
        throw error;
      }
    })(c);

  /** Serves one client of the actor's raw WebSocket. Its turns go on when it leaves. */
  async function serve(c: SessionActorContext, socket: RivetSocket, through: ServeAcp): Promise<void> {
    const asked = askedOf(c.request);
    if (!asked) return socket.close(4000, 'ACP clients are served at /websocket/agents/NAME');
    // Made before the host is open, so that what the client sends meanwhile is kept.
    const stream = socketMessages(socket, () => c.vars.asleep);
    try {
      const { host, clients } = await open(c);
      const client = through(host, stream, asked);
      clients.add(client);
      void client.closed.then(() => clients.delete(client));
    } catch (error) {
      socket.close(1011, RehydrateError.is(error) ? error.code : 'internal error');
      throw error;
    }
  }

  return {
    db,
    ...(serveAcp ? { onWebSocket: (c: SessionActorContext, socket: RivetSocket) => serve(c, socket, serveAcp) } : {}),
    createVars: (): SessionActorVars => ({ open: null, asleep: false }),
    createConnState: (c: { readonly request?: Request }): SessionConnState => ({ delivery: deliveryOf(c.request) }),
    onSleep: (c: SessionActorContext) => shutDown(c),
    onDestroy: (c: SessionActorContext) => shutDown(c),
    options: { sleepTimeout, actionTimeout },
    actions: {
      /** A prompt without an idempotency key gets one from its HTTP call, so that it runs once even if the call is delivered twice. */
      prompt: (c: SessionActorContext, sessionId: string, content: string | readonly ContentBlock[], given?: PromptArgs) =>
        prompt(c, sessionId, content, { ...given, ...keyOf(c, given) }),
      ...mirrored,
      /** A session without an id (from `fork`, too) gets one from its HTTP call, so that it is made once even if the call is delivered twice. */
      create: (c: SessionActorContext, given: CreateOptions) => make(c, given, (host, options) => host.create(options)),
      fork: (c: SessionActorContext, sessionId: string, given: ForkOptions = {}) =>
        make(c, given, (host, options) => host.fork(sessionId, options)),
      history: act(async (host, sessionId: string, { maxBytes = Infinity, ...range }: HistoryRange = {}) => {
        const events = await host.history(sessionId, range);
        let bytes = 0;
        const end = events.findIndex((event) => (bytes += utf8Length(JSON.stringify(event))) > maxBytes);
        return end < 0 ? events : events.slice(0, Math.max(1, end));
      }),
      /**
       * Puts the actor to sleep; the next call wakes it. RivetKit does the same when nobody calls for `sleepTimeout`. The host sleeps first:
       * RivetKit takes its time, and a prompt that the host took meanwhile would be cut off.
       */
      sleep: async (c: SessionActorContext): Promise<void> => {
        // RivetKit throws at a request to sleep that comes when it is shutting the actor down already.
        const isFirst = !c.vars.asleep;
        try {
          await shutDown(c);
        } finally {
          // Even if the host failed to sleep, because this life takes no more calls.
          if (isFirst) c.sleep();
        }
      },
    },
  };
}

/** Calls that add to a session's record. `WRITING` ones have the session's id as first argument, `MAKING` ones in their result. */
const WRITING: ReadonlySet<string> = new Set(['prompt', 'resume', 'setMode', 'setConfigOption', 'request', 'update']);
const MAKING: ReadonlySet<string> = new Set(['create', 'open', 'fork', 'adopt', 'import']);

/** Wraps the host so that its work keeps the actor awake, even when nobody waits for it any more, and what it writes is broadcast. */
function opened(c: SessionActorContext, host: Host): Opened {
  const followed = new Map<string, Promise<void>>();
  const stop = new AbortController();
  const follow = (sessionId: string): void => {
    if (followed.has(sessionId) || stop.signal.aborted) return;
    followed.set(
      sessionId,
      broadcastEvents(c, host, sessionId, stop.signal).finally(() => followed.delete(sessionId)),
    );
  };
  const awake =
    <Args extends unknown[], Result>(name: string, work: (...args: Args) => Promise<Result>) =>
    (...args: Args): Promise<Result> => {
      if (WRITING.has(name)) follow(String(args[0]));
      const done = c.keepAwake(work(...args));
      if (MAKING.has(name))
        void done.then(
          (made) => follow((made as SessionInfo).sessionId),
          () => undefined,
        );
      return done;
    };
  const wrapped = Object.fromEntries(
    Object.entries(host).map(([name, value]) => [
      name,
      typeof value !== 'function' || NOT_PROMISED.has(name) ? value : awake(name, value as (...args: unknown[]) => Promise<unknown>),
    ]),
  ) as unknown as Host;
  return { host: wrapped, followed, clients: new Set(), stop };
}

/** Methods that return no promise, or none to stay awake for. */
const NOT_PROMISED: ReadonlySet<string> = new Set(['events', 'watch', 'export', 'notify', 'sleep']);

/**
 * Whether a host that is going to sleep refused a call before it did anything. Sent as RivetKit's own `actor.stopping`, this makes the client call
 * again, and the next life answers.
 */
function isRefusedForSleep({ code }: RehydrateError): boolean {
  return code === 'agent_exited' || code === 'host_closed';
}

async function shutDown(c: SessionActorContext): Promise<void> {
  c.vars.asleep = true;
  const opening = c.vars.open;
  if (!opening) return;
  const { host, followed, clients, stop } = await opening;
  await host.sleep();
  stop.abort();
  for (const client of clients) client.close();
  await Promise.all(followed.values());
}

/** The id that all deliveries of one HTTP call have in common; null for a connection, all of whose calls would have the same. */
export function deliveryOf(request: Request | undefined): string | null {
  if (!request || !new URL(request.url).pathname.startsWith('/action/')) return null;
  return request.headers.get('x-rivet-ray-id');
}

const deliveredTo = (c: SessionActorContext): string | null => (c.conn?.state as SessionConnState | undefined)?.delivery ?? null;

function keyOf(c: SessionActorContext, given: PromptArgs | undefined): { idempotencyKey?: string } {
  if (given?.idempotencyKey !== undefined) return {};
  const delivery = deliveredTo(c);
  return delivery === null ? {} : { idempotencyKey: `rivet:${delivery}` };
}

/**
 * RivetKit runs an actor only once at a time, so a lease in its database belongs to a life that is over. If two lives should overlap, the lease's
 * generation stops the older one.
 */
function owned(database: SqlDatabase): SqlDatabase {
  const owners: OwnerRegistry = { self: { kind: 'actor' }, opened: () => undefined, closed: () => undefined, alive: () => false };
  return { ...database, owners };
}
