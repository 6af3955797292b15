/**
 * A host as a RivetKit actor: one actor, its SQLite, its sessions. The agent processes live with the
 * actor and die with its sleep; the first prompt after a wake rehydrates. Typed by shape: this file
 * imports nothing of rivetkit, and its result is what `actor(…)` takes.
 */
import { createHost, type Host, type PromptOptions } from '../../engine/index.ts';
import { RehydrateError } from '../../engine/errors.ts';
import type { CreateOptions, HostOptions } from '../../engine/host/options.ts';
import type { ContentBlock, PreambleMode, ResumePolicy, SessionEvent } from '../../engine/types.ts';
import type { OwnerRegistry, SqlDatabase } from '../../engine/ports.ts';
import { rivetkitDatabase, type RivetDb } from './database.ts';

/** The broadcast that carries committed events: `{ sessionId, events }`. */
export const EVENTS = 'rehydrate.events';

/** What is used of an actor's context. */
export interface SessionActorContext {
  readonly db: RivetDb;
  vars: SessionActorVars;
  broadcast(name: string, ...args: unknown[]): void;
  keepAwake<T>(promise: Promise<T>): Promise<T>;
  sleep(): void;
}

/** Lives as long as the actor is awake. */
export interface SessionActorVars {
  open: Promise<Opened> | null;
}

interface Opened {
  readonly host: Host;
  /** Sessions whose events are being broadcast. */
  readonly followed: Map<string, Promise<void>>;
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
  readonly sleepTimeout?: number;
  /** How long one action, a prompt above all, may take, in milliseconds. Default 30 minutes. */
  readonly actionTimeout?: number;
}

/** What arrives with the `rehydrate.events` broadcast. */
export interface EventsBroadcast {
  readonly sessionId: string;
  readonly events: readonly SessionEvent[];
}

type PromptArgs = Omit<PromptOptions, 'signal'>;

/**
 * The definition to hand to RivetKit's `actor(…)`. Its actions mirror the host's API; `signal`s cannot
 * cross to another machine, so `cancel` takes their place, and `events` is a broadcast beside `history`.
 */
export function sessionActor<Db>(options: SessionActorOptions<Db>) {
  const { db, UserError, sleepTimeout = 30_000, actionTimeout = 30 * 60_000, ...hostOptions } = options;
  // Programs without types; undefined is also what a bundler's stand-in for a missing package gives.
  if (!db || typeof UserError !== 'function') {
    throw new RehydrateError(
      'invalid_argument',
      `sessionActor needs RivetKit’s own ${!db ? '`db: db({})` (from rivetkit/db)' : '`UserError` (from rivetkit/errors)'}. RivetKit is not installed with acp-rehydrate: run “npm install rivetkit”, and pass it in.`,
      { missing: !db ? 'db' : 'UserError', install: 'rivetkit' },
    );
  }

  const open = (c: SessionActorContext): Promise<Opened> =>
    (c.vars.open ??= createHost({ ...hostOptions, database: owned(rivetkitDatabase(c.db)) }).then(
      (host) => ({ host, followed: new Map(), stop: new AbortController() }),
      (error: unknown) => {
        c.vars.open = null;
        throw error;
      },
    ));

  /** Broadcasts a session's events from here on, once for each time the actor is awake. */
  async function follow(c: SessionActorContext, { host, followed, stop }: Opened, sessionId: string): Promise<void> {
    if (followed.has(sessionId)) return;
    const { latestSeq } = await host.get(sessionId);
    if (followed.has(sessionId)) return;
    followed.set(sessionId, pump(c, host, sessionId, latestSeq, stop.signal).finally(() => followed.delete(sessionId)));
  }

  /** Runs one call on the host. The actor stays awake for it, and errors cross with their code. */
  const act =
    <Args extends unknown[], Result>(work: (host: Host, ...args: Args) => Promise<Result>, follows = false) =>
    async (c: SessionActorContext, ...args: Args): Promise<Result> => {
      try {
        const opened = await open(c);
        if (follows) await follow(c, opened, String(args[0]));
        return await c.keepAwake(work(opened.host, ...args));
      } catch (error) {
        if (!RehydrateError.is(error)) throw error;
        throw new UserError(error.message, { code: error.code, metadata: error.data });
      }
    };

  return {
    db,
    createVars: (): SessionActorVars => ({ open: null }),
    onSleep: (c: SessionActorContext) => shutDown(c),
    onDestroy: (c: SessionActorContext) => shutDown(c),
    options: { sleepTimeout, actionTimeout },
    actions: {
      async create(c: SessionActorContext, createOptions: Omit<CreateOptions, 'signal'>) {
        const made = await act((host, given: CreateOptions) => host.create(given))(c, createOptions);
        await follow(c, await open(c), made.sessionId);
        return made;
      },
      prompt: act((host, sessionId: string, content: string | readonly ContentBlock[], given?: PromptArgs) => host.prompt(sessionId, content, given), true),
      resume: act((host, sessionId: string, given?: { policy?: ResumePolicy }) => host.resume(sessionId, given), true),
      previewPreamble: act((host, sessionId: string, given?: { mode?: PreambleMode; budget?: number }) => host.previewPreamble(sessionId, given)),
      cancel: act((host, sessionId: string) => host.cancel(sessionId)),
      respondPermission: act((host, sessionId: string, requestId: string, optionId: string | null) => host.respondPermission(sessionId, requestId, optionId)),
      setMode: act((host, sessionId: string, modeId: string) => host.setMode(sessionId, modeId), true),
      setConfigOption: act((host, sessionId: string, configId: string, value: string | boolean) => host.setConfigOption(sessionId, configId, value), true),
      authenticate: act((host, agent: string, methodId: string) => host.authenticate(agent, methodId)),
      close: act((host, sessionId: string) => host.close(sessionId)),
      delete: act((host, sessionId: string) => host.delete(sessionId)),
      get: act((host, sessionId: string) => host.get(sessionId)),
      list: act((host, given?: { cursor?: string; limit?: number }) => host.list(given)),
      history: act((host, sessionId: string, given?: { after?: number; before?: number; limit?: number }) => host.history(sessionId, given)),
      /** Puts the actor to sleep; the next call wakes it. RivetKit does the same when nobody calls for `sleepTimeout`. */
      sleep: (c: SessionActorContext): void => c.sleep(),
      transcript: act((host, sessionId: string, given?: { budget?: number }) => host.transcript(sessionId, given)),
    },
  };
}

async function shutDown(c: SessionActorContext): Promise<void> {
  const opening = c.vars.open;
  if (!opening) return;
  const { host, followed, stop } = await opening;
  await host.sleep();
  stop.abort();
  await Promise.all(followed.values());
}

/** Sends what is committed in one go as one message. */
async function pump(c: SessionActorContext, host: Host, sessionId: string, after: number, signal: AbortSignal): Promise<void> {
  let waiting: SessionEvent[] = [];
  const send = () => {
    const events = waiting;
    waiting = [];
    if (events.length > 0) c.broadcast(EVENTS, { sessionId, events } satisfies EventsBroadcast);
  };
  for await (const event of host.events(sessionId, { after, signal })) {
    if (waiting.push(event) === 1) setTimeout(send, 0);
  }
  send();
}

/**
 * RivetKit runs an actor once at a time, so a lease found in its database is a dead incarnation's. Should
 * two overlap all the same, the generation in the lease stops the older one.
 */
function owned(database: SqlDatabase): SqlDatabase {
  const owners: OwnerRegistry = { self: { kind: 'actor' }, opened: () => undefined, closed: () => undefined, alive: () => false };
  return { ...database, owners };
}
