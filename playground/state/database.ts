/** The database that is open: which branch of it, who reads it, and what is done when it does not open or cannot be kept. */
import { signal } from '@preact/signals';
import type { Host } from '../../src/engine/index.ts';
import { SqlError } from '../../src/engine/ports.ts';
import type { Platform, PlaygroundDatabase, TabRole } from '../platform/index.ts';
import { openReader } from './session.ts';
import type { Visits } from './visits.ts';
import { errorWords } from './words.ts';

/** A database that was here before and does not open now. Nothing is begun in its place until the person says so. */
interface Unopened {
  readonly why: string;
  /** It is damaged: what can be read of it can be saved as a file. */
  readonly damaged: boolean;
}

/** Those who show what is in the database, and write it. */
export interface DatabaseUsers {
  /** They let go of the one that is open. */
  leave(): Promise<void>;
  use(database: PlaygroundDatabase): void;
  /** Something was committed, in this tab or another; `notes` say what. */
  committed(notes: readonly string[]): void;
}

const LEFT = 'The page was left before its database was open.';

export class DatabaseSession {
  /** The fork or import that is shown; null is the main line. */
  readonly branch = signal<string | null>(null);
  readonly role = signal<TabRole | null>(null);
  /** Why what is committed is not kept; null while it is. */
  readonly warning = signal<string | null>(null);
  readonly durable = signal(true);
  readonly unopened = signal<Unopened | null>(null);
  /** The person's word on a database that does not open. */
  answer: (answer: 'again' | 'memory' | 'stop') => void = () => undefined;
  readonly #platform: Platform;
  readonly #visits: Visits;
  readonly #users: DatabaseUsers;
  #open: { readonly database: PlaygroundDatabase; readonly reader: Host } | null = null;
  #unwatch: () => void = () => undefined;
  #closed = false;

  constructor(platform: Platform, visits: Visits, users: DatabaseUsers) {
    this.#platform = platform;
    this.#visits = visits;
    this.#users = users;
  }

  get database(): PlaygroundDatabase | null {
    return this.#open?.database ?? null;
  }
  get reader(): Host | null {
    return this.#open?.reader ?? null;
  }

  /** Opens a branch, with `bytes` as what it begins with, and shows it. One that no host can read, or that its users are not free for, is closed again. */
  async open(branch: string | null, bytes?: Uint8Array): Promise<void> {
    const database = bytes ? await this.#platform.openDatabase(branch, bytes) : await this.#openKept(branch);
    let reader: Host | null = null;
    try {
      reader = await openReader(database);
      if (!this.#closed) await this.#users.leave();
      if (this.#closed) throw new Error(LEFT);
    } catch (error) {
      await reader?.sleep();
      await database.close();
      throw error;
    }
    const before = this.#open;
    this.#unwatch();
    this.#open = { database, reader };
    this.branch.value = branch;
    this.warning.value = database.warning && `${database.warning} The session goes on in memory, and is lost with this page.`;
    this.durable.value = database.durable;
    const ends = [database.onRole((role) => (this.role.value = role)), database.onCommit((notes) => this.#users.committed(notes))];
    this.#unwatch = () => ends.forEach((end) => end());
    this.#users.use(database);
    // What was opened with the last database is let go with it.
    await before?.reader.sleep();
    await before?.database.close();
  }

  /** For good: what is still on its way to being opened is closed when it comes. */
  async close(): Promise<void> {
    this.#closed = true;
    this.answer('stop');
    this.#unwatch();
    try {
      await this.reader?.sleep();
    } finally {
      await this.database?.close();
    }
  }

  /**
   * A branch as it is kept. Where this browser is known to hold sessions and its storage does not open, an
   * empty database would look as if nothing had ever been there: the person decides.
   */
  async #openKept(branch: string | null): Promise<PlaygroundDatabase> {
    for (;;) {
      const found = await this.#tryOpen(branch);
      const isOpen = 'query' in found;
      if (isOpen && (found.warning === null || !this.#visits.holds(branch))) return found;
      if (isOpen) await found.close();
      const unopened = isOpen ? { why: found.warning!, damaged: false } : found;
      const { promise, resolve } = Promise.withResolvers<'again' | 'memory' | 'stop'>();
      this.answer = resolve;
      this.unopened.value = unopened;
      const answer = this.#closed ? 'stop' : await promise;
      this.unopened.value = null;
      if (answer === 'stop') throw new Error(LEFT);
      if (answer === 'again') continue;
      this.#visits.suspend();
      return this.#platform.openInMemory(`What this browser holds could not be opened: ${unopened.why} Reload the page to try again.`);
    }
  }

  async #tryOpen(branch: string | null): Promise<PlaygroundDatabase | Unopened> {
    try {
      return await this.#platform.openDatabase(branch);
    } catch (error) {
      // What is no fault of the storage, SQLite that did not load say, is told by the page's start.
      if (!(error instanceof SqlError)) throw error;
      return { why: errorWords(error), damaged: error.kind === 'corrupt' };
    }
  }
}
