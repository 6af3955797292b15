/** Sessions that the agent has of its own, begun without us: listed after the record's, and taken into the record when they are loaded. */
import { type ClientServices, type Host, type McpServer, RehydrateError, type SessionInfo } from '../engine/index.ts';

/** Stands before an agent's cursor, where the record's pages are over. */
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

/** A page of the agent's own sessions that the record has not got. The record's are shown also when the agent cannot be asked: `error` is why. */
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

/** How far an agent's list is looked through for the title of one session. */
const LOOKED_AT = 20;

/** What the agent's own list calls the session; null where that cannot be learned. */
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
 * Takes in the agent's session of this id, with what was said in it as far as the agent replays it. Errors: `session_not_found` when the
 * agent does not know it either, and those of a resume; then nothing is left of it in the record.
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
    // Another process takes it in at this moment: what comes of it is followed.
    if (code !== 'session_busy') {
      const events = await host.history(sessionId);
      if (!events.some(({ kind }) => kind === 'update')) await host.delete(sessionId);
      if (code !== 'session_not_resumable') throw error;
      throw new RehydrateError('session_not_found', `There is no session "${sessionId}": ${(error as Error).message}`, { sessionId });
    }
  }
  return host.get(sessionId);
}
