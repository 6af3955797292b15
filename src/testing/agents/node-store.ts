/** The agents' store on disk: one JSON-lines file a session, appended to, in a directory of its own. */
import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { SessionHead, SessionStore, StoredEntry, StoredSession } from './store.ts';

type Line = { readonly head: SessionHead } | { readonly entry: StoredEntry };

/**
 * Opens the store in `directory`, which is made when first written to. Deleting the directory while the
 * agent runs loses its sessions, as it does for real agents.
 */
export function directoryStore(directory: string): SessionStore {
  // Ids are our own UUIDs, but a client may ask for any: encode, so that none can leave the directory.
  const file = (sessionId: string) => path.join(directory, `${encodeURIComponent(sessionId).slice(0, 200)}.jsonl`);
  const flagFile = (name: string) => path.join(directory, `${encodeURIComponent(name)}.flag`);
  const write = (sessionId: string, lines: readonly Line[]) => {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    appendFileSync(file(sessionId), lines.map((line) => `\n${JSON.stringify(line)}`).join(''), { mode: 0o600 });
  };
  const read = (name: string): StoredSession | null => {
    if (!existsSync(name)) return null;
    let head: SessionHead | null = null;
    const entries: StoredEntry[] = [];
    for (const text of readFileSync(name, 'utf8').split('\n')) {
      const line = parseLine(text);
      if (line && 'head' in line) head = line.head;
      else if (line) entries.push(line.entry);
    }
    return head ? { ...(head as SessionHead), entries } : null;
  };

  return {
    async get(sessionId) {
      return read(file(sessionId));
    },
    async list() {
      if (!existsSync(directory)) return [];
      const names = readdirSync(directory).filter((name) => name.endsWith('.jsonl'));
      const sessions = names.map((name) => read(path.join(directory, name))).filter((session) => session !== null);
      return sessions.map(({ entries: _, ...head }) => head).sort((a, b) => a.sessionId.localeCompare(b.sessionId));
    },
    async put(head) {
      write(head.sessionId, [{ head }]);
    },
    async append(sessionId, entries) {
      write(
        sessionId,
        entries.map((entry) => ({ entry })),
      );
    },
    async delete(sessionId) {
      rmSync(file(sessionId), { force: true });
    },
    async flag(name) {
      return existsSync(flagFile(name));
    },
    async setFlag(name, value) {
      if (!value) return rmSync(flagFile(name), { force: true });
      mkdirSync(directory, { recursive: true, mode: 0o700 });
      writeFileSync(flagFile(name), '', { mode: 0o600 });
    },
    async clear() {
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** A line cut off by a crash is dropped. Each write starts with a newline, so that it harms no other. */
function parseLine(text: string): Line | null {
  if (text === '') return null;
  try {
    return JSON.parse(text) as Line;
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}
