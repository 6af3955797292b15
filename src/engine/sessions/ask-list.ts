/** Whether the agent's own list shows a session. Only every page, asked with the session's cwd, proves absence. */
import type { AgentLink } from '../protocol/link.ts';
import type { Limits } from '../limits.ts';

export type Listed = 'present' | 'absent' | 'unknown';

export async function askList(link: AgentLink, agentSessionId: string, cwd: string, limits: Limits): Promise<Listed> {
  let cursor: string | undefined;
  const seen = new Set<string>();
  for (let page = 0; page < limits.listPages; page++) {
    const outcome = await link.call('session/list', { cwd, ...(cursor === undefined ? {} : { cursor }) }, limits.listMs);
    if (outcome.kind !== 'answered') return 'unknown';
    const { sessions, nextCursor } = (outcome.result ?? {}) as { sessions?: unknown; nextCursor?: unknown };
    if (!Array.isArray(sessions)) return 'unknown';
    if (sessions.some((session) => (session as { sessionId?: unknown } | null)?.sessionId === agentSessionId)) return 'present';
    if (nextCursor === undefined || nextCursor === null) return 'absent';
    // A cursor that is no string or comes round again never ends.
    if (typeof nextCursor !== 'string' || seen.has(nextCursor)) return 'unknown';
    seen.add(nextCursor);
    cursor = nextCursor;
  }
  return 'unknown';
}
