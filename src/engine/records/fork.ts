/** Copies a session's record into a fork. Its agent gets that record with the first prompt. */
import type { SqlDatabase } from '../ports.ts';
import { read } from '../storage/errors.ts';
import type { StoredSession } from '../storage/rows.ts';
import type { Store } from '../storage/store.ts';
import { endsOf, insertEnds, makeSession, type HiddenSession } from './copy.ts';
import { SESSION } from './portable.ts';

interface ForkRequest {
  readonly sessionId: string;
  /** The last event that is copied; 0 for none. */
  readonly after: number;
  /** Another agent makes it a handoff. */
  readonly agent: string;
  readonly cwd: string;
}

const ROWS = 256;

/** Columns that mean nothing to another agent. */
const AGENTS_OWN = ['capabilities', 'agent_info', 'modes', 'config_options', 'commands', 'wishes'];

export async function copySession(
  db: SqlDatabase,
  store: Store,
  { info }: StoredSession,
  request: ForkRequest,
  made: Pick<HiddenSession, 'maker' | 'remove'>,
): Promise<void> {
  const { sessionId, after, agent, cwd } = request;
  const isSameAgent = agent === info.agent;
  const ends = await endsOf(store, info.sessionId, after, made.maker.clock(), 'The fork begins here, in the middle of this turn.');
  // A fork at the end of the log, in the same directory, may be made by the agent itself (`session/fork`).
  const atEnd = isSameAgent && cwd === info.cwd && after === info.latestSeq && ends.length === 0;
  const [row] = await read(db, `SELECT ${Object.keys(SESSION).join(', ')} FROM acp_sessions WHERE session_id = ?`, [info.sessionId]);
  const origin = {
    kind: isSameAgent ? 'fork' : 'handoff',
    sessionId: info.sessionId,
    after,
    agent: info.agent,
    ...(atEnd && info.agentSessionId !== null ? { agentSessionId: info.agentSessionId } : {}),
  };
  const emptied = Object.fromEntries(['usage', ...(isSameAgent ? [] : AGENTS_OWN)].map((name) => [name, null]));
  const columns = { ...row, ...emptied, agent, cwd, agent_session_id: null, origin: JSON.stringify(origin) };
  const write = async (before: number) => {
    const first = info.firstSeq - 1;
    for (let from = first; from < after; from += ROWS) {
      await db.batch([
        {
          sql: `INSERT INTO acp_session_events (session_id, seq, turn_id, at, kind, origin, payload, meta)
SELECT ?, seq + ?, turn_id, at, kind, origin, payload, meta FROM acp_session_events WHERE session_id = ? AND seq > ? AND seq <= ? ORDER BY seq`,
          params: [sessionId, before - first, info.sessionId, from, Math.min(after, from + ROWS)],
        },
      ]);
    }
    const copied = Math.max(0, after - first);
    if (ends.length > 0) await db.batch(insertEnds(sessionId, before + copied, ends));
    return copied + ends.length;
  };
  await makeSession(db, { sessionId, columns, write, ...made });
}
