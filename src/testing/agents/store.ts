/**
 * Where a scripted agent keeps its own sessions. It is the agent's private business: the host never
 * reads it, and “Delete agent store” in the playground is the loss of exactly this.
 */
import type { ContentBlock, SessionUpdate } from '@agentclientprotocol/sdk';

/** One thing that happened in a session, kept as it happened. */
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

/** What changes in a session's head. */
export type SessionHead = Omit<StoredSession, 'entries'>;

/** The store port. Every write is durable when its promise resolves, as far as its medium can. */
export interface SessionStore {
  get(sessionId: string): Promise<StoredSession | null>;
  /** Heads of all sessions, oldest id first. */
  list(): Promise<readonly SessionHead[]>;
  /** Creates the session, or changes its head. */
  put(head: SessionHead): Promise<void>;
  append(sessionId: string, entries: readonly StoredEntry[]): Promise<void>;
  delete(sessionId: string): Promise<void>;
  /** Small facts about the agent itself, such as that it was authenticated. */
  flag(name: string): Promise<boolean>;
  setFlag(name: string, value: boolean): Promise<void>;
  /** Forgets everything. */
  clear(): Promise<void>;
}

/**
 * A store that lives as long as the object.
 *
 * @example
 * const agents = inProcessLauncher({ variant: 'native', store: memoryStore() });
 */
export function memoryStore(): SessionStore {
  const heads = new Map<string, SessionHead>();
  const entries = new Map<string, StoredEntry[]>();
  const flags = new Set<string>();
  return {
    async get(sessionId) {
      const head = heads.get(sessionId);
      return head ? { ...head, entries: [...(entries.get(sessionId) ?? [])] } : null;
    },
    async list() {
      return [...heads.values()];
    },
    async put(head) {
      heads.set(head.sessionId, head);
    },
    async append(sessionId, more) {
      const list = entries.get(sessionId) ?? [];
      list.push(...more);
      entries.set(sessionId, list);
    },
    async delete(sessionId) {
      heads.delete(sessionId);
      entries.delete(sessionId);
    },
    async flag(name) {
      return flags.has(name);
    },
    async setFlag(name, value) {
      if (value) flags.add(name);
      else flags.delete(name);
    },
    async clear() {
      heads.clear();
      entries.clear();
      flags.clear();
    },
  };
}
