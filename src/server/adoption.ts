/** Sessions that the agent began without us: listed after the record's, and taken into the record when they are loaded. */
import { type ClientServices, type Host, type McpServer, RehydrateError, type SessionInfo } from '../engine/index.ts';

/** Stands before a cursor of the agent's, whose list begins where the record's ends. */
const AGENTS_OWN = 'agent:';

interface Asked {
  readonly agent: string;
  readonly cwd?: string;
  readonly client: ClientServices;
  readonly signal: AbortSignal;
}

/** The cursor of the agent's part of the list; null while it is the record's. */
export function agentCursor(cursor: unknown): string | null {
  return typeof cursor === 'string' && cursor.startsWith(AGENTS_OWN) ? cursor.slice(AGENTS_OWN.length) : null;
}

/**
 * A page of the agent's own sessions that are not in the record. An agent that cannot be asked does not hide the record's: `error` is why.
 */
export async function agentsOwn(host: Host, asked: Asked, cursor: string | null) {
  try {
    const page = await host.agentSessions({ ...asked, cursor: cursor || undefined });
    return {
      sessions: page.sessions
        .filter(({ sessionId }) => sessionId === null)
        .map(({ agentSessionId, cwd: where, title, updatedAt }) => ({
          sessionId: agentSessionId,
          ...(where === null ? {} : { cwd: where }),
          title,
          ...(updatedAt === null ? {} : { updatedAt }),
        })),
      ...(page.nextCursor === undefined ? {} : { nextCursor: AGENTS_OWN + page.nextCursor }),
    };
  } catch (error) {
    if (cursor !== null) throw error;
    return { sessions: [], error };
  }
}

/** How many pages of the agent's list are searched for a session's title. */
const LOOKED_AT = 20;

/** The session's title in the agent's own list; null where it cannot be learned. */
async function titleOf(host: Host, agentSessionId: string, asked: Asked): Promise<string | null> {
  let cursor: string | undefined;
  for (let page = 0; page < LOOKED_AT; page++) {
    const found = await host.agentSessions({ ...asked, cursor }).catch(() => null);
    const session = found?.sessions.find((each) => each.agentSessionId === agentSessionId);
    if (session) return session.title;
    cursor = found?.nextCursor;
    if (cursor === undefined) break;
  }
  return null;
}

/**
 * Takes in the agent's session of this id, with what the agent replays of it. Rejects with `session_not_found` when the agent does not know
 * it either, and with the errors of a resume; then the record has nothing of it.
 */
export async function takeIn(
  host: Host,
  sessionId: string,
  { agent, client, signal, ...place }: Asked & { readonly cwd: string; readonly mcpServers?: McpServer[] },
): Promise<SessionInfo> {
  const title = await titleOf(host, sessionId, { agent, cwd: place.cwd, client, signal });
  const adopted = await host.adopt({ agent, agentSessionId: sessionId, sessionId, title, ...place });
  if (adopted.sessionId !== sessionId)
    throw new RehydrateError(
      'session_not_found',
      `Session "${sessionId}" of "${agent}" is in the record as "${adopted.sessionId}". Load it by that id.`,
      { sessionId, known: adopted.sessionId },
    );
  try {
    await host.resume(sessionId, { client, signal });
  } catch (error) {
    const code = RehydrateError.is(error) ? error.code : null;
    // Another process takes it in now: what comes of it is followed.
    if (code !== 'session_busy') {
      const events = await host.history(sessionId);
      if (!events.some(({ kind }) => kind === 'update')) await host.delete(sessionId);
      if (code !== 'session_not_resumable') throw error;
      throw new RehydrateError('session_not_found', `There is no session "${sessionId}": ${(error as Error).message}`, { sessionId });
    }
  }
  return host.get(sessionId);
}
