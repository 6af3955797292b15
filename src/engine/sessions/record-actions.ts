/** Sessions as things to work with: opened by name, named, watched, found, copied, carried elsewhere. None of it starts an agent but `open`. */
import type { McpServer } from '@agentclientprotocol/sdk';
import { RehydrateError } from '../errors.ts';
import type { ClientServices, Statement } from '../ports.ts';
import { copySession } from '../records/fork.ts';
import { exportLines, importLines } from '../records/portable.ts';
import { search, type SearchRequest, type SearchResult } from '../records/search.ts';
import type { StoredSession } from '../storage/rows.ts';
import type { LastKnown, NewEvent } from '../storage/statements.ts';
import { createThoroughRedactor } from '../transcript/redact-thorough.ts';
import type { AgentSession, AgentSessionList, SessionInfo } from '../types.ts';
import { callForSession } from './agent-startup.ts';
import { checkCreate, checkId, checkOptions, CREATE_OPTIONS, invalid, type CreateOptions } from './config.ts';
import { finishDeletes } from './delete.ts';
import type { HostParts } from './host-parts.ts';
import type { SessionManager } from './manager.ts';
import { checkServers, withoutValues } from './secrets.ts';

export interface SessionChanges {
  /** Shown instead of the agent's own title; null shows the agent's again. */
  readonly title?: string | null;
  /** Whatever the program wants to keep with the session: a JSON object of at most 16 KiB. Null removes it. */
  readonly metadata?: Readonly<Record<string, unknown>> | null;
  /** Where the agent works from its next wake on: when the old directory was moved, say. */
  readonly cwd?: string;
  /**
   * The MCP servers from the next wake on, all of them: those that are not in the list are gone, and a value goes only to the server it
   * stands with here. Values are kept in memory only. A live agent keeps the servers it has; `close` the session to change them at once.
   */
  readonly mcpServers?: readonly McpServer[];
}

export interface ForkOptions {
  /** The fork's id. Default: a fresh one. */
  readonly sessionId?: string;
  /** The last event it has of the original. Default: all there is. */
  readonly after?: number;
  /** Another agent makes it a handoff. */
  readonly agent?: string;
  readonly cwd?: string;
}

export interface AdoptOptions {
  readonly agent: string;
  /** The agent's own id of the session. */
  readonly agentSessionId: string;
  readonly cwd: string;
  /** Default: a fresh one. The agent's own id will do, where the client knows the session by it. */
  readonly sessionId?: string;
  readonly mcpServers?: readonly McpServer[];
}

export interface AgentSessionsOptions {
  readonly agent: string;
  /** Only those in this directory. */
  readonly cwd?: string;
  /** `nextCursor` of the page before. */
  readonly cursor?: string;
  readonly client?: ClientServices;
  readonly signal?: AbortSignal;
}

/** What became of a session since it was last told of. */
export type SessionChange =
  | { readonly kind: 'created' | 'changed'; readonly sessionId: string; readonly info: SessionInfo }
  | { readonly kind: 'deleted'; readonly sessionId: string };

export interface RecordActions {
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
}

const METADATA_BYTES = 16 * 1024;

export interface RecordActionParts extends HostParts {
  readonly manager: SessionManager;
  readonly awake: () => void;
  /** Aborted when the host has been put to sleep. */
  readonly ended: AbortSignal;
  readonly storedSession: (sessionId: string) => Promise<StoredSession>;
  readonly describe: (stored: StoredSession) => Promise<SessionInfo>;
}

export function recordActions(parts: RecordActionParts): RecordActions {
  const { config, store, lease, agents, manager, awake, storedSession, describe } = parts;
  const { database: db, clock, newId, limits } = config;

  /** Removes what is hidden under an id. */
  const remove = (sessionId: string) => finishDeletes({ store, lease, preambleFiles: config.preamble.files }, { sessionId });
  const infoOf = async (sessionId: string) => describe(await storedSession(sessionId));

  const actions: RecordActions = {
    async open(sessionId, options) {
      awake();
      checkOptions(
        'open',
        options,
        CREATE_OPTIONS.filter((name) => name !== 'sessionId'),
      );
      checkCreate({ ...options, sessionId });
      const found = await store.session(sessionId);
      if (!found) return describe(await manager.create({ ...options, sessionId }));
      const { agent, cwd } = found.info;
      if (agent !== options.agent || (cwd !== options.cwd && !(await config.sameDirectory(cwd, options.cwd))))
        throw invalid(
          `Session "${sessionId}" has the agent "${agent}" in ${cwd}, not "${options.agent}" in ${options.cwd}. Open it as it is, or use another id.`,
          { sessionId, agent, cwd },
        );
      return options.mcpServers ? actions.update(sessionId, { mcpServers: options.mcpServers }) : describe(found);
    },

    async update(sessionId, changes) {
      awake();
      checkId(sessionId);
      checkOptions('update', changes, ['title', 'metadata', 'cwd', 'mcpServers']);
      const { title, metadata, cwd, mcpServers } = changes;
      if (title !== undefined && title !== null && (typeof title !== 'string' || !title.isWellFormed()))
        throw invalid('title is a well-formed string or null.');
      if (cwd !== undefined) checkCreate({ agent: 'any', cwd });
      if (mcpServers !== undefined) checkServers(mcpServers);
      const servers = mcpServers && JSON.stringify(withoutValues(mcpServers));
      const { info } = await storedSession(sessionId);
      const events: NewEvent[] =
        title === undefined
          ? []
          : [{ kind: 'update', turnId: null, at: clock(), origin: 'host', payload: { sessionUpdate: 'session_info_update', title } }];
      const lastKnown: LastKnown = {
        ...(title === undefined ? {} : { title_set: title }),
        ...(metadata === undefined ? {} : { metadata: checkMetadata(metadata) }),
      };
      const also: Statement[] = [
        ...(cwd === undefined || cwd === info.cwd
          ? []
          : [{ sql: 'UPDATE acp_sessions SET cwd = ? WHERE session_id = ?', params: [cwd, sessionId] }]),
        ...(servers === undefined || servers === JSON.stringify(info.mcpServers)
          ? []
          : [{ sql: 'UPDATE acp_sessions SET mcp_servers = ? WHERE session_id = ?', params: [servers, sessionId] }]),
      ];
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
        await pause(limits.followMs || 1_000, signal, parts.ended);
        if (signal?.aborted || parts.ended.aborted) return;
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
      return search(db, store, words, options);
    },

    async fork(sessionId, options = {}) {
      awake();
      checkOptions('fork', options, ['sessionId', 'after', 'agent', 'cwd']);
      const original = await storedSession(sessionId);
      const { after = original.info.latestSeq, agent = original.info.agent, cwd = original.info.cwd, sessionId: to = newId() } = options;
      checkCreate({ agent, cwd, sessionId: to });
      await remove(to);
      await copySession(db, store, original, { sessionId: to, after, agent, cwd, now: clock() }, () => remove(to));
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
      return mcpServers ? actions.update(adopted, { mcpServers }) : infoOf(adopted);
    },

    async *export(sessionId) {
      const { info } = await storedSession(sessionId);
      const { thorough } = createThoroughRedactor(await manager.knownSecrets(info));
      const redact = config.redact;
      yield* exportLines(db, sessionId, (value) => inStrings(value, (text) => (redact ? redact(thorough(text)) : thorough(text))));
    },

    async import(lines, options = {}) {
      awake();
      checkOptions('import', options, ['sessionId']);
      if (options.sessionId !== undefined) checkCreate({ agent: 'any', cwd: '/', sessionId: options.sessionId });
      const sessionId = await importLines(lines, { db, sessionId: options.sessionId, now: clock(), newId, remove });
      return infoOf(sessionId);
    },
  };
  return actions;
}

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

/** The same value with every text in it changed; keys stay as they are. */
function inStrings<T>(value: T, change: (text: string) => string): T {
  if (typeof value === 'string') return change(value) as T;
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map((item: unknown) => inStrings(item, change)) as T;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, inStrings(item, change)])) as T;
}
