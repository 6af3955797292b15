/** `createHost`: the sessions of one database, live or not, and what can be done with them. */
import { RehydrateError } from '../errors.ts';
import { SqlError, type ClientServices, type Statement } from '../ports.ts';
import { HOSTS_OWN_METHODS, type Setting } from '../protocol/agent-protocol.ts';
import { readCapabilities } from '../protocol/versions.ts';
import { finishDeletes, type DeleteParts } from '../records/delete.ts';
import { copySession } from '../records/fork.ts';
import { exportLines, importLines } from '../records/portable.ts';
import { search, type SearchRequest, type SearchResult } from '../records/search.ts';
import { withState } from '../storage/rows.ts';
import { migrate } from '../storage/schema.ts';
import type { LastKnown, NewEvent } from '../storage/statements.ts';
import { createStore } from '../storage/store.ts';
import { createThoroughRedactor } from '../transcript/redact-thorough.ts';
import type {
  AgentDescription,
  AgentSession,
  AgentSessionList,
  ContentBlock,
  CreatedSession,
  PreambleMode,
  PromptResult,
  ResumeReport,
  SessionEvent,
  SessionInfo,
  SessionList,
} from '../types.ts';
import { callForSession, createAgents } from './agent-startup.ts';
import {
  checkCreate,
  checkId,
  checkOptions,
  checkParams,
  checkPolicy,
  checkPreambleMode,
  checkPrompt,
  configure,
  CREATE_OPTIONS,
  HOST_OPTIONS,
  hostClosed,
  invalid,
  type AdoptOptions,
  type AgentSessionsOptions,
  type CreateOptions,
  type DescribeOptions,
  type ForkOptions,
  type HostOptions,
  type PromptOptions,
  type ResumeOptions,
  type SessionChange,
  type SessionChanges,
} from './config.ts';
import { cleanUp, cleanUpAll, notFound, type LeaseOptions } from './lease.ts';
import { createManager } from './manager.ts';
import { renderPreamble, renderRecord } from './resume.ts';
import { withoutValues } from './secrets.ts';
import { checkCursor, createSubscriptions, type Cursor } from './subscriptions.ts';

export interface Host {
  /** This host's id, as it stands in the leases it holds. */
  readonly hostId: string;

  /**
   * Starts an agent, opens a session with it and writes the session down. Errors: `session_exists`,
   * `agent_not_found`, `agent_start_failed`, `agent_timeout`, `agent_exited`, `agent_protocol_error`,
   * `auth_required`, `cwd_missing`, `limit_exceeded`, `invalid_argument`. On any of them nothing is left.
   */
  create(options: CreateOptions): Promise<CreatedSession>;

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
   * first session that asks for this agent. `cwd`: where it is started, if that is known; else in no project's directory. Errors: those
   * of starting an agent.
   */
  describeAgent(agent: string, options?: DescribeOptions): Promise<AgentDescription>;

  /**
   * Sends the agent a request that is none of the host's own, an extension's, and resolves to its answer; makes the session live if
   * need be. Session ids in it are exchanged both ways. Errors: those of `resume`, `invalid_argument` for a method of the host's own, and `agent_protocol_error` with the agent's
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

  /**
   * Events with `after < seq < before`, oldest first; without `limit` all of them. A cursor that outlives its session names it by
   * `createdAt` (of `SessionInfo`), too: of another session, made under the same id since, it is `invalid_argument`.
   */
  history(sessionId: string, options?: Cursor & { readonly before?: number; readonly limit?: number }): Promise<SessionEvent[]>;

  /**
   * Stored events, then live ones: no gap, no repeat. Ends when the signal aborts, the session is deleted or the host sleeps. For
   * `createdAt` see `history`.
   */
  events(sessionId: string, options?: Cursor & { readonly signal?: AbortSignal }): AsyncIterable<SessionEvent>;

  /** A bounded, redacted rendering of the log. `budget` in bytes, default the host's `preamble.budget`, else `limits.transcriptBytes`. */
  transcript(sessionId: string, options?: { readonly budget?: number }): Promise<string>;

  // Sessions as things to work with: opened by name, named, watched, found, copied, carried elsewhere.

  /**
   * The session of this id, made if there is none. Of one that is there `mcpServers` take the place of its own, as with `update`. Errors:
   * `invalid_argument` when it has another agent or directory, and those of `create` and `update`.
   */
  open(sessionId: string, options: Omit<CreateOptions, 'sessionId'>): Promise<SessionInfo>;

  /** Changes what a session is called, what is kept with it, or where it works. Errors: `session_not_found`, `session_busy`, `invalid_argument`. */
  update(sessionId: string, changes: SessionChanges): Promise<SessionInfo>;

  /** Sessions that are made, changed or deleted from now on, in whatever host of the database. Several changes of one may come as one. */
  watch(options?: { readonly signal?: AbortSignal }): AsyncIterable<SessionChange>;

  /** Messages in which every word begins a word, the latest first. */
  search(words: string, options?: SearchRequest): Promise<SearchResult>;

  /** A second session that begins with this one's record. Its first prompt goes with that record. */
  fork(sessionId: string, options?: ForkOptions): Promise<SessionInfo>;

  /**
   * A page of the agent's own list of its sessions, those that the record knows among them. Asks an agent that runs, or starts it, and
   * keeps that process for the first session that wants it. One that keeps no list has none to show. Errors: those of starting an agent,
   * `auth_required`, and `agent_protocol_error`.
   */
  agentSessions(options: AgentSessionsOptions): Promise<AgentSessionList>;

  /**
   * A session that the agent has and the record has not; what was said in it comes at its first resume, if the agent replays it. One that
   * the record has already is given as it is, so that it comes in once, however often and from wherever it is asked for. Error:
   * `session_exists` when another session has the id.
   */
  adopt(options: AdoptOptions): Promise<SessionInfo>;

  /** The session as lines of JSON, without secrets. */
  export(sessionId: string): AsyncIterable<string>;

  /** Takes in what `export` gave, whole or not at all. Errors: `invalid_argument` naming the line, `session_exists`. */
  import(lines: AsyncIterable<string> | Iterable<string>, options?: { readonly sessionId?: string }): Promise<SessionInfo>;

  /** Ends everything live. The database is ready for the next host, and stays open: whoever opened it closes it. */
  sleep(): Promise<void>;
}

/**
 * Opens a host on a database. Creates or migrates the schema; starts no agent.
 * Errors: `database_too_new`, `database_corrupt`, `storage_full`, `invalid_argument`.
 *
 * @example
 * const host = await createHost({
 *   database: await openNodeSqlite('sessions.sqlite'),
 *   agents: stdioLauncher({ agents: { mine: { command: 'your-acp-agent' } } }),
 * });
 */
export async function createHost(options: HostOptions): Promise<Host> {
  checkOptions('createHost', options, HOST_OPTIONS);
  const config = configure(options);
  const { database, limits, clock, newId } = config;
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
  const deletes: DeleteParts = { db: database, store, preambleFiles: config.preamble.files };
  const manager = createManager({ config, store, subscriptions, lease, agents, deletes });
  database.owners?.opened(config.owner.hostId);
  await cleanUpAll(lease);
  /** Aborted when the host has been put to sleep. */
  const ended = new AbortController();
  // What cannot be removed now is, by the next host.
  const leftDeletes = finishDeletes(deletes, { signal: ended.signal }).catch((error: unknown) => {
    if (!RehydrateError.is(error) && !(error instanceof SqlError)) throw error;
  });
  let asleep: Promise<void> | null = null;

  const awake = () => {
    if (asleep) throw hostClosed();
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

  const infoOf = async (sessionId: string) => describe(await storedSession(sessionId));
  /** Removes what is hidden under an id. */
  const remove = (sessionId: string) => finishDeletes(deletes, { sessionId });

  const host: Host = {
    hostId: config.owner.hostId,

    async create(createOptions) {
      awake();
      checkOptions('create', createOptions, CREATE_OPTIONS);
      checkCreate(createOptions);
      const params = checkParams(createOptions.params, limits);
      const { stored, answer } = await manager.create({ ...createOptions, ...(params ? { params } : {}) });
      return { ...(await describe(stored)), ...(answer ? { answer } : {}) };
    },

    async prompt(sessionId, content, promptOptions = {}) {
      awake();
      checkId(sessionId);
      checkOptions('prompt', promptOptions, ['idempotencyKey', 'params', 'policy', 'signal', 'client']);
      checkPolicy(promptOptions.policy);
      const { idempotencyKey: key } = promptOptions;
      if (key !== undefined && (typeof key !== 'string' || key === '' || !key.isWellFormed()))
        throw invalid('An idempotency key is a well-formed string that is not empty.');
      const params = checkParams(promptOptions.params, limits);
      return manager.prompt(sessionId, checkPrompt(content, limits), { ...promptOptions, ...(params ? { params } : {}) });
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
      checkOptions('describeAgent', describeOptions, ['cwd', 'client', 'signal']);
      if (describeOptions.cwd !== undefined) checkCreate({ agent, cwd: describeOptions.cwd });
      return agents.describe(checkText('agent', agent), describeOptions);
    },

    async request(sessionId, method, params, requestOptions = {}) {
      awake();
      checkId(sessionId);
      checkOptions('request', requestOptions, ['signal', 'client']);
      return manager.request(sessionId, checkPassedOn(method), params, requestOptions);
    },

    notify(sessionId, method, params) {
      awake();
      checkId(sessionId);
      manager.notify(sessionId, checkPassedOn(method), params);
    },

    async authenticate(agent, methodId) {
      awake();
      await agents.authenticate(checkText('agent', agent), checkText('methodId', methodId));
    },

    async close(sessionId) {
      awake();
      await storedSession(sessionId);
      await manager.close(sessionId);
    },

    async delete(sessionId) {
      awake();
      checkId(sessionId);
      await manager.delete(sessionId);
    },

    get: infoOf,

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
      checkOptions('history', range, ['after', 'createdAt', 'before', 'limit']);
      for (const [name, value] of Object.entries(range)) checkCount(name, value);
      // A turn of a dead host must not show as running.
      const stored = await storedSession(sessionId);
      await describe(stored);
      checkCursor(sessionId, range, stored.info);
      return store.events(sessionId, range);
    },

    async *events(sessionId, eventOptions = {}) {
      checkOptions('events', eventOptions, ['after', 'createdAt', 'signal']);
      const { signal, ...cursor } = eventOptions;
      for (const [name, value] of Object.entries(cursor)) checkCount(name, value);
      await storedSession(sessionId);
      yield* subscriptions.follow(sessionId, cursor, signal);
    },

    async transcript(sessionId, transcriptOptions = {}) {
      checkOptions('transcript', transcriptOptions, ['budget']);
      const { info } = await storedSession(sessionId);
      return (await renderRecord(store, sessionId, config, await manager.knownSecrets(info), transcriptOptions.budget)).text;
    },

    // Sessions as things to work with.

    async open(sessionId, options) {
      awake();
      checkOptions(
        'open',
        options,
        CREATE_OPTIONS.filter((name) => name !== 'sessionId'),
      );
      checkCreate({ ...options, sessionId });
      const found = await store.session(sessionId);
      if (!found) return host.create({ ...options, sessionId });
      const { agent, cwd } = found.info;
      if (agent !== options.agent || (cwd !== options.cwd && !(await config.sameDirectory(cwd, options.cwd))))
        throw invalid(
          `Session "${sessionId}" has the agent "${agent}" in ${cwd}, not "${options.agent}" in ${options.cwd}. Open it as it is, or use another id.`,
          { sessionId, agent, cwd },
        );
      return options.mcpServers ? host.update(sessionId, { mcpServers: options.mcpServers }) : describe(found);
    },

    async update(sessionId, changes) {
      awake();
      checkId(sessionId);
      checkOptions('update', changes, ['title', 'metadata', 'cwd', 'mcpServers', 'additionalDirectories']);
      const { title, metadata, cwd, mcpServers, additionalDirectories } = changes;
      if (title !== undefined && title !== null && (typeof title !== 'string' || !title.isWellFormed()))
        throw invalid('title is a well-formed string or null.');
      const { info } = await storedSession(sessionId);
      checkCreate({ agent: 'any', cwd: info.cwd, ...changes });
      if (cwd !== undefined && !(await config.sameDirectory(cwd, info.cwd)) && (await config.directoryExists(info.cwd)))
        throw invalid(
          `Session "${sessionId}" works in ${info.cwd}, which is still there; it moves to another directory only when that is gone. To go on in ${cwd}, fork it with that cwd.`,
          { sessionId, cwd: info.cwd },
        );
      const events: NewEvent[] =
        title === undefined
          ? []
          : [{ kind: 'update', turnId: null, at: clock(), origin: 'host', payload: { sessionUpdate: 'session_info_update', title } }];
      const lastKnown: LastKnown = {
        ...(title === undefined ? {} : { title_set: title }),
        ...(metadata === undefined ? {} : { metadata: checkMetadata(metadata) }),
      };
      const place = [
        ['cwd', cwd, info.cwd],
        ['mcp_servers', mcpServers && JSON.stringify(withoutValues(mcpServers)), JSON.stringify(info.mcpServers)],
        [
          'additional_directories',
          additionalDirectories && JSON.stringify(additionalDirectories),
          JSON.stringify(info.additionalDirectories),
        ],
      ] as const;
      const also: Statement[] = place.flatMap(([column, wanted, known]) =>
        wanted === undefined || wanted === known
          ? []
          : [{ sql: `UPDATE acp_sessions SET ${column} = ? WHERE session_id = ?`, params: [wanted, sessionId] }],
      );
      // Other values for the same servers are only held: there is nothing to write, so a session that is live elsewhere is not in the way.
      if (events.length > 0 || also.length > 0 || Object.keys(lastKnown).length > 0)
        await manager.write(sessionId, { events, lastKnown, also: () => also });
      if (mcpServers) await manager.holdServers(sessionId, mcpServers);
      return infoOf(sessionId);
    },

    async *watch(options = {}) {
      checkOptions('watch', options, ['signal']);
      const { signal } = options;
      const known = new Map<string, string>();
      const look = async () =>
        new Map((await store.changes()).map(({ sessionId, mark }) => [sessionId, `${mark} ${manager.stateOf(sessionId)}`] as const));
      for (const [sessionId, mark] of await look()) known.set(sessionId, mark);
      for (;;) {
        await pause(limits.followMs || 1_000, signal, ended.signal);
        if (signal?.aborted || ended.signal.aborted) return;
        const now = await look();
        for (const sessionId of [...known.keys()].filter((id) => !now.has(id))) {
          known.delete(sessionId);
          yield { kind: 'deleted', sessionId };
        }
        for (const [sessionId, mark] of now) {
          const before = known.get(sessionId);
          if (before === mark) continue;
          known.set(sessionId, mark);
          const stored = await store.session(sessionId);
          if (stored) yield { kind: before === undefined ? 'created' : 'changed', sessionId, info: await describe(stored) };
        }
      }
    },

    async search(words, options = {}) {
      checkOptions('search', options, ['sessionId', 'cursor', 'limit']);
      if (typeof words !== 'string') throw invalid(`A search takes words; it was given ${typeof words}.`);
      if (options.sessionId !== undefined) await storedSession(options.sessionId);
      return search(database, store, words, options);
    },

    async fork(sessionId, options = {}) {
      awake();
      checkOptions('fork', options, ['sessionId', 'after', 'agent', 'cwd']);
      const original = await storedSession(sessionId);
      const { after = original.info.latestSeq, agent = original.info.agent, cwd = original.info.cwd, sessionId: to = newId() } = options;
      checkCreate({ agent, cwd, sessionId: to });
      await remove(to);
      await copySession(database, store, original, { sessionId: to, after, agent, cwd, now: clock() }, () => remove(to));
      manager.shareSecrets(sessionId, to);
      return infoOf(to);
    },

    async agentSessions(options) {
      awake();
      checkOptions('agentSessions', options, ['agent', 'cwd', 'cursor', 'client', 'signal']);
      const { agent: name, cwd, cursor } = options;
      checkCreate({ agent: name, cwd: cwd ?? '/' });
      const agent = manager.liveAgent(name) ?? (await agents.spare(name, options));
      if (!agent.facts.canList) return { sessions: [] };
      const page = await callForSession(agent, config, agents.authMethod(name), () =>
        agent.protocol.listSessions(cwd, cursor, { ms: limits.listMs }),
      );
      if (page === null)
        throw new RehydrateError(
          'agent_protocol_error',
          `Agent "${name}" answered session/list with no list. It does not keep to ACP; try another version of it.`,
          { agent: name, method: 'session/list' },
        );
      const known = await store.sessionsOfAgent(
        name,
        page.sessions.map(({ sessionId }) => sessionId),
      );
      const sessions: AgentSession[] = [];
      for (const { sessionId: agentSessionId, cwd: where, title, updatedAt } of page.sessions) {
        // Some agents do not look at the directory they are asked for.
        if (cwd !== undefined && where !== undefined && where !== cwd && !(await config.sameDirectory(where, cwd))) continue;
        sessions.push({
          agentSessionId,
          // A successor is in the record when it has answered, and in this host before.
          sessionId: known.get(agentSessionId) ?? manager.standsOn(name, agentSessionId),
          cwd: where ?? cwd ?? null,
          title: title ?? null,
          updatedAt: updatedAt ?? null,
        });
      }
      return { sessions, ...(typeof page.nextCursor === 'string' ? { nextCursor: page.nextCursor } : {}) };
    },

    async adopt(options) {
      awake();
      checkOptions('adopt', options, ['agent', 'agentSessionId', 'cwd', 'sessionId', 'mcpServers']);
      const { agent, agentSessionId, cwd, mcpServers, sessionId = newId() } = options;
      checkCreate({ agent, cwd, sessionId, ...(mcpServers ? { mcpServers } : {}) });
      if (typeof agentSessionId !== 'string' || agentSessionId === '') throw invalid('adopt needs agentSessionId, the agent’s own id.');
      await remove(sessionId);
      const here = manager.standsOn(agent, agentSessionId);
      const adopted =
        here ?? (await store.adopt({ sessionId, agent, agentSessionId, cwd, mcpServers: withoutValues(mcpServers ?? []), now: clock() }));
      return mcpServers ? host.update(adopted, { mcpServers }) : infoOf(adopted);
    },

    async *export(sessionId) {
      const { info } = await storedSession(sessionId);
      const { thorough } = createThoroughRedactor(await manager.knownSecrets(info));
      const redact = config.redact;
      yield* exportLines(database, sessionId, (text) => (redact ? redact(thorough(text)) : thorough(text)));
    },

    async import(lines, options = {}) {
      awake();
      checkOptions('import', options, ['sessionId']);
      if (options.sessionId !== undefined) checkCreate({ agent: 'any', cwd: '/', sessionId: options.sessionId });
      const sessionId = await importLines(lines, { db: database, sessionId: options.sessionId, now: clock(), newId, remove });
      return infoOf(sessionId);
    },

    sleep() {
      asleep ??= (async () => {
        await manager.endAll({ kind: 'sleep', words: 'the host was put to sleep while it ran' });
        ended.abort();
        await leftDeletes;
        subscriptions.end();
        database.owners?.closed(config.owner.hostId);
      })();
      return asleep;
    },
  };
  return host;
}

function checkCount(name: string, value: unknown): void {
  if (value !== undefined && (!Number.isSafeInteger(value) || (value as number) < 0))
    throw invalid(`${name} must be a whole number, 0 or more; it is ${String(value)}.`);
}

function checkPassedOn(method: unknown): string {
  const name = checkText('method', method);
  if (HOSTS_OWN_METHODS.has(name))
    throw invalid(`${name} is the host's own to say. Use the method of the host that does it; extensions are passed on.`, { method: name });
  return name;
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

const METADATA_BYTES = 16 * 1024;

function checkMetadata(metadata: unknown): unknown {
  if (metadata === null) return null;
  if (typeof metadata !== 'object' || Array.isArray(metadata)) throw invalid('metadata is an object of JSON, or null.');
  const bytes = new TextEncoder().encode(JSON.stringify(metadata)).length;
  if (bytes > METADATA_BYTES)
    throw new RehydrateError('limit_exceeded', `metadata has ${bytes} bytes; ${METADATA_BYTES} are allowed. Keep less with the session.`, {
      limit: 'metadata',
      allowed: METADATA_BYTES,
      actual: bytes,
    });
  return metadata;
}

/** Waits so long, or until one of the signals aborts. */
function pause(ms: number, ...signals: readonly (AbortSignal | undefined)[]): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      for (const signal of signals) signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    (timer as { unref?: () => void }).unref?.();
    for (const signal of signals) {
      if (signal?.aborted) return done();
      signal?.addEventListener('abort', done, { once: true });
    }
  });
}
