/** Starting a session: in the end it is whole in the record, or it is not there at all and no agent is left. */
import { sessionExists } from '../errors.ts';
import type { NewAgentSession } from '../protocol/agent-protocol.ts';
import { NOTHING_REPORTED } from '../protocol/reported-state.ts';
import { SqlError, type Row } from '../ports.ts';
import { storageError } from '../storage/errors.ts';
import { toSession, type StoredSession } from '../storage/rows.ts';
import {
  adoptAgentSession,
  fenceAndTouch,
  insertEvent,
  insertRow,
  updateEvents,
  updateLastKnown,
  type Fence,
} from '../storage/statements.ts';
import { sessionStatement } from '../storage/store.ts';
import type { SessionEvent } from '../types.ts';
import { AgentSession, contextOf } from './agent-session.ts';
import type { CreateOptions } from './host.ts';
import { secretValues, withoutValues } from './secrets.ts';
import { openLog, type Session } from './session.ts';
import { NOTHING_REQUESTED, reportedColumns } from './settings.ts';
import { knownOf, openedEvents, openOnAgent, type Opened } from './wake.ts';

interface Started {
  readonly stored: StoredSession;
  readonly answer: NewAgentSession['rest'] | null;
}

/** Errors: those of `Host.create`. */
export function startSession(session: Session, options: CreateOptions): Promise<Started> {
  const { env = {}, mcpServers = [], params, client, signal } = options;
  session.client = client ?? null;
  return session.open('starting', signal, async (signal) => {
    const began = performance.now();
    const secrets = secretValues(env, mcpServers);
    const agentSession = new AgentSession(
      contextOf(session.parts.config, session.sessionId, options, secrets),
      NOTHING_REPORTED,
      NOTHING_REQUESTED,
    );
    const request = { session, agentSession, params, stored: null, policy: 'auto', began } as const;
    const opened = await openOnAgent(request, signal);
    try {
      const stored = await insertSession(session, options, opened);
      session.secrets = secrets;
      session.params = params;
      return { stored, answer: opened.answer };
    } catch (error) {
      await opened.agent.end('ask', session.sessionId);
      throw error;
    }
  });
}

/** Writes the row with its lease and its first events in one batch, then what the agent said meanwhile. */
async function insertSession(
  session: Session,
  { agent, cwd, additionalDirectories = [], mcpServers = [], env = {} }: CreateOptions,
  opened: Opened,
): Promise<StoredSession> {
  const { agentSession } = opened;
  const { sessionId, parts } = session;
  const { config, store, subscriptions, self } = parts;
  const { database, limits, clock } = config;
  const { redact } = agentSession.context;
  const agentSessionId = agentSession.id;
  const now = clock();
  const fence: Fence = { sessionId, owner: self, generation: 1 };
  const before = await store.lastSeqOf(sessionId);
  const events = openedEvents(config, opened, agentSession.newsSince(NOTHING_REPORTED)).map(
    (event, index) => ({ ...event, seq: before + index + 1 }) as SessionEvent,
  );
  const written = agentSession.reported;
  const row: Row = {
    session_id: sessionId,
    agent,
    agent_session_id: agentSessionId,
    cwd,
    additional_directories: JSON.stringify(additionalDirectories),
    mcp_servers: JSON.stringify(withoutValues(mcpServers)),
    env_names: JSON.stringify(Object.keys(env)),
    latest_seq: 0,
    lease_owner: self,
    lease_generation: 1,
    created_at: now,
    updated_at: now,
  };
  const known = updateLastKnown(sessionId, redact({ ...knownOf(opened), wishes: NOTHING_REQUESTED }));
  // Whoever still follows this id follows a session that another host deleted.
  subscriptions.end(sessionId);
  let stored: StoredSession | null;
  try {
    const results = await database.batch([
      { ...insertRow('acp_sessions', row), note: 'session_created' },
      fenceAndTouch(fence, before, events.length, now + limits.leaseMs, now),
      ...adoptAgentSession(sessionId, agentSessionId, before + 1, null, now),
      ...events.map((event) => insertEvent(sessionId, event.seq, event)),
      ...(known ? [known] : []),
      sessionStatement(sessionId),
    ]);
    stored = toSession(results.at(-1)?.rows[0] as Row);
  } catch (error) {
    stored = await store.session(sessionId).catch((unread: unknown) => {
      parts.later(sessionId);
      throw unread;
    });
    // The batch may have been written, and only its answer lost.
    if (stored?.lease.owner !== self || stored.lease.generation !== 1)
      throw stored || (error instanceof SqlError && error.kind === 'constraint')
        ? sessionExists(sessionId)
        : storageError(error, `Session "${sessionId}" could not be written`);
  }
  const log = openLog(session, { fence, latestSeq: before + events.length, redact });
  subscriptions.publish(sessionId, events);
  // What the agent said of its state while the batch was on its way.
  const since = agentSession.newsSince(written);
  if (since.length > 0)
    log.writer.push(
      { events: updateEvents(since, clock()), said: true, lastKnown: reportedColumns(agentSession.reported) },
      session.keepUnwritten,
    );
  session.opened(opened, log, { kind: 'proven' });
  return stored;
}
