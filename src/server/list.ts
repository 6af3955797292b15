/** The pages of `session/list`: the record's sessions of one agent, the last changed first, then (with `adopt`) the agent's own. */
import type { ClientServices, Host, SessionInfo } from '../engine/index.ts';
import { keepLatest } from '../engine/protocol/bounded.ts';
import { isoTime } from '../engine/safe-text.ts';
import { agentCursor, agentsOwn } from './adoption.ts';
import type { Params } from './connection.ts';
import { failureOf } from './errors.ts';
import { given } from './params.ts';

/** How many events are searched for a session's first prompt, and how much of that is used as a title. */
const FIRST_EVENTS = 16;
const TITLE_CHARS = 80;

/** How many lists of one client are remembered. */
const LISTS_KEPT = 16;

/** What the client was told of a list, and when the newest of that had changed. */
interface Begun {
  readonly told: Set<string>;
  readonly newest: number;
}

interface Listed {
  readonly agent: string;
  readonly adopt: boolean;
  /** The size of a page. */
  readonly limit: number;
}

export function createList(host: Host, { agent, adopt, limit }: Listed) {
  /** The lists that the client is reading, by the cursor of the next page. */
  const lists = new Map<string, Begun>();

  /** Sessions that moved to the front of the list, because they changed after the client got the first page. */
  async function missed(where: Params, { told, newest }: Begun): Promise<SessionInfo[]> {
    const found: SessionInfo[] = [];
    let cursor: string | undefined;
    do {
      const page = await host.list({ agent, ...given(where, 'cwd'), cursor, limit });
      const changed = page.sessions.filter(({ updatedAt }) => updatedAt >= newest);
      found.push(...changed.filter(({ sessionId }) => !told.has(sessionId)));
      cursor = changed.length < page.sessions.length ? undefined : page.nextCursor;
    } while (cursor !== undefined);
    return found;
  }

  return async (params: Params, client: { readonly client: ClientServices; readonly signal: AbortSignal }) => {
    const asked = { agent, ...client, ...given(params, 'cwd') };
    const ofAgent = adopt ? agentCursor(params['cursor']) : null;
    if (ofAgent !== null) return agentsOwn(host, asked, ofAgent);
    const { sessions: page, nextCursor } = await host.list({ agent, ...given(params, 'cwd', 'cursor'), limit });
    const cursor = (params['cursor'] ?? null) as string | null;
    const begun = cursor === null ? { told: new Set<string>(), newest: page[0]?.updatedAt ?? 0 } : lists.get(cursor);
    for (const { sessionId } of page) begun?.told.add(sessionId);
    if (cursor !== null) lists.delete(cursor);
    if (begun && nextCursor !== undefined) keepLatest(lists, nextCursor, begun, LISTS_KEPT);
    // A list that this connection has not begun is read to its end as it is.
    const infos = cursor === null || !begun || nextCursor !== undefined ? page : [...page, ...(await missed(params, begun))];
    const sessions = await Promise.all(infos.map((info) => listed(host, info)));
    if (nextCursor !== undefined) return { sessions, nextCursor };
    if (!adopt) return { sessions };
    const { sessions: more, error, ...rest } = await agentsOwn(host, asked, null);
    const _meta = { rehydrate: { error: failureOf(error) } };
    return { sessions: [...sessions, ...more], ...rest, ...(error === undefined ? {} : { _meta }) };
  };
}

async function listed(host: Host, info: SessionInfo): Promise<object> {
  const { sessionId, cwd, additionalDirectories: others, updatedAt } = info;
  const additionalDirectories = others.length > 0 ? { additionalDirectories: others } : {};
  return { sessionId, cwd, ...additionalDirectories, title: await titleOf(host, info), updatedAt: isoTime(updatedAt) };
}

/** The title, or if the agent gave none, the beginning of the first prompt, so that a person recognises the session in a list. */
async function titleOf(host: Host, { sessionId, title }: SessionInfo): Promise<string | null> {
  if (title !== null) return title;
  for (const { kind, payload } of await host.history(sessionId, { limit: FIRST_EVENTS })) {
    if (kind !== 'update' || payload.sessionUpdate !== 'user_message_chunk' || payload.content.type !== 'text') continue;
    const line = payload.content.text.trim().split('\n', 1)[0] as string;
    if (line !== '') return line.length > TITLE_CHARS ? `${[...line].slice(0, TITLE_CHARS).join('')} …` : line;
  }
  return null;
}
