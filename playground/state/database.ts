/** The database that is open: which branch of it, who reads it, and what is done when it does not open or cannot be kept. */
import { signal } from '@preact/signals';
import { SqlError, type Host } from '../../src/engine/index.ts';
import type { SqljsDatabase, TabRole } from '../../src/adapters/sqljs/index.ts';
import type { Platform } from '../platform/index.ts';
import { openReader } from './session.ts';
import type { Visits } from './visits.ts';
import { errorWords } from './words.ts';

/** A database that was here before and does not open now. Nothing is begun in its place until the person says so. */
interface Unopened {
  readonly why: string;
  /** It is damaged: what can be read of it can be saved as a file. */
  readonly damaged: boolean;
  /** The person's word on it. */
  readonly answer: (answer: 'again' | 'memory' | 'stop') => void;
}

interface DatabaseUsers {
  leave(): Promise<void>;
  use(database: SqljsDatabase): void;
  /** Something was committed, in this tab or another; `notes` say what. */
  committed(notes: readonly string[]): void;
}

interface Opened {
  readonly database: SqljsDatabase;
  /** Why nothing in it is kept, where it was to be. */
  readonly why: string | null;
}

const LEFT = 'The page was left before its database was open.';

export function createDatabases(platform: Platform, visits: Visits, users: DatabaseUsers) {
  /** The fork or import that is shown; null is the main line. */
  const branch = signal<string | null>(null);
  const role = signal<TabRole | null>(null);
  /** Why what is committed is not kept; null while it is. */
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

  /**
   * A branch as it is kept. Where this browser is known to hold sessions and its storage does not open, an
   * empty database would look as if nothing had ever been there: the person decides.
   */
  async function openKept(name: string | null): Promise<Opened> {
    for (;;) {
      const found = await openStored(name).catch((error: unknown) => {
        // What is not the storage's fault, such as SQLite that did not load, is told by the page's start.
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

    /** Opens a branch, with `bytes` as what it begins with, and shows it. One that no host can read, or that its users are not free for, is closed again. */
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
      // What was opened with the last database is let go with it.
      await before?.reader.sleep();
      await before?.database.close();
    },

    /** For good: what is still on its way to being opened is closed when it comes. */
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
