/** Starting: a new session, whole in the record or not there at all. */
import { RehydrateError } from '../errors.ts';
import type { Row } from '../ports.ts';
import { NOTHING_REPORTED } from '../protocol/reported-state.ts';
import { storageError } from '../storage/errors.ts';
import { toSession, type StoredSession } from '../storage/rows.ts';
import { adoptAgentSession, insertEvent, updateLastKnown, type Fence, type NewEvent } from '../storage/statements.ts';
import { sessionStatement } from '../storage/store.ts';
import { createRedactor } from '../transcript/redact.ts';
import type { ResumeReport, SessionEvent } from '../types.ts';
import { newAgentSession, withAgent } from './agent-startup.ts';
import type { CreateOptions } from './config.ts';
import type { HostParts } from './host-parts.ts';
import { reportOf } from './report.ts';
import { secretValues, withoutValues } from './secrets.ts';
import { openLog } from './session-log.ts';
import { Opening, updateEvents, type Session } from './session.ts';
import { NO_WISHES, reportedColumns, withAnswer } from './settings.ts';

/** Resolves to the session as it was written. Errors: as `Host.create`; on any of them nothing is left. */
export async function startSession(
  parts: HostParts,
  session: Session,
  options: CreateOptions,
  abort: AbortController,
): Promise<StoredSession> {
  const { config, agents } = parts;
  const { sessionId } = session;
  const began = performance.now();
  const secrets = secretValues(options.env ?? {}, options.mcpServers ?? []);
  const additionalDirectories = options.additionalDirectories ?? [];
  const redact = createRedactor([...secrets.known, ...config.knownSecrets]);
  const opening = new Opening(
    config,
    { sessionId, agent: options.agent, cwd: options.cwd, additionalDirectories, secrets, redact },
    { reported: NOTHING_REPORTED, wishes: NO_WISHES },
  );
  session.client = options.client ?? null;
  session.become('create', { kind: 'starting', abort, opening });
  const client = options.client ?? config.clientFor(options.agent);
  const authMethod = agents.authMethod(options.agent);
  try {
    const stored = await withAgent(
      {
        config,
        name: options.agent,
        cwd: options.cwd,
        env: secrets.env,
        sessionId,
        signal: options.signal ? AbortSignal.any([abort.signal, options.signal]) : abort.signal,
        client,
        listener: session.listener(opening),
        spare: agents.takeSpare(options.agent, secrets.env, client),
        onAgent: (agent) => (opening.agent = agent),
        failure: () => opening.failure,
        redact,
      },
      async (agent) => {
        const params = { cwd: options.cwd, mcpServers: secrets.mcpServers, additionalDirectories };
        const made = await newAgentSession(agent, config, params, authMethod);
        opening.nameAgentSession(made.agentSessionId);
        return made;
      },
      (made, agent) => {
        opening.reported = withAnswer(opening.reported, made.settings);
        const unsupported = additionalDirectories.length > 0 && !agent.facts.additionalDirectories;
        const { agentMs } = agent.connection;
        const report = reportOf({
          tier: 'new',
          attempts: [{ method: 'session/new', outcome: 'ok', evidence: 'a new session', ms: Math.round(agentMs) }],
          agentSessionId: made.agentSessionId,
          previousAgentSessionId: null,
          settings: {
            restored: [],
            failed: unsupported ? [{ id: 'additionalDirectories', reason: 'the agent does not support them' }] : [],
          },
          began,
          agentMs,
        });
        return insertSession(parts, session, opening, options, redact(report));
      },
    );
    session.secrets = secrets;
    return stored;
  } catch (error) {
    if (session.state.kind === 'starting') session.become('failed', { kind: 'asleep' });
    throw error;
  }
}

/** The row, its lease and its first events, all in one batch; then what came early follows. */
async function insertSession(
  parts: HostParts,
  session: Session,
  opening: Opening,
  options: CreateOptions,
  report: ResumeReport,
): Promise<StoredSession> {
  const { config, store, subscriptions, lease } = parts;
  const { database, limits, clock } = config;
  const { sessionId } = session;
  const { redact } = opening.context;
  const agentSessionId = opening.agentSessionId as string;
  const { facts } = opening.agent!;
  const now = clock();
  const fence: Fence = { sessionId, owner: lease.self, generation: 1 };
  const fresh: NewEvent[] = [
    { kind: 'resumed', turnId: null, at: now, origin: 'host', payload: report },
    ...updateEvents(opening.newsSince(NOTHING_REPORTED), null, 'agent', now),
  ];
  const events = fresh.map((event, index) => ({ ...event, seq: index + 1 }) as SessionEvent);
  const written = opening.reported;
  const known = updateLastKnown(
    sessionId,
    redact({ ...reportedColumns(written), wishes: NO_WISHES, capabilities: facts.capabilities, agent_info: facts.info }),
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
  const log = openLog(parts, { fence, latestSeq: events.length, redact, onLost: (reason) => session.fail(reason) });
  subscriptions.publish(sessionId, events);
  session.opened(opening, log, { kind: 'proven' }, report);
  // What the agent said of its state while the batch was on its way.
  const since = opening.newsSince(written);
  if (since.length > 0)
    log.writer.push(
      { events: updateEvents(since, null, 'agent', clock()), said: true, lastKnown: reportedColumns(opening.reported) },
      session.keepUnwritten,
    );
  session.hearHeld(opening);
  return stored;
}

export function exists(sessionId: string): RehydrateError {
  return new RehydrateError(
    'session_exists',
    `There is a session "${sessionId}" already. Prompt it, delete it first, or choose another id.`,
    { sessionId },
  );
}
