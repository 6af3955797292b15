/** The agent's own `session/list`, as proof that it has a session or has not. */
import type { AgentProtocol } from '../protocol/agent-protocol.ts';
import type { Listed } from '../resume/decide.ts';
import type { Config } from './config.ts';

/** Whether the agent's own list shows a session. Only every page, asked with the session's cwd, proves absence. */
export async function askList(
  { protocol }: { readonly protocol: Pick<AgentProtocol, 'listSessions'> },
  agentSessionId: string,
  cwd: string,
  { limits }: Pick<Config, 'limits'>,
): Promise<Listed> {
  let cursor: string | undefined;
  const seen = new Set<string>();
  for (let page = 0; page < limits.listPages; page++) {
    const outcome = await protocol.listSessions(cwd, cursor, { ms: limits.listMs });
    if (outcome.kind !== 'answered' || outcome.value === null) return 'unknown';
    const { sessions, nextCursor } = outcome.value;
    if (sessions.some(({ sessionId }) => sessionId === agentSessionId)) return 'present';
    if (nextCursor === undefined) return 'absent';
    // A cursor that is not a string, or comes a second time, never ends.
    if (typeof nextCursor !== 'string' || seen.has(nextCursor)) return 'unknown';
    seen.add(nextCursor);
    cursor = nextCursor;
  }
  return 'unknown';
}
