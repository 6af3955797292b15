/** Sessions that the agent has and the record does not: listed after the record's, and taken into the record when they are loaded. */
import { type ClientServices, type Host, type McpServer, RehydrateError, type SessionInfo } from '../engine/index.ts';

/** The prefix of cursors in the agent's own list, which follows the record's. */
const AGENTS_OWN = 'agent:';

interface Asked {
  readonly agent: string;
  readonly cwd?: string;
  readonly client: ClientServices;
  readonly signal: AbortSignal;
}

/** The agent's cursor within ours; null while ours is still in the record's list. */
export function agentCursor(cursor: unknown): string | null {
  return typeof cursor === 'string' && cursor.startsWith(AGENTS_OWN) ? cursor.slice(AGENTS_OWN.length) : null;
}

/** A page of the agent's own sessions that are not in the record. If the agent's first page fails, the list has no such sessions, but `error`. */
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

/** The session's title in the agent's own list; null if it is not found. */
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

/** Whether the agent's session was adopted and has not come yet: the one that adopted it may have been killed. */
export const isOnlyAdopted = ({ agentSessionId, firstSeq, latestSeq }: SessionInfo): boolean =>
  agentSessionId !== null && latestSeq < firstSeq;

/**
 * Takes the agent's session of this id into the record, with what the agent replays of it. Rejects with `session_not_found` when the agent does
 * not know it either, and with the errors of a resume. The record then has nothing of it. `place` is null if it was adopted before.
 */
export async function takeIn(
  host: Host,
  sessionId: string,
  asked: Omit<Asked, 'cwd'>,
  place: { readonly cwd: string; readonly mcpServers?: McpServer[] } | null,
): Promise<SessionInfo> {
  if (place) {
    const { agent } = asked;
    const title = await titleOf(host, sessionId, { ...asked, cwd: place.cwd });
    const adopted = await host.adopt({ agent, agentSessionId: sessionId, sessionId, title, ...place });
    if (adopted.sessionId !== sessionId)
      throw new RehydrateError(
        'session_not_found',
        `Session "${sessionId}" of "${agent}" is in the record as "${adopted.sessionId}". Load it by that id.`,
        { sessionId, known: adopted.sessionId },
      );
  }
  try {
    await host.resume(sessionId, { client: asked.client, signal: asked.signal });
  } catch (error) {
    const code = RehydrateError.is(error) ? error.code : null;
    // With `session_busy` another process is taking it in right now, so it can be followed.
    if (code !== 'session_busy') {
      const events = place ? await host.history(sessionId) : null;
      if (events && !events.some(({ kind }) => kind === 'update')) await host.delete(sessionId, { recordOnly: true });
      if (code !== 'session_not_resumable') throw error;
      throw new RehydrateError('session_not_found', `There is no session "${sessionId}": ${(error as Error).message}`, { sessionId });
    }
  }
  return host.get(sessionId);
}
