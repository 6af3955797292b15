/** `createHost`: the sessions of one database, live or not, and what can be done with them. */
import { RehydrateError } from '../errors.ts';
import { SqlError } from '../ports.ts';
import { migrate } from '../storage/schema.ts';
import { createStore } from '../storage/store.ts';
import { withState } from '../storage/rows.ts';
import type { SessionInfo } from '../types.ts';
import type { Host } from './api.ts';
import { deleteSession, finishDeletes } from './delete.ts';
import { cleanUp, cleanUpAll, notFound, type LeaseOptions } from './lease.ts';
import { createSubscriptions } from './subscriptions.ts';
import { createLiving } from './living.ts';
import { checkPolicy, checkPreambleMode, checkPrompt, configure, invalid, type Config, type HostOptions } from './options.ts';
import { renderPreamble, renderRecord } from './preamble.ts';
import { createPrompts } from './prompts.ts';
import { createSlots, stateOf } from './slots.ts';
import { applySetting, type Setting } from './settings.ts';
import { readCapabilities } from '../protocol/v1.ts';

/**
 * Opens a host on a database. Creates or migrates the schema; starts no agent.
 * Errors: `database_too_new`, `database_corrupt`, `storage_full`, `invalid_argument`.
 */
export async function createHost(options: HostOptions): Promise<Host> {
  const config: Config = configure(options);
  const { database, limits, clock } = config;
  await migrate(database);

  const store = createStore(database);
  const slots = createSlots();
  const lease: LeaseOptions = {
    db: database,
    store,
    self: JSON.stringify(config.owner),
    ownerAlive: config.ownerAlive,
    clock,
    leaseMs: limits.leaseMs,
    later: (sessionId) => living.later(sessionId),
    invalidate: (sessionId) => subscriptions.invalidate(sessionId),
  };
  const subscriptions = createSubscriptions({
    store,
    limits,
    async progress(sessionId) {
      const found = await store.progress(sessionId);
      return found && (await cleanUp(lease, sessionId, found.lease)) === 'cleaned' ? store.progress(sessionId) : found;
    },
  });
  const living = createLiving({ config, store, subscriptions, slots, lease });
  const prompts = createPrompts({ config, store, slots, living });
  database.owners?.opened(config.owner.hostId);
  await cleanUpAll(lease);
  const deleting = { store, lease, preambleFiles: config.preamble.files };
  const stopDeleting = new AbortController();
  // What cannot be removed now is, by the next host.
  const leftDeletes = finishDeletes(deleting, { signal: stopDeleting.signal }).catch((error: unknown) => {
    if (!RehydrateError.is(error) && !(error instanceof SqlError)) throw error;
  });
  let asleep: Promise<void> | null = null;

  const awake = () => {
    if (asleep) throw invalid('This host sleeps; nothing can be done with it any more. Open another one on the same database.');
  };

  const info = async (sessionId: string): Promise<SessionInfo> => {
    if (typeof sessionId !== 'string') throw invalid(`A session id is a string; it is ${JSON.stringify(sessionId)}.`);
    const stored = await store.session(sessionId);
    if (!stored) throw notFound(sessionId);
    return describe(stored);
  };

  const describe = async (stored: NonNullable<Awaited<ReturnType<typeof store.session>>>): Promise<SessionInfo> => {
    const here = slots.has(stored.info.sessionId) ? stateOf(slots.of(stored.info.sessionId).activity) : 'asleep';
    if (here !== 'asleep') return withState(stored, here);
    const verdict = await cleanUp(lease, stored.info.sessionId, stored.lease);
    const now = verdict === 'cleaned' ? ((await store.session(stored.info.sessionId)) ?? stored) : stored;
    return withState(now, verdict === 'held' ? 'busy' : 'asleep');
  };

  const set = (sessionId: string, setting: Setting): Promise<void> =>
    slots.serially(sessionId, async (slot) => {
      awake();
      const session = await living.ensure(sessionId, slot, config.policy, undefined);
      await applySetting(session, setting, limits.settingMs);
    });

  return {
    hostId: config.owner.hostId,

    async create(createOptions) {
      awake();
      return describe(await living.create(createOptions));
    },

    async prompt(sessionId, content, promptOptions = {}) {
      awake();
      checkPolicy(promptOptions.policy);
      return prompts.prompt(sessionId, checkPrompt(content, limits), promptOptions);
    },

    async resume(sessionId, resumeOptions = {}) {
      awake();
      checkPolicy(resumeOptions.policy);
      return slots.serially(sessionId, async (slot) => {
        const session = await living.ensure(sessionId, slot, resumeOptions.policy ?? config.policy, resumeOptions.signal);
        return living.reportFor(session, 'keep');
      });
    },

    async previewPreamble(sessionId, { mode, budget } = {}) {
      checkPreambleMode(mode, config.preamble.files ?? ({} as never));
      const stored = await info(sessionId);
      const embedded = readCapabilities(stored.agentCapabilities).embeddedContext;
      const made = await renderPreamble(store, sessionId, config, await living.knownSecrets(stored), embedded, {
        mode,
        budget,
        preview: true,
      });
      return [...made.blocks];
    },

    cancel: (sessionId) => prompts.cancel(sessionId),

    async respondPermission(sessionId, requestId, optionId) {
      awake();
      const { activity } = slots.of(sessionId);
      if (activity.kind !== 'live' && activity.kind !== 'prompting') {
        await info(sessionId);
        throw invalid(`Session "${sessionId}" is not live here, so no permission request of it is open. Prompt it again.`, {
          sessionId,
          requestId,
        });
      }
      await activity.session.permissions.respond(requestId, optionId);
    },

    setMode: (sessionId, modeId) => set(sessionId, { id: 'mode', kind: 'mode', value: modeId }),
    setConfigOption: (sessionId, configId, value) => set(sessionId, { id: configId, kind: 'option', value }),
    authenticate: async (agent, methodId) => {
      awake();
      await living.authenticate(agent, methodId);
    },

    async close(sessionId) {
      awake();
      await info(sessionId);
      await living.end(sessionId, { kind: 'closed', words: 'the session was closed while it ran' });
    },

    async delete(sessionId) {
      awake();
      try {
        await living.end(sessionId, { kind: 'closed', words: 'the session was deleted while it ran' }, async (slot) => {
          await deleteSession(sessionId, { ...deleting, gone: (id) => subscriptions.end(id) });
          slot.secrets = null;
        });
      } finally {
        slots.forget(sessionId);
      }
    },

    get: info,

    async list({ cursor, limit = 100 } = {}) {
      if (!Number.isSafeInteger(limit) || limit < 1) throw invalid(`limit must be a whole number, 1 or more; it is ${String(limit)}.`);
      const rows = await store.sessions(cursor === undefined ? null : readCursor(cursor), limit + 1);
      const page = rows.slice(0, limit);
      const last = page.at(-1)?.info;
      const sessions = [];
      for (const row of page) sessions.push(await describe(row));
      return { sessions, ...(rows.length > limit && last ? { nextCursor: `${last.updatedAt}:${last.sessionId}` } : {}) };
    },

    async history(sessionId, range = {}) {
      for (const [name, value] of Object.entries(range ?? {})) {
        if (value !== undefined && (!Number.isSafeInteger(value) || value < 0))
          throw invalid(`${name} must be a whole number, 0 or more; it is ${String(value)}.`);
      }
      await info(sessionId);
      return store.events(sessionId, range ?? {});
    },

    async *events(sessionId, { after = 0, signal } = {}) {
      if (!Number.isSafeInteger(after) || after < 0) throw invalid(`after must be a whole number, 0 or more; it is ${String(after)}.`);
      await info(sessionId);
      yield* subscriptions.follow(sessionId, after, signal);
    },

    async transcript(sessionId, { budget } = {}) {
      const rendered = await renderRecord(store, sessionId, config, await living.knownSecrets(await info(sessionId)), budget);
      return rendered.text;
    },

    sleep() {
      asleep ??= (async () => {
        await living.endAll({ kind: 'sleep', words: 'the host was put to sleep while it ran' });
        stopDeleting.abort();
        await leftDeletes;
        subscriptions.end();
        database.owners?.closed(config.owner.hostId);
      })();
      return asleep;
    },
  };
}

function readCursor(cursor: string): { updatedAt: number; sessionId: string } {
  const [, updatedAt, sessionId] = /^(-?\d+):(.+)$/s.exec(cursor) ?? [];
  if (updatedAt === undefined || sessionId === undefined)
    throw invalid(`The cursor ${JSON.stringify(cursor)} is none of list's; leave it out to start over.`);
  return { updatedAt: Number(updatedAt), sessionId };
}
