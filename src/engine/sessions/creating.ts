/** `create`: a new session, whole in the record or not there at all. */
import type { Row } from '../ports.ts';
import { RehydrateError } from '../errors.ts';
import { readSettings } from '../protocol/v1.ts';
import { storageError } from '../storage/errors.ts';
import { adoptAgentSession, insertEvent, updateLastKnown, type Fence, type NewEvent } from '../storage/statements.ts';
import { toSession, type StoredSession } from '../storage/rows.ts';
import { sessionStatement } from '../storage/store.ts';
import type { ResumeReport, SessionEvent } from '../types.ts';
import { finishDeletes } from './delete.ts';
import { NOTHING_KNOWN, toColumns } from './last-known.ts';
import type { LiveSession } from './live-session.ts';
import type { LivingParts } from './living.ts';
import { newAgentSession, reportOf, withAgent, type BecomeLive } from './opening.ts';
import { invalid, type CreateOptions } from './options.ts';
import { secretValues, withoutValues } from './secrets.ts';

/** Resolves to the session as it was written. Errors: as `Host.create`; on any of them nothing is left. */
export function createCreate({
  config,
  store,
  subscriptions,
  slots,
  lease,
  authMethods,
  newSession,
  writerFor,
  opening,
}: LivingParts): (options: CreateOptions) => Promise<StoredSession> {
  const { database, limits, clock } = config;

  async function create(options: CreateOptions): Promise<StoredSession> {
    const sessionId = options.sessionId ?? config.newId();
    checkCreate(options, sessionId);
    return slots.serially(sessionId, async (slot) => {
      if (slot.activity.kind !== 'asleep' || (await store.session(sessionId))) throw exists(sessionId);
      await finishDeletes({ store, lease, preambleFiles: config.preamble.files }, { sessionId });
      const secrets = secretValues(options.env ?? {}, options.mcpServers ?? []);
      const directories = options.additionalDirectories ?? [];
      return opening(slot, 'starting', options.signal, async (signal) => {
        const began = performance.now();
        const session = newSession(sessionId, options.agent, options.cwd, directories, secrets, slot);
        const open: BecomeLive = {
          config,
          store,
          session,
          agent: options.agent,
          cwd: options.cwd,
          additionalDirectories: directories,
          secrets,
          policy: config.policy,
          signal,
          authMethod: authMethods.get(options.agent),
        };
        const value = await withAgent(
          open,
          (link) => newAgentSession(open, link),
          ({ agentSessionId, result }, link) => {
            const said = readSettings(result);
            session.known = {
              ...session.known,
              modes: said.modes ?? session.known.modes,
              configOptions: said.configOptions ?? session.known.configOptions,
            };
            const report = session.redact(
              reportOf(
                {
                  tier: 'new',
                  attempts: [{ method: 'session/new', outcome: 'ok', evidence: 'a new session', ms: Math.round(link.agentMs) }],
                  agentSessionId,
                  previousAgentSessionId: null,
                  verified: null,
                  replay: null,
                  preamble: null,
                  settings: {
                    restored: [],
                    failed:
                      directories.length > 0 && !session.facts.additionalDirectories
                        ? [{ id: 'additionalDirectories', reason: 'the agent does not support them' }]
                        : [],
                  },
                  known: session.known,
                  began,
                },
                link,
              ),
            );
            return insertSession(session, options, agentSessionId, report);
          },
        );
        slot.secrets = secrets;
        return { session, value };
      });
    });
  }

  /** The row, its lease and its first events, all in one batch; then what came early follows. */
  async function insertSession(
    session: LiveSession,
    options: CreateOptions,
    agentSessionId: string,
    report: ResumeReport,
  ): Promise<StoredSession> {
    const now = clock();
    const { sessionId } = session;
    const fence: Fence = { sessionId, owner: lease.self, generation: 1 };
    const fresh: NewEvent[] = [
      { kind: 'resumed', turnId: null, at: now, origin: 'host', payload: report },
      ...session.takeStateChanges(NOTHING_KNOWN).map(({ update, meta }): NewEvent => ({
        kind: 'update',
        turnId: null,
        at: now,
        origin: 'agent',
        payload: update,
        ...(meta ? { meta } : {}),
      })),
    ];
    const events = fresh.map((event, index) => ({ ...event, seq: index + 1 }) as SessionEvent);
    const written = session.known;
    const known = updateLastKnown(
      sessionId,
      session.redact({ ...toColumns(session.known), capabilities: session.facts.capabilities, agent_info: session.facts.info }),
    );
    // Whoever follows this id followed another session, which somebody else deleted.
    subscriptions.end(sessionId);
    let stored: StoredSession | null;
    try {
      const results = await database.batch([
        {
          sql: `INSERT INTO acp_sessions (session_id, agent, agent_session_id, cwd, additional_directories, mcp_servers, env_names, latest_seq, lease_owner, lease_generation, lease_expires_at, created_at, updated_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 1, ?, ?, ?)`,
          params: [
            sessionId,
            options.agent,
            agentSessionId,
            options.cwd,
            JSON.stringify(options.additionalDirectories ?? []),
            JSON.stringify(withoutValues(options.mcpServers ?? [])),
            JSON.stringify(Object.keys(options.env ?? {})),
            events.length,
            lease.self,
            now + limits.leaseMs,
            now,
            now,
          ],
          note: 'session_created',
        },
        ...adoptAgentSession(sessionId, agentSessionId, 1, null, now),
        ...events.map((event) => insertEvent(sessionId, event.seq, event)),
        ...(known ? [known] : []),
        sessionStatement(sessionId),
      ]);
      stored = toSession(results.at(-1)?.rows[0] as Row);
    } catch (error) {
      stored = await store.session(sessionId).catch((unread: unknown) => {
        lease.later(sessionId);
        throw unread;
      });
      // The answer may be lost although the batch was written.
      if (stored?.lease.owner !== lease.self || stored.lease.generation !== 1) {
        if (stored) throw exists(sessionId);
        throw storageError(error, `Session "${sessionId}" could not be written`);
      }
    }
    writerFor(session, fence, events.length);
    subscriptions.publish(sessionId, events);
    session.report = report;
    // What the agent said of its state while the batch was on its way.
    const since = session.takeStateChanges(written);
    if (since.length > 0)
      session.writer.push(
        { events: session.asEvents(since, null), said: true, lastKnown: toColumns(session.known) },
        session.keepUnwritten,
      );
    session.finishOpening();
    return stored;
  }

  return create;
}

function checkCreate(options: CreateOptions, sessionId: string): void {
  if (typeof options.agent !== 'string' || options.agent === '') throw invalid('create needs the name of an agent.');
  if (typeof options.cwd !== 'string' || !/^(\/|[A-Za-z]:[\\/]|\\\\)/.test(options.cwd)) {
    throw invalid(`create needs cwd as an absolute path; it is ${JSON.stringify(options.cwd)}.`);
  }
  if (
    typeof sessionId !== 'string' ||
    sessionId === '' ||
    sessionId.length > 256 ||
    sessionId.includes('\0') ||
    !sessionId.isWellFormed()
  ) {
    throw invalid(`A session id is a well-formed string of 1 to 256 characters; it is ${JSON.stringify(sessionId)}.`);
  }
  for (const [name, value] of Object.entries(options.env ?? {})) {
    if (typeof value !== 'string') throw invalid(`The environment value ${name} must be a string.`);
  }
}

function exists(sessionId: string): RehydrateError {
  return new RehydrateError(
    'session_exists',
    `There is a session "${sessionId}" already. Prompt it, delete it first, or choose another id.`,
    { sessionId },
  );
}
