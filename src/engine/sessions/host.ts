/** `createHost`: the sessions of one database, live or not, and what can be done with them. */
import { RehydrateError } from '../errors.ts';
import { SqlError, type ClientServices } from '../ports.ts';
import type { Setting } from '../protocol/agent-protocol.ts';
import { readCapabilities } from '../protocol/v1.ts';
import { migrate } from '../storage/schema.ts';
import { createStore } from '../storage/store.ts';
import { withState } from '../storage/rows.ts';
import type {
  AgentDescription,
  ContentBlock,
  PreambleMode,
  PromptResult,
  ResumeReport,
  SessionEvent,
  SessionInfo,
  SessionList,
} from '../types.ts';
import { createAgents } from './agent-startup.ts';
import {
  checkCreate,
  checkId,
  checkOptions,
  checkPolicy,
  checkPreambleMode,
  checkPrompt,
  configure,
  CREATE_OPTIONS,
  HOST_OPTIONS,
  invalid,
  type CreateOptions,
  type HostOptions,
  type PromptOptions,
  type ResumeOptions,
} from './config.ts';
import { deleteSession, finishDeletes } from './delete.ts';
import { cleanUp, cleanUpAll, notFound, type LeaseOptions } from './lease.ts';
import { createManager } from './manager.ts';
import { renderPreamble, renderRecord } from './preamble.ts';
import { recordActions, type RecordActions } from './record-actions.ts';
import { createSubscriptions } from './subscriptions.ts';

export interface Host extends RecordActions {
  /** This host's id, as it stands in the leases it holds. */
  readonly hostId: string;

  /**
   * Starts an agent, opens a session with it and writes the session down. Errors: `session_exists`,
   * `agent_not_found`, `agent_start_failed`, `agent_timeout`, `agent_exited`, `agent_protocol_error`,
   * `auth_required`, `cwd_missing`, `limit_exceeded`, `invalid_argument`. On any of them nothing is left.
   */
  create(options: CreateOptions): Promise<SessionInfo>;

  /**
   * One turn. Makes the session live if it is not, stores the prompt, sends it, and resolves when the
   * agent has answered and that is stored. Errors: those of `resume`, and `turn_in_progress`,
   * `turn_outcome_unknown` (with `data.cause`), `idempotency_conflict`, `agent_protocol_error`,
   * `storage_full`, `limit_exceeded`. An error before the prompt was stored leaves no turn.
   */
  prompt(sessionId: string, content: string | readonly ContentBlock[], options?: PromptOptions): Promise<PromptResult>;

  /**
   * Makes the session live without prompting. Errors: `session_not_found`, `session_busy`,
   * `secret_missing`, `session_not_resumable`, `resume_indeterminate`, `auth_required`, and those of starting
   * an agent. When it fails, the agent's processes are gone before it rejects.
   */
  resume(sessionId: string, options?: ResumeOptions): Promise<ResumeReport>;

  /** What a successor would be told in front of the next prompt. Starts no agent, writes no file. */
  previewPreamble(sessionId: string, options?: { readonly mode?: PreambleMode; readonly budget?: number }): Promise<ContentBlock[]>;

  /** Asks the agent to end its turn; resolves when the turn is over. Without a turn it does nothing. */
  cancel(sessionId: string): Promise<void>;

  /** Answers an open permission request; null cancels it. Error: `invalid_argument`, and the request stays open. */
  respondPermission(sessionId: string, requestId: string, optionId: string | null): Promise<void>;

  /** Makes the session live if need be and sets its mode. Error: `invalid_argument` when the agent refuses. */
  setMode(sessionId: string, modeId: string): Promise<void>;

  /** Makes the session live if need be and sets a configuration option. Error: `invalid_argument` when the agent refuses. */
  setConfigOption(sessionId: string, configId: string, value: string | boolean): Promise<void>;

  /**
   * What an agent says of itself. Starts it where this host does not know it yet; that process is kept, and becomes that of the
   * first session that asks for this agent. Errors: those of starting an agent.
   */
  describeAgent(agent: string, options?: { readonly client?: ClientServices; readonly signal?: AbortSignal }): Promise<AgentDescription>;

  /**
   * Sends the agent a request that is none of the host's own, an extension's, and resolves to its answer; makes the session live if
   * need be. Session ids in it are exchanged both ways. Errors: those of `resume`, and `agent_protocol_error` with the agent's
   * own error in `data.error`.
   */
  request(
    sessionId: string,
    method: string,
    params: unknown,
    options?: { readonly signal?: AbortSignal; readonly client?: ClientServices },
  ): Promise<unknown>;

  /** The same for a notification. Does nothing when the session is not live. */
  notify(sessionId: string, method: string, params: unknown): void;

  /** Signs in with one of the agent's own methods; it is used again when the agent asks for it. */
  authenticate(agent: string, methodId: string): Promise<void>;

  /** Ends the live agent; the record stays. A running turn is interrupted. */
  close(sessionId: string): Promise<void>;

  /** Ends the live agent and removes the record. Error: `session_busy` when it is live elsewhere. */
  delete(sessionId: string): Promise<void>;

  /** Error: `session_not_found`. Starts no agent. */
  get(sessionId: string): Promise<SessionInfo>;

  /** The most recently changed first, of one agent or in one directory if that is asked for. `limit` defaults to 100. */
  list(options?: {
    readonly agent?: string;
    readonly cwd?: string;
    readonly cursor?: string;
    readonly limit?: number;
  }): Promise<SessionList>;

  /** Events with `after < seq < before`, oldest first; without `limit` all of them. */
  history(
    sessionId: string,
    options?: { readonly after?: number; readonly before?: number; readonly limit?: number },
  ): Promise<SessionEvent[]>;

  /** Stored events, then live ones: no gap, no repeat. Ends when the signal aborts, the session is deleted or the host sleeps. */
  events(sessionId: string, options?: { readonly after?: number; readonly signal?: AbortSignal }): AsyncIterable<SessionEvent>;

  /** A bounded, redacted rendering of the log. `budget` in bytes, default the host's `preamble.budget`, else `limits.transcriptBytes`. */
  transcript(sessionId: string, options?: { readonly budget?: number }): Promise<string>;

  /** Ends everything live. The database is ready for the next host, and stays open: whoever opened it closes it. */
  sleep(): Promise<void>;
}

/**
 * Opens a host on a database. Creates or migrates the schema; starts no agent.
 * Errors: `database_too_new`, `database_corrupt`, `storage_full`, `invalid_argument`.
 */
export async function createHost(options: HostOptions): Promise<Host> {
  checkOptions('createHost', options, HOST_OPTIONS);
  const config = configure(options);
  const { database, limits, clock } = config;
  await migrate(database);

  const store = createStore(database);
  const lease: LeaseOptions = {
    db: database,
    store,
    self: JSON.stringify(config.owner),
    ownerAlive: config.ownerAlive,
    clock,
    leaseMs: limits.leaseMs,
    later: (sessionId) => manager.later(sessionId),
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
  const agents = createAgents(config);
  const manager = createManager({ config, store, subscriptions, lease, agents });
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

  const storedSession = async (sessionId: string) => {
    checkId(sessionId);
    const stored = await store.session(sessionId);
    if (!stored) throw notFound(sessionId);
    return stored;
  };

  const describe = async (stored: Awaited<ReturnType<typeof storedSession>>): Promise<SessionInfo> => {
    const here = manager.stateOf(stored.info.sessionId);
    if (here !== 'asleep') return withState(stored, here === 'ending' ? 'live' : here, manager.openPermissions(stored.info.sessionId));
    const verdict = await cleanUp(lease, stored.info.sessionId, stored.lease);
    const now = verdict === 'cleaned' ? ((await store.session(stored.info.sessionId)) ?? stored) : stored;
    return withState(now, verdict === 'held' ? 'busy' : 'asleep');
  };

  const set = (sessionId: string, setting: Setting): Promise<void> => {
    awake();
    checkId(sessionId);
    return manager.set(sessionId, setting);
  };

  const ended = new AbortController();
  return {
    ...recordActions({ config, store, subscriptions, lease, agents, manager, awake, storedSession, describe, ended: ended.signal }),

    hostId: config.owner.hostId,

    async create(createOptions) {
      awake();
      checkOptions('create', createOptions, CREATE_OPTIONS);
      checkCreate(createOptions);
      return describe(await manager.create(createOptions));
    },

    async prompt(sessionId, content, promptOptions = {}) {
      awake();
      checkId(sessionId);
      checkOptions('prompt', promptOptions, ['idempotencyKey', 'policy', 'signal', 'client']);
      checkPolicy(promptOptions.policy);
      const { idempotencyKey: key } = promptOptions;
      if (key !== undefined && (typeof key !== 'string' || key === '' || !key.isWellFormed()))
        throw invalid('An idempotency key is a well-formed string that is not empty.');
      return manager.prompt(sessionId, checkPrompt(content, limits), promptOptions);
    },

    async resume(sessionId, resumeOptions = {}) {
      awake();
      checkId(sessionId);
      checkOptions('resume', resumeOptions, ['policy', 'signal', 'client']);
      checkPolicy(resumeOptions.policy);
      return manager.resume(sessionId, resumeOptions);
    },

    async previewPreamble(sessionId, previewOptions = {}) {
      checkOptions('previewPreamble', previewOptions, ['mode', 'budget']);
      const { mode, budget } = previewOptions;
      checkPreambleMode(mode, config.preamble.files ?? ({} as never));
      const { info } = await storedSession(sessionId);
      const embedded = readCapabilities(info.agentCapabilities).embeddedContext;
      const secrets = await manager.knownSecrets(info);
      const made = await renderPreamble(store, sessionId, config, secrets, embedded, { mode, budget, preview: true });
      return [...made.blocks];
    },

    async cancel(sessionId) {
      checkId(sessionId);
      await manager.cancel(sessionId);
    },

    async respondPermission(sessionId, requestId, optionId) {
      awake();
      checkId(sessionId);
      if (await manager.respondPermission(sessionId, requestId, optionId)) return;
      await storedSession(sessionId);
      throw invalid(`Session "${sessionId}" is not live here, so no permission request of it is open. Prompt it again.`, {
        sessionId,
        requestId,
      });
    },

    setMode: async (sessionId, modeId) => set(sessionId, { id: 'mode', kind: 'mode', value: checkText('modeId', modeId) }),
    setConfigOption: async (sessionId, configId, value) => {
      if (typeof value !== 'string' && typeof value !== 'boolean') throw invalid(`value is a string or a boolean; it is ${typeof value}.`);
      await set(sessionId, { id: checkText('configId', configId), kind: 'option', value });
    },

    async describeAgent(agent, describeOptions = {}) {
      awake();
      checkOptions('describeAgent', describeOptions, ['client', 'signal']);
      return agents.describe(checkText('agent', agent), describeOptions);
    },

    async request(sessionId, method, params, requestOptions = {}) {
      awake();
      checkId(sessionId);
      checkOptions('request', requestOptions, ['signal', 'client']);
      return manager.request(sessionId, checkText('method', method), params, requestOptions);
    },

    notify(sessionId, method, params) {
      awake();
      checkId(sessionId);
      manager.notify(sessionId, checkText('method', method), params);
    },

    async authenticate(agent, methodId) {
      awake();
      await agents.authenticate(checkText('agent', agent), checkText('methodId', methodId));
    },

    async close(sessionId) {
      awake();
      await storedSession(sessionId);
      await manager.end(sessionId, { kind: 'closed', words: 'the session was closed while it ran' }, { tell: 'close' });
    },

    async delete(sessionId) {
      awake();
      checkId(sessionId);
      await manager.end(
        sessionId,
        { kind: 'closed', words: 'the session was deleted while it ran' },
        { tell: 'delete', then: () => deleteSession(sessionId, { ...deleting, gone: (id) => subscriptions.end(id) }) },
      );
    },

    get: async (sessionId) => describe(await storedSession(sessionId)),

    async list(listOptions = {}) {
      checkOptions('list', listOptions, ['agent', 'cwd', 'cursor', 'limit']);
      const { agent, cwd, cursor, limit = 100 } = listOptions;
      if (!Number.isSafeInteger(limit) || limit < 1) throw invalid(`limit must be a whole number, 1 or more; it is ${String(limit)}.`);
      const rows = await store.sessions(cursor === undefined ? null : readCursor(cursor), limit + 1, { agent, cwd });
      const page = rows.slice(0, limit);
      const last = page.at(-1)?.info;
      const sessions = [];
      for (const row of page) sessions.push(await describe(row));
      return { sessions, ...(rows.length > limit && last ? { nextCursor: `${last.updatedAt}:${last.sessionId}` } : {}) };
    },

    async history(sessionId, range = {}) {
      checkOptions('history', range, ['after', 'before', 'limit']);
      for (const [name, value] of Object.entries(range)) checkCount(name, value);
      // A turn of a dead host must not show as running.
      await describe(await storedSession(sessionId));
      return store.events(sessionId, range);
    },

    async *events(sessionId, eventOptions = {}) {
      checkOptions('events', eventOptions, ['after', 'signal']);
      const { after = 0, signal } = eventOptions;
      checkCount('after', after);
      await storedSession(sessionId);
      yield* subscriptions.follow(sessionId, after, signal);
    },

    async transcript(sessionId, transcriptOptions = {}) {
      checkOptions('transcript', transcriptOptions, ['budget']);
      const { info } = await storedSession(sessionId);
      return (await renderRecord(store, sessionId, config, await manager.knownSecrets(info), transcriptOptions.budget)).text;
    },

    sleep() {
      asleep ??= (async () => {
        await manager.endAll({ kind: 'sleep', words: 'the host was put to sleep while it ran' });
        ended.abort();
        stopDeleting.abort();
        await leftDeletes;
        subscriptions.end();
        database.owners?.closed(config.owner.hostId);
      })();
      return asleep;
    },
  };
}

function checkCount(name: string, value: unknown): void {
  if (value !== undefined && (!Number.isSafeInteger(value) || (value as number) < 0))
    throw invalid(`${name} must be a whole number, 0 or more; it is ${String(value)}.`);
}

function checkText(name: string, value: unknown): string {
  if (typeof value !== 'string' || value === '') throw invalid(`${name} is a string that is not empty; it is ${JSON.stringify(value)}.`);
  return value;
}

function readCursor(cursor: unknown): { updatedAt: number; sessionId: string } {
  const [, updatedAt, sessionId] = (typeof cursor === 'string' && /^(-?\d+):(.+)$/s.exec(cursor)) || [];
  if (updatedAt === undefined || sessionId === undefined)
    throw invalid(`The cursor ${JSON.stringify(cursor)} is none of list's; leave it out to start over.`);
  return { updatedAt: Number(updatedAt), sessionId };
}
