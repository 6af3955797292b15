/** Sessions coming to life and going to sleep in this host. */
import { RehydrateError } from '../errors.ts';
import { createRedactor, type Redact } from '../transcript/redact.ts';
import type { Fence } from '../storage/statements.ts';
import type { StoredSession } from '../storage/rows.ts';
import type { Store } from '../storage/store.ts';
import { createWriter } from '../storage/writer.ts';
import type { ResumePolicy, ResumeReport, SessionInfo } from '../types.ts';
import type { Authenticating } from './authenticating.ts';
import { createCreate } from './creating.ts';
import { createAuthenticating } from './authenticating.ts';
import { settleLeftBehind as settle, wake } from './waking.ts';
import { recallKnown } from './recall.ts';
import { createLeaseCleanup, type LeaseOptions } from './lease.ts';
import type { Subscriptions } from './subscriptions.ts';
import { LiveSession, type EndCause } from './live-session.ts';
import { invalid, type Config, type CreateOptions } from './options.ts';
import type { SecretValues } from './secrets.ts';
import type { Slot, Slots } from './slots.ts';

export interface LivingDeps {
  readonly config: Config;
  readonly store: Store;
  readonly subscriptions: Subscriptions;
  readonly slots: Slots;
  readonly lease: LeaseOptions;
}

/** What bringing a session to life is made of, for the files beside this one. */
export interface LivingParts extends LivingDeps {
  /** How a person signed in with an agent, by its name. */
  readonly authMethods: Map<string, string>;
  newSession(
    sessionId: string,
    agent: string,
    cwd: string,
    additionalDirectories: readonly string[],
    secrets: SecretValues,
    slot: Slot,
  ): LiveSession;
  /** Gives the session its writer, from this number of the log on. */
  writerFor(session: LiveSession, fence: Fence, latestSeq: number): void;
  /** Opens with `work`; the slot says so meanwhile, and is asleep again when it fails. */
  opening<T>(
    slot: Slot,
    kind: 'starting' | 'resuming',
    signal: AbortSignal | undefined,
    work: (signal: AbortSignal) => Promise<{ session: LiveSession; value: T }>,
  ): Promise<T>;
}

export interface Living {
  create(options: CreateOptions): Promise<StoredSession>;
  /** The live session, made live if it is not. Call it inside `slots.serially`. */
  ensure(sessionId: string, slot: Slot, policy: ResumePolicy, signal: AbortSignal | undefined): Promise<LiveSession>;
  /** How the session became live; once `take`n, later prompts find it simply live. */
  reportFor(session: LiveSession, how: 'take' | 'keep'): ResumeReport;
  /** Ends what lives of the session. `then` runs in the same turn: nothing can bring it to life in between. */
  end(sessionId: string, cause: EndCause, then?: (slot: Slot) => Promise<void>): Promise<void>;
  endAll(cause: EndCause): Promise<void>;
  /** The secret values that can be had without starting anything, for redaction. */
  knownSecrets(info: Pick<SessionInfo, 'sessionId' | 'envNames' | 'mcpServers'>): Promise<SecretValues['known']>;
  /** Ends what a dead host left running. Errors: `session_busy` when its host lives, `session_not_found`. */
  settleLeftBehind(sessionId: string, slot: Slot): Promise<void>;
  authenticate(agent: string, methodId: string): Promise<void>;
  /** Lets a lease go that may be held although nothing lives, as soon as that can be written. */
  later(sessionId: string): void;
}

export function createLiving({ config, store, subscriptions, slots, lease }: LivingDeps): Living {
  const { database, limits, clock } = config;
  const authMethods = new Map<string, string>();
  /** Set when the host goes to sleep: from then on nothing is opened, however late it was asked. */
  let ended = false;

  const redactWith = (secrets: SecretValues): Redact => {
    return createRedactor([...secrets.known, ...config.knownSecrets]);
  };

  const newSession = (
    sessionId: string,
    agent: string,
    cwd: string,
    additionalDirectories: readonly string[],
    secrets: SecretValues,
    slot: Slot,
  ): LiveSession =>
    new LiveSession({
      config,
      sessionId,
      agent,
      cwd,
      additionalDirectories,
      redact: redactWith(secrets),
      onGone(session) {
        const { activity } = slot;
        if ((activity.kind === 'live' || activity.kind === 'prompting') && activity.session === session) slot.activity = { kind: 'asleep' };
        if (session.unsettled) cleanup.later(sessionId);
      },
    });

  const writerFor = (session: LiveSession, fence: Fence, latestSeq: number) => {
    const writer = createWriter({
      db: database,
      store,
      fence,
      latestSeq,
      limits,
      clock,
      redact: session.redact,
      onCommitted: (events) => subscriptions.publish(fence.sessionId, events),
      onLost: (reason) => session.fail(reason),
    });
    session.attachWriter(writer, fence);
  };

  /** Keeps the lease of a session that says nothing. One that writes renews it as it writes. */
  const keepLease = (session: LiveSession) => {
    const every = Math.max(1, Math.floor(limits.leaseMs / 3));
    const timer = setInterval(() => {
      if (clock() - session.writer.renewedAt < every) return;
      session.writer.append({ events: [] }).catch((error: unknown) => session.fail(error));
    }, every);
    // A lease alone must not keep a process running.
    (timer as { unref?: () => void }).unref?.();
    void session.link.gone.then(() => clearInterval(timer));
  };

  const checkRoom = () => {
    if (slots.occupied >= limits.liveSessions) {
      throw new RehydrateError(
        'limit_exceeded',
        `This host keeps liveSessions (${limits.liveSessions}) sessions live at once, and they all are. Close one, or raise the limit.`,
        {
          limit: 'liveSessions',
          allowed: limits.liveSessions,
        },
      );
    }
  };

  const join = (abort: AbortController, signal: AbortSignal | undefined): AbortSignal =>
    signal ? AbortSignal.any([abort.signal, signal]) : abort.signal;

  async function opening<T>(
    slot: Slot,
    kind: 'starting' | 'resuming',
    signal: AbortSignal | undefined,
    work: (signal: AbortSignal) => Promise<{ session: LiveSession; value: T }>,
  ): Promise<T> {
    if (ended) throw asleep();
    checkRoom();
    const abort = new AbortController();
    slot.activity = { kind, abort };
    try {
      const { session, value } = await work(join(abort, signal));
      slot.activity = { kind: 'live', session };
      session.watch();
      keepLease(session);
      return value;
    } catch (error) {
      slot.activity = { kind: 'asleep' };
      throw error;
    }
  }

  const parts: LivingParts = { config, store, subscriptions, slots, lease, authMethods, newSession, writerFor, opening };

  async function ensure(sessionId: string, slot: Slot, policy: ResumePolicy, signal: AbortSignal | undefined): Promise<LiveSession> {
    const { activity } = slot;
    if (activity.kind === 'live' || activity.kind === 'prompting') {
      if (activity.session.link.exit === null && activity.session.failure === null) return activity.session;
      // It died and nobody has written that down yet.
      await activity.session.shutdown({ kind: 'agent_gone', words: 'the agent is gone' }, 'kill');
    }
    let wanted: AbortSignal | undefined;
    const made = await opening(slot, 'resuming', signal, async (joined) => {
      wanted = joined;
      return wake(parts, { sessionId, slot, policy, signal: joined });
    });
    // It came too late for the opening, and in time for what was to follow.
    wanted?.throwIfAborted();
    return made;
  }

  const settleLeftBehind = (sessionId: string, slot: Slot): Promise<void> => settle(parts, sessionId, slot);

  const cleanup = createLeaseCleanup(
    (sessionId) => slots.serially(sessionId, (slot) => settleLeftBehind(sessionId, slot)),
    limits.settleRetryMs,
  );

  async function end(sessionId: string, cause: EndCause, then?: (slot: Slot) => Promise<void>): Promise<void> {
    if (!slots.has(sessionId) && !then) return;
    const slot = slots.of(sessionId);
    const { activity } = slot;
    if (activity.kind === 'starting' || activity.kind === 'resuming') {
      activity.abort.abort(
        new RehydrateError(
          'agent_exited',
          `Session "${sessionId}" was being opened when ${cause.words.replace('while it ran', 'meanwhile')}; nothing was sent. Prompt it again.`,
          { sessionId, cause: { kind: cause.kind } },
        ),
      );
    } else if (activity.kind !== 'asleep' && slot.waiting > 0) {
      // What holds the session up, such as a setting the agent does not answer, ends with the agent: so it is not waited for.
      void activity.session.shutdown(cause);
    }
    await slots.serially(sessionId, async () => {
      const now = slot.activity;
      if (now.kind === 'live' || now.kind === 'prompting') await now.session.shutdown(cause);
      await then?.(slot);
    });
  }

  let signingIn: Authenticating | null = null;

  return {
    create: createCreate(parts),
    ensure,
    end,
    reportFor(session, how) {
      const report = session.report;
      if (how === 'take') session.report = null;
      return report ?? liveReport(session);
    },
    async endAll(cause) {
      ended = true;
      await Promise.all([signingIn?.end(), ...[...slots.entries()].map(([sessionId]) => end(sessionId, cause))]);
      await cleanup.end();
    },
    async knownSecrets(info) {
      const held = slots.has(info.sessionId) ? slots.of(info.sessionId).secrets : null;
      return [...(held ? held.known : await recallKnown(config.secrets, info)), ...config.knownSecrets];
    },
    settleLeftBehind,
    later: (sessionId) => cleanup.later(sessionId),
    async authenticate(agent, methodId) {
      if (ended) throw asleep();
      await (signingIn ??= createAuthenticating(parts)).authenticate(agent, methodId);
    },
  };
}

/** The report of a prompt that found the session live. */
function liveReport(session: LiveSession): ResumeReport {
  return {
    tier: 'live',
    attempts: [],
    verified: null,
    replay: null,
    preamble: null,
    settings: { restored: [], failed: [] },
    agentSessionId: session.agentSessionId,
    previousAgentSessionId: null,
    ms: 0,
    agentMs: 0,
  };
}

function asleep(): RehydrateError {
  return invalid('This host sleeps; nothing can be opened with it any more. Open another one on the same database.');
}
