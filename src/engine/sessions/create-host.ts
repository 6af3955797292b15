import { delay } from '../waiting.ts';
import { invalid, RehydrateError, sessionNotFound } from '../errors.ts';
import { SqlError, type Statement } from '../ports.ts';
import { beginning, QUOTE_CHARS } from '../protocol/bounded.ts';
import { readCapabilities } from '../protocol/versions.ts';
import { finishDeletes } from '../records/delete.ts';
import { copySession } from '../records/fork.ts';
import { exportLines, importLines } from '../records/portable.ts';
import { search } from '../records/search.ts';
import { migrate } from '../storage/schema.ts';
import type { LastKnown, NewEvent } from '../storage/statements.ts';
import type { StoredSession } from '../storage/rows.ts';
import { createRedactor } from '../transcript/redact.ts';
import { createThoroughRedactor } from '../transcript/redact-thorough.ts';
import { callForSession } from './agent-startup.ts';
import { withChecks } from './arguments.ts';
import { configure, type HostOptions } from './config.ts';
import type { Host, SessionChanges } from './host.ts';
import { cleanUpAll, progressOf, type AsleepWork } from './lease.ts';
import { createManager } from './manager.ts';
import { withoutValues } from './secrets.ts';
import { checkCursor } from './subscriptions.ts';
import { renderPreamble, renderRecord } from './render-record.ts';

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
  const config = configure(options);
  const { database, limits, clock, newId } = config;
  await migrate(database);
  const manager = createManager(config);
  const { parts, storedSession, describe } = manager;
  const { store, subscriptions, agents } = parts;
  database.owners?.opened(config.owner.hostId);
  await cleanUpAll(parts);
  const ended = new AbortController();
  // Rows that cannot be removed now are left to the next host.
  const leftDeletes = finishDeletes(parts, { signal: ended.signal }).catch((error: unknown) => {
    if (!RehydrateError.is(error) && !(error instanceof SqlError)) throw error;
  });
  let asleep: Promise<void> | null = null;

  /**
   * What `update` writes. Null when it is nothing (new secret values for the same servers), since that is allowed while the session is live
   * elsewhere.
   */
  async function changesOf({ info }: StoredSession, changes: SessionChanges): Promise<AsleepWork | null> {
    const { title, metadata, cwd, mcpServers, additionalDirectories } = changes;
    const { sessionId } = info;
    // Another path to the same directory is not written, since agents know the session by the path it was made with.
    const moves = cwd !== undefined && !(await config.sameDirectory(cwd, info.cwd, { sessionId }));
    if (moves && (await config.directoryExists(info.cwd, { sessionId })))
      throw invalid(
        `Session "${sessionId}" works in ${info.cwd}, which is still there; it moves to another directory only when that is gone. To go on in ${cwd}, fork it with that cwd.`,
        { sessionId, cwd: info.cwd },
      );
    const payload = { sessionUpdate: 'session_info_update', title } as const;
    const events: NewEvent[] = title === undefined ? [] : [{ kind: 'update', turnId: null, at: clock(), origin: 'host', payload }];
    const lastKnown: LastKnown = {
      ...(title === undefined ? {} : { title_set: title }),
      ...(metadata === undefined ? {} : { metadata }),
    };
    const also: Statement[] = [];
    const setColumn = (column: 'cwd' | 'mcp_servers' | 'additional_directories', value: string, before: string): void => {
      if (value === before) return;
      also.push({ sql: `UPDATE acp_sessions SET ${column} = ? WHERE session_id = ?`, params: [value, sessionId] });
    };
    if (moves) setColumn('cwd', cwd, info.cwd);
    if (mcpServers) setColumn('mcp_servers', JSON.stringify(withoutValues(mcpServers)), JSON.stringify(info.mcpServers));
    if (additionalDirectories)
      setColumn('additional_directories', JSON.stringify(additionalDirectories), JSON.stringify(info.additionalDirectories));
    return also.length > 0 || Object.keys(lastKnown).length > 0 ? { events, lastKnown, also: () => also } : null;
  }

  /** The stored paths of sessions that lead to this directory. */
  async function directoriesLike(cwd: string): Promise<string[]> {
    const paths = await store.directories();
    const same = await Promise.all(paths.map((path) => config.sameDirectory(path, cwd)));
    return paths.filter((_, index) => same[index]);
  }

  /** Removes the rows that an unfinished delete or copy left under an id. */
  const remove = (sessionId: string, deletedAt?: number) => finishDeletes(parts, { sessionId, deletedAt });
  const maker = { self: parts.self, clock, leaseMs: limits.leaseMs };

  const host: Host = {
    hostId: config.owner.hostId,
    ...manager.calls,

    // ------------------------------------------------------------ agents

    describeAgent: (agent, options = {}) => agents.describe(agent, options),
    authenticate: (agent, methodId) => agents.authenticate(agent, methodId),

    async agentSessions(options) {
      const { agent: name, cwd, cursor } = options;
      const live = manager.liveWith(name);
      const agent = live[0]?.agent ?? (await agents.idleAgent(name, options));
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
      const ids = page.sessions.map(({ sessionId }) => sessionId);
      // The record does not have a successor that has not answered a turn yet.
      const known = new Map([
        ...live.map(({ agentSessionId, sessionId }) => [agentSessionId, sessionId] as const),
        ...(await store.sessionsOfAgent(name, ids)),
      ]);
      const sessions = [];
      const wellFormed = (value: unknown): string | null => (typeof value === 'string' ? value.toWellFormed() : null);
      for (const { sessionId: agentSessionId, ...listed } of page.sessions) {
        const directory = wellFormed(listed.cwd) ?? cwd ?? null;
        // Some agents ignore the directory that they are asked for.
        if (cwd !== undefined && directory !== null && !(await config.sameDirectory(directory, cwd, { signal: options.signal }))) continue;
        sessions.push({
          agentSessionId,
          sessionId: known.get(agentSessionId) ?? null,
          cwd: directory,
          // `adopt` refuses a much longer one.
          title: typeof listed.title === 'string' ? wellFormed(beginning(listed.title, QUOTE_CHARS)) : null,
          updatedAt: wellFormed(listed.updatedAt),
        });
      }
      return { sessions, ...(typeof page.nextCursor === 'string' ? { nextCursor: page.nextCursor } : {}) };
    },

    // ------------------------------------------------------------ reading the record

    get: async (sessionId) => describe(await storedSession(sessionId)),

    async list({ agent, cwd, cursor, limit = 100 } = {}) {
      const after = cursor === undefined ? null : readCursor(cursor);
      const cwds = cwd === undefined ? undefined : await directoriesLike(cwd);
      const rows = await store.sessions(after, limit + 1, { agent, cwds });
      const page = rows.slice(0, limit);
      const last = page.at(-1)?.info;
      const sessions = [];
      for (const row of page) sessions.push(await describe(row));
      return { sessions, ...(rows.length > limit && last ? { nextCursor: `${last.updatedAt}:${last.sessionId}` } : {}) };
    },

    async history(sessionId, range = {}) {
      const found = await progressOf(parts, sessionId);
      if (!found) throw sessionNotFound(sessionId);
      checkCursor(sessionId, range.after ?? 0, found);
      return store.events(sessionId, range);
    },

    async *events(sessionId, { signal, after = 0 } = {}) {
      await storedSession(sessionId);
      yield* subscriptions.follow(sessionId, after, signal);
    },

    async transcript(sessionId, { budget } = {}) {
      const { info } = await storedSession(sessionId);
      return (await renderRecord(store, sessionId, config, await manager.knownSecrets(info), budget)).text;
    },

    async previewPreamble(sessionId, { mode, budget } = {}) {
      const { info } = await storedSession(sessionId);
      const embedded = readCapabilities(info.agentCapabilities).embeddedContext;
      const secrets = await manager.knownSecrets(info);
      const made = await renderPreamble(store, sessionId, config, secrets, embedded, { mode, budget, preview: true });
      return [...made.blocks];
    },

    async search(words, options = {}) {
      if (options.sessionId !== undefined) await storedSession(options.sessionId);
      return search(database, store, words, options);
    },

    async *watch({ signal } = {}) {
      const marks = async () =>
        new Map((await store.changes()).map(({ sessionId, mark }) => [sessionId, `${mark} ${manager.stateOf(sessionId)}`] as const));
      const stop = signal ? AbortSignal.any([signal, ended.signal]) : ended.signal;
      for (let now = await marks(); ;) {
        await delay(limits.followMs || 1_000, stop, { inBackground: true });
        if (stop.aborted) return;
        const before = now;
        now = await marks();
        for (const sessionId of before.keys()) if (!now.has(sessionId)) yield { kind: 'deleted', sessionId };
        for (const [sessionId, mark] of now) {
          if (before.get(sessionId) === mark) continue;
          const stored = await store.session(sessionId);
          if (stored) yield { kind: before.has(sessionId) ? 'changed' : 'created', sessionId, info: await describe(stored) };
        }
      }
    },

    async *export(sessionId) {
      const { info } = await storedSession(sessionId);
      const { thorough } = createThoroughRedactor(await manager.knownSecrets(info));
      yield* exportLines(database, sessionId, (text) => config.redact(thorough(text), sessionId));
    },

    // ------------------------------------------------------------ changing and copying the record

    async open(sessionId, options) {
      let found = await store.session(sessionId);
      if (!found) {
        try {
          return await host.create({ ...options, sessionId });
        } catch (error) {
          // Another caller may have made it meanwhile.
          found = RehydrateError.is(error) && error.code === 'session_exists' ? await store.session(sessionId) : null;
          if (!found) throw error;
        }
      }
      const { agent, cwd } = found.info;
      if (agent !== options.agent || !(await config.sameDirectory(cwd, options.cwd, { sessionId, signal: options.signal })))
        throw invalid(
          `Session "${sessionId}" has the agent "${agent}" in ${cwd}, not "${options.agent}" in ${options.cwd}. Open it as it is, or use another id.`,
          { sessionId, agent, cwd },
        );
      return options.mcpServers ? host.update(sessionId, { mcpServers: options.mcpServers }) : describe(found);
    },

    async update(sessionId, changes) {
      await manager.change(sessionId, (stored) => changesOf(stored, changes), changes.mcpServers);
      return host.get(sessionId);
    },

    async fork(sessionId, options = {}) {
      const original = await storedSession(sessionId);
      const { info } = original;
      const { after = info.latestSeq, agent = info.agent, sessionId: to = newId() } = options;
      const cwd = options.cwd === undefined || (await config.sameDirectory(options.cwd, info.cwd, { sessionId })) ? info.cwd : options.cwd;
      checkCursor(sessionId, after, info);
      if (options.agent !== undefined) config.checkAgent(options.agent);
      const request = { sessionId: to, after, agent, cwd };
      await copySession(database, store, original, request, { maker, remove: (deletedAt) => remove(to, deletedAt) });
      manager.shareSecrets(sessionId, to);
      return host.get(to);
    },

    async adopt({ agent, agentSessionId, cwd, title = null, mcpServers, sessionId = newId() }) {
      config.checkAgent(agent);
      await remove(sessionId);
      const here = manager.liveWith(agent).find((live) => live.agentSessionId === agentSessionId)?.sessionId;
      const session = {
        sessionId,
        agent,
        agentSessionId,
        cwd,
        title: createRedactor(config.knownSecrets)(title),
        mcpServers: withoutValues(mcpServers ?? []),
      };
      const adopted = here ?? (await store.adopt({ ...session, now: clock() }));
      return mcpServers ? host.update(adopted, { mcpServers }) : host.get(adopted);
    },

    async import(lines, { sessionId } = {}) {
      return host.get(await importLines(lines, { db: database, store, sessionId, maker, newId, remove }));
    },

    // ------------------------------------------------------------ the end

    sleep() {
      asleep ??= (async () => {
        await manager.endAll({ kind: 'sleep', reason: 'the host was put to sleep while it ran' });
        ended.abort();
        await leftDeletes;
        subscriptions.end();
        database.owners?.closed(config.owner.hostId);
      })();
      return asleep;
    },
  };
  return withChecks(host, limits, () => asleep !== null);
}

function readCursor(cursor: string): { updatedAt: number; sessionId: string } {
  const [, updatedAt, sessionId] = /^(-?\d+):(.+)$/s.exec(cursor) ?? [];
  if (updatedAt === undefined || sessionId === undefined)
    throw invalid(`The cursor ${JSON.stringify(cursor)} did not come from list; leave it out to start over.`);
  return { updatedAt: Number(updatedAt), sessionId };
}
