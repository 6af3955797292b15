/** Where a scripted agent keeps its own sessions. The host never reads it; “Delete agent store” in the playground deletes exactly this. */
import type { ContentBlock, SessionUpdate } from '@agentclientprotocol/sdk';

/** One thing that happened in a session, as it happened. */
export type StoredEntry =
  | { readonly type: 'user'; readonly messageId: string; readonly blocks: readonly ContentBlock[] }
  | { readonly type: 'agent'; readonly messageId: string; readonly text: string }
  | { readonly type: 'update'; readonly update: SessionUpdate };

export interface StoredSession {
  readonly sessionId: string;
  readonly cwd: string;
  readonly title: string | null;
  /** Milliseconds since the epoch. */
  readonly updatedAt: number;
  readonly entries: readonly StoredEntry[];
}

/** A session without its entries. */
export type SessionHead = Omit<StoredSession, 'entries'>;

/** The store port. Every write is durable when its promise resolves, as far as its medium can. */
export interface SessionStore {
  get(sessionId: string): Promise<StoredSession | null>;
  /** Heads of all sessions, the oldest first. */
  list(): Promise<readonly SessionHead[]>;
  /** Creates the session, or changes its head. */
  put(head: SessionHead): Promise<void>;
  append(sessionId: string, entries: readonly StoredEntry[]): Promise<void>;
  delete(sessionId: string): Promise<void>;
  /** Facts about the agent itself, such as that it was authenticated. */
  flag(name: string): Promise<boolean>;
  setFlag(name: string, value: boolean): Promise<void>;
  /** Forgets everything. */
  clear(): Promise<void>;
}

export type StoreLine =
  | { readonly head: SessionHead }
  | { readonly sessionId: string; readonly entry: StoredEntry }
  | { readonly deleted: string }
  | { readonly flag: string; readonly value: boolean };

/** Where a store's log is kept. What is appended is durable when the promise resolves, as far as the medium can. */
export interface StoreLog {
  read(): Promise<Iterable<StoreLine>>;
  append(lines: readonly StoreLine[]): Promise<void>;
  clear(): Promise<void>;
}

export function storeOn(log: StoreLog): SessionStore {
  const read = async () => {
    const heads = new Map<string, SessionHead>();
    // Some agents keep a session from its first prompt on: entries may come before the head.
    const entries = new Map<string, StoredEntry[]>();
    const flags = new Map<string, boolean>();
    for (const line of await log.read()) {
      if ('head' in line) heads.set(line.head.sessionId, line.head);
      else if ('entry' in line)
        entries
          .set(line.sessionId, entries.get(line.sessionId) ?? [])
          .get(line.sessionId)!
          .push(line.entry);
      else if ('flag' in line) flags.set(line.flag, line.value);
      else for (const map of [heads, entries]) map.delete(line.deleted);
    }
    return { heads, entries, flags };
  };
  return {
    async get(sessionId) {
      const { heads, entries } = await read();
      const head = heads.get(sessionId);
      return head ? { ...head, entries: entries.get(sessionId) ?? [] } : null;
    },
    list: async () => [...(await read()).heads.values()],
    put: (head) => log.append([{ head }]),
    append: (sessionId, entries) => log.append(entries.map((entry) => ({ sessionId, entry }))),
    delete: (sessionId) => log.append([{ deleted: sessionId }]),
    flag: async (name) => (await read()).flags.get(name) === true,
    setFlag: (flag, value) => log.append([{ flag, value }]),
    clear: () => log.clear(),
  };
}

/**
 * A store that lives as long as the object.
 *
 * @example
 * const agents = inProcessLauncher({ variant: 'native', store: memoryStore() });
 */
export function memoryStore(): SessionStore {
  const lines: StoreLine[] = [];
  return storeOn({
    read: async () => lines,
    append: async (more) => {
      for (const line of more) lines.push(line);
    },
    clear: async () => void (lines.length = 0),
  });
}
