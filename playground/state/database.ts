/** The database that is open, and what is done when it does not open or cannot be kept. */
import { signal } from '@preact/signals';
import { SqlError, type Host } from '../../src/engine/index.ts';
import type { SqljsDatabase, TabRole } from '../../src/adapters/sqljs/index.ts';
import type { Platform } from '../platform/index.ts';
import { openReader } from './session.ts';
import type { Visits } from './visits.ts';
import { errorWords } from './words.ts';

/** A database of earlier visits that does not open. Nothing replaces it until the person says so. */
export interface Unopened {
  readonly why: string;
  /** What can be read of it can be saved as a file. */
  readonly damaged: boolean;
  readonly answer: (answer: 'again' | 'memory' | 'stop') => void;
}

interface DatabaseUsers {
  leave(): Promise<void>;
  use(database: SqljsDatabase): void;
  /** In this tab or another. */
  committed(notes: readonly string[]): void;
}

interface Opened {
  readonly database: SqljsDatabase;
  /** Why it keeps nothing, where it was to. */
  readonly why: string | null;
}

const LEFT = 'The page was left before its database was open.';

export function createDatabases(platform: Platform, visits: Visits, users: DatabaseUsers) {
  /** Null is the main line. */
  const branch = signal<string | null>(null);
  const role = signal<TabRole | null>(null);
  /** Why nothing is kept; null while it is. */
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

  /** Where this browser holds sessions that cannot be opened, an empty database would look as if they were gone: the person decides. */
  async function openKept(name: string | null): Promise<Opened> {
    for (;;) {
      const found = await openStored(name).catch((error: unknown) => {
        // SQLite that did not load is no fault of the storage.
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

    /** A database that no host can read, or whose users are not free, is closed again. */
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

    /** For good, and for what is still being opened. */
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
