/** The open database, and what happens when it cannot be opened or stored. */
import { signal } from '@preact/signals';
import { SqlError, type Host } from '../../src/engine/index.ts';
import type { SqljsDatabase, TabRole } from '../../src/adapters/sqljs/index.ts';
import type { Platform } from '../platform/index.ts';
import { openReader } from './session.ts';
import type { Visits } from './visits.ts';
import { errorWords } from './words.ts';

/** A database of earlier visits that cannot be opened. It is not replaced until the person decides. */
export interface Unopened {
  readonly why: string;
  /** Whether it is corrupt: what is still readable can then be saved as a file. */
  readonly damaged: boolean;
  readonly answer: (answer: 'again' | 'memory' | 'stop') => void;
}

interface DatabaseUsers {
  leave(): Promise<void>;
  use(database: SqljsDatabase): void;
  /** Called for commits of this tab and of others. */
  committed(notes: readonly string[]): void;
}

interface Opened {
  readonly database: SqljsDatabase;
  /** Why it is in memory although it should be stored; else null. */
  readonly why: string | null;
}

const LEFT = 'The page was left before its database was open.';

export function createDatabases(platform: Platform, visits: Visits, users: DatabaseUsers) {
  /** Null for the main line. */
  const branch = signal<string | null>(null);
  const role = signal<TabRole | null>(null);
  /** Why sessions are not stored; null if they are, or need not be. */
  const warning = signal<string | null>(null);
  const durable = signal(true);
  const unopened = signal<Unopened | null>(null);
  let shown: { readonly database: SqljsDatabase; readonly reader: Host } | null = null;
  let unwatch = (): void => undefined;
  let closed = false;

  async function openStored(name: string | null, bytes?: Uint8Array): Promise<Opened> {
    const database = await platform.openDatabase(name, bytes);
    return { database, why: database.storage.kind === 'memory' ? (database.storage.reason ?? null) : null };
  }

  /** Lets the person decide if stored sessions cannot be opened: an empty database in their place would look as if they were lost. */
  async function openKept(name: string | null): Promise<Opened> {
    for (;;) {
      const found = await openStored(name).catch((error: unknown) => {
        // Any other error, such as SQLite not loading, says nothing about the storage.
        if (!(error instanceof SqlError)) throw error;
        return { why: errorWords(error), damaged: error.kind === 'corrupt' };
      });
      const isOpen = 'database' in found;
      if (isOpen && (found.why === null || !visits.holds(name))) return found;
      if (isOpen) await found.database.close();
      const why = found.why!;
      const { promise, resolve } = Promise.withResolvers<'again' | 'memory' | 'stop'>();
      unopened.value = { why, damaged: !isOpen && found.damaged, answer: resolve };
      const answer = closed ? 'stop' : await promise;
      unopened.value = null;
      if (answer === 'stop') throw new Error(LEFT);
      if (answer === 'again') continue;
      visits.suspend();
      return {
        database: await platform.openInMemory(),
        why: `What this browser holds could not be opened: ${why} Reload the page to try again.`,
      };
    }
  }

  return {
    branch,
    role,
    warning,
    durable,
    unopened,

    get database(): SqljsDatabase | null {
      return shown?.database ?? null;
    },
    get reader(): Host | null {
      return shown?.reader ?? null;
    },

    /** If no host can read the new database, or its users cannot leave the old one, the new one is closed again. */
    async open(name: string | null, bytes?: Uint8Array): Promise<void> {
      const { database, why } = bytes ? await openStored(name, bytes) : await openKept(name);
      let reader: Host | null = null;
      try {
        reader = await openReader(database);
        if (!closed) await users.leave();
        if (closed) throw new Error(LEFT);
      } catch (error) {
        await reader?.sleep();
        await database.close();
        throw error;
      }
      const before = shown;
      unwatch();
      shown = { database, reader };
      branch.value = name;
      warning.value = why && `${why} The session goes on in memory, and is lost with this page.`;
      durable.value = database.storage.kind === 'indexeddb';
      role.value = database.role;
      const ends = [database.onRole((now) => (role.value = now)), database.onCommit(({ notes = [] }) => users.committed(notes))];
      unwatch = () => ends.forEach((end) => end());
      users.use(database);
      await before?.reader.sleep();
      await before?.database.close();
    },

    /** Closes for good; a database that is still being opened is closed, too. */
    async close(): Promise<void> {
      closed = true;
      unopened.value?.answer('stop');
      unwatch();
      try {
        await shown?.reader.sleep();
      } finally {
        await shown?.database.close();
      }
    },
  };
}
