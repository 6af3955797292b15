/** The database that is open: which branch of it, who reads it, and what is done when it does not open or cannot be kept. */
import { signal } from '@preact/signals';
import type { Host } from '../../src/engine/index.ts';
import { SqlError } from '../../src/engine/ports.ts';
import { describeSchema, judgeSchema } from '../../src/engine/storage/schema-check.ts';
import { SCHEMA_VERSION } from '../../src/engine/storage/schema.ts';
import type { Platform, PlaygroundDatabase, TabRole } from '../platform/index.ts';
import { openReader } from './reader.ts';
import type { Visits } from './visits.ts';
import { errorWords } from './words.ts';

/** A database that was here before and does not open now. Nothing is begun in its place until the person says so. */
export interface Unopened {
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

type Answer = 'again' | 'memory' | 'stop';

const IN_MEMORY = 'The session goes on in memory, and is lost with this page.';
export const STORAGE_FULL = 'The browser’s storage for this site is full. Make room and try the storage again, or export the database.';
const LEFT = 'The page was left before its database was open.';

export class DatabaseSession {
  /** The fork or import that is shown; null is the main line. */
  readonly branch = signal<string | null>(null);
  readonly role = signal<TabRole | null>(null);
  /** Why what is committed is not kept; null while it is. */
  readonly warning = signal<string | null>(null);
  readonly durable = signal(true);
  readonly unopened = signal<Unopened | null>(null);
  readonly #platform: Platform;
  readonly #visits: Visits;
  readonly #users: DatabaseUsers;
  #database: PlaygroundDatabase | null = null;
  #reader: Host | null = null;
  #unwatch: () => void = () => undefined;
  #answer: (answer: Answer) => void = () => undefined;
  #closed = false;
  /** The last commit that is stored, for a database that left its storage; null when that could not be read. */
  #left: number | null = null;

  constructor(platform: Platform, visits: Visits, users: DatabaseUsers) {
    this.#platform = platform;
    this.#visits = visits;
    this.#users = users;
  }

  get database(): PlaygroundDatabase | null {
    return this.#database;
  }
  get reader(): Host | null {
    return this.#reader;
  }

  /** Opens a branch, with `bytes` as what it begins with, and shows it. */
  async open(branch: string | null, bytes?: Uint8Array): Promise<void> {
    await this.adopt(bytes ? await this.#platform.openDatabase(branch, bytes) : await this.#openKept(branch), branch);
  }

  /** The person's word on a database that does not open. */
  answer(answer: 'again' | 'memory'): void {
    this.#answer(answer);
  }

  /** The browser's store is full: what is committed is safe there, and the session goes on without it. */
  async goOnInMemory(): Promise<void> {
    const database = this.#database;
    if (!database) return;
    const [bytes, journal] = await Promise.all([database.export(), database.journal()]);
    const left = journal.entries.at(-1)?.n ?? journal.base.n;
    const memory = await this.#platform.openInMemory(bytes, STORAGE_FULL);
    // The rows name this tab's host as the session's owner, and it could not write that it let go: only the same registry knows.
    await this.adopt({ ...memory, ...(database.owners ? { owners: database.owners } : {}) }, this.branch.value);
    this.#left = left;
  }

  /** Nobody has written to the storage since the session went on in memory. */
  async isUntouched(stored: PlaygroundDatabase): Promise<boolean> {
    const { base, entries } = await stored.journal();
    return this.#left !== null && this.#left === (entries.at(-1)?.n ?? base.n);
  }

  /** Makes this the database that is open. One that no host can read, or that its users are not free for, is closed again. */
  async adopt(database: PlaygroundDatabase, branch: string | null): Promise<void> {
    let reader: Host | null = null;
    try {
      reader = await openReader(database);
      if (this.#closed) throw new Error(LEFT);
      await this.#users.leave();
      if (this.#closed) throw new Error(LEFT);
    } catch (error) {
      await reader?.sleep();
      await database.close();
      throw error;
    }
    const before = [this.#reader, this.#database] as const;
    this.#unwatch();
    this.#database = database;
    this.#reader = reader;
    this.branch.value = branch;
    this.warning.value = database.warning && `${database.warning} ${IN_MEMORY}`;
    this.durable.value = database.durable;
    const ends = [database.onRole((role) => (this.role.value = role)), database.onCommit((notes) => this.#users.committed(notes))];
    this.#unwatch = () => ends.forEach((end) => end());
    this.#users.use(database);
    // What was opened with the last database is let go with it.
    await before[0]?.sleep();
    await before[1]?.close();
  }

  /** For good: what is still on its way to being opened is closed when it comes. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#answer('stop');
    this.#unwatch();
    try {
      await this.#reader?.sleep();
    } finally {
      await this.#database?.close();
    }
  }

  /**
   * A branch as it is kept. Where this browser is known to hold sessions and its storage does not open, an
   * empty database would look as if nothing had ever been there: the person decides.
   */
  async #openKept(branch: string | null): Promise<PlaygroundDatabase> {
    for (;;) {
      const found = await this.#tryOpen(branch);
      if ('database' in found && (found.database.warning === null || !this.#visits.holds(branch))) return found.database;
      const unopened: Unopened = 'database' in found ? { why: found.database.warning!, damaged: false } : found;
      if ('database' in found) await found.database.close();
      switch (await this.#ask(unopened)) {
        case 'again':
          break;
        case 'memory':
          this.#visits.suspend();
          this.#left = null;
          return this.#platform.openInMemory(null, `What this browser holds could not be opened: ${unopened.why}`);
        case 'stop':
          throw new Error(LEFT);
      }
    }
  }

  async #tryOpen(branch: string | null): Promise<Unopened | { readonly database: PlaygroundDatabase }> {
    let database: PlaygroundDatabase | undefined;
    try {
      database = await this.#platform.openDatabase(branch);
      await this.#prove(database, branch);
      return { database };
    } catch (error) {
      await database?.close();
      // What is no fault of the storage, SQLite that did not load say, is told by the page's start.
      if (!(error instanceof SqlError)) throw error;
      return { why: errorWords(error), damaged: error.kind === 'corrupt' };
    }
  }

  /** Nothing runs on a database that is not ours; rows of a file that an older page took as they were are read again. */
  async #prove(database: PlaygroundDatabase, branch: string | null): Promise<void> {
    const found = await describeSchema(database);
    // A newer one is told by the engine, with what to do.
    const verdict = found.entries.length > 0 && found.version <= SCHEMA_VERSION ? judgeSchema(found) : { ours: true as const };
    if (!verdict.ours) throw new SqlError('corrupt', `What is stored is not as this page stores it: its ${verdict.problem}.`);
    if (branch === null || this.#visits.fileOf(branch)?.read !== false) return;
    const { bytes } = await this.#platform
      .readFile(await database.export(), () => undefined)
      .catch((error: unknown) => {
        throw new SqlError('corrupt', errorWords(error));
      });
    await database.replace(bytes);
    this.#visits.wasRead(branch);
  }

  async #ask(unopened: Unopened): Promise<Answer> {
    if (this.#closed) return 'stop';
    const { promise, resolve } = Promise.withResolvers<Answer>();
    this.#answer = resolve;
    this.unopened.value = unopened;
    const answer = await promise;
    this.unopened.value = null;
    return answer;
  }
}
