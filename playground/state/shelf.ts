/** The database that is open: which branch of it, who reads it, and what is done when it cannot be kept. */
import { signal } from '@preact/signals';
import type { Host } from '../../src/engine/index.ts';
import { SqlError } from '../../src/engine/ports.ts';
import { describeSchema, judgeSchema } from '../../src/engine/storage/schema-check.ts';
import { SCHEMA_VERSION } from '../../src/engine/storage/schema.ts';
import type { PlaygroundDatabase, TabRole } from './platform.ts';
import { openReader } from './reader.ts';
import type { Playground } from './store.ts';
import { errorWords } from './words.ts';

/** A database that was here before and does not open now. Nothing is begun in its place until the person says so. */
export interface Unopened {
  readonly why: string;
  /** It is damaged: what can be read of it can be saved as a file. */
  readonly damaged: boolean;
}

type Answer = 'again' | 'memory' | 'stop';

const IN_MEMORY = 'The session goes on in memory, and is lost with this page.';
const FULL = 'The browser’s storage for this site is full. Make room and try the storage again, or export the database.';

export class Shelf {
  /** The fork or import that is shown; null is the main line. */
  readonly branch = signal<string | null>(null);
  readonly role = signal<TabRole | null>(null);
  /** Why what is committed is not kept; null while it is. */
  readonly warning = signal<string | null>(null);
  readonly durable = signal(true);
  readonly unopened = signal<Unopened | null>(null);
  readonly #pg: Playground;
  #database: PlaygroundDatabase | null = null;
  #reader: Host | null = null;
  #unwatch: () => void = () => undefined;
  #answer: (answer: Answer) => void = () => undefined;
  /** The last commit that is stored, for a database that left its storage; null when that could not be read. */
  #left: number | null = null;

  constructor(pg: Playground) {
    this.#pg = pg;
  }

  get database(): PlaygroundDatabase | null {
    return this.#database;
  }
  get reader(): Host | null {
    return this.#reader;
  }

  /** Opens a branch, with `bytes` as what it begins with, and shows it. */
  async open(branch: string | null, bytes?: Uint8Array): Promise<void> {
    await this.#adopt(bytes ? await this.#pg.platform.openDatabase(branch, bytes) : await this.#openKept(branch), branch);
  }

  /** The person's word on a database that does not open. */
  answer(answer: 'again' | 'memory'): void {
    this.#answer(answer);
  }

  /** Saves what can be read of a damaged database. Changes nothing. */
  async salvage(): Promise<void> {
    await this.#pg.attempt(async () => {
      const { bytes, problem } = await this.#pg.platform.salvage(this.#pg.places.branch);
      this.#pg.platform.download('rehydrate-playground-salvaged.sqlite', bytes);
      this.#pg.note.value = `Everything up to the damage is in the file${problem ? `: ${problem}` : '.'}`;
    });
  }

  /** The browser's store is full: what is committed is safe there, and the session goes on without it. */
  async goOnInMemory(): Promise<void> {
    const database = this.#database;
    if (!database) return;
    const [bytes, journal] = await Promise.all([database.export(), database.journal()]);
    const left = journal.entries.at(-1)?.n ?? journal.base.n;
    const memory = await this.#pg.platform.openInMemory(bytes, FULL);
    // The rows name this tab's host as the session's owner, and it could not write that it let go: only the same registry knows.
    await this.#adopt({ ...memory, ...(database.owners ? { owners: database.owners } : {}) }, this.branch.value);
    this.#left = left;
    await this.#pg.keeper.wake();
  }

  /** Brings what is in memory back into the browser's storage. What another tab stored meanwhile stays as it is. */
  async store(): Promise<void> {
    const pg = this.#pg;
    const memory = this.#database;
    if (!memory || this.durable.value) return;
    const branch = this.branch.value;
    await pg.attempt(async () => {
      const stored = await pg.platform.openDatabase(branch);
      try {
        if (!stored.durable) throw new Error(stored.warning ?? FULL);
        const { base, entries } = await stored.journal();
        const untouched = this.#left !== null && this.#left === (entries.at(-1)?.n ?? base.n);
        await pg.keeper.sleep();
        const bytes = await memory.export();
        if (!untouched) {
          await stored.close();
          pg.places.resume();
          await pg.branches.branchOff(
            'from memory',
            { sessionId: pg.sessionId.value, agentSessionId: null, file: pg.places.fileOf(branch) },
            bytes,
          );
          pg.note.value = 'What was in memory is stored as a fork, beside what the storage held. Return to now shows that.';
          return;
        }
        await stored.replace(bytes);
      } catch (error) {
        await stored.close();
        throw error;
      }
      await this.#adopt(stored, branch);
      await pg.keeper.wake();
      await pg.watch.settle();
      pg.note.value = 'Stored. The session is durable again.';
    });
  }

  async close(): Promise<void> {
    this.#answer('stop');
    this.#unwatch();
    await this.#reader?.sleep();
    await this.#database?.close();
  }

  /**
   * A branch as it is kept. Where this browser is known to hold sessions and its storage does not open, an
   * empty database would look as if nothing had ever been there: the person decides.
   */
  async #openKept(branch: string | null): Promise<PlaygroundDatabase> {
    const { platform, places } = this.#pg;
    for (;;) {
      const found = await this.#tryOpen(branch);
      if ('database' in found && (found.database.warning === null || !places.holds(branch))) return found.database;
      const unopened: Unopened = 'database' in found ? { why: found.database.warning!, damaged: false } : found;
      if ('database' in found) await found.database.close();
      switch (await this.#ask(unopened)) {
        case 'again':
          break;
        case 'memory':
          places.suspend();
          this.#left = null;
          return platform.openInMemory(null, `What this browser holds could not be opened: ${unopened.why}`);
        case 'stop':
          throw new Error('The page was left before its database was open.');
      }
    }
  }

  async #tryOpen(branch: string | null): Promise<Unopened | { readonly database: PlaygroundDatabase }> {
    let database: PlaygroundDatabase | undefined;
    try {
      database = await this.#pg.platform.openDatabase(branch);
      await this.#trusted(database, branch);
      return { database };
    } catch (error) {
      await database?.close();
      // What is no fault of the storage, SQLite that did not load say, is told by the page's start.
      if (!(error instanceof SqlError)) throw error;
      return { why: errorWords(error), damaged: error.kind === 'corrupt' };
    }
  }

  /** Nothing runs on a database that is not ours; rows of a file that an older page took as they were are read again. */
  async #trusted(database: PlaygroundDatabase, branch: string | null): Promise<void> {
    const { places, platform } = this.#pg;
    const { entries, ...found } = await describeSchema(database);
    // A newer one is told by the engine, with what to do.
    if (entries.length > 0 && found.version <= SCHEMA_VERSION) {
      const verdict = judgeSchema({ entries, ...found });
      if (!verdict.ours) throw new SqlError('corrupt', `What is stored is not as this page stores it: its ${verdict.problem}.`);
    }
    if (branch === null || places.fileOf(branch)?.read !== false) return;
    const { bytes } = await platform
      .readFile(await database.export(), () => undefined)
      .catch((error: unknown) => {
        throw new SqlError('corrupt', errorWords(error));
      });
    await database.replace(bytes);
    places.wasRead(branch);
  }

  async #ask(unopened: Unopened): Promise<Answer> {
    const { promise, resolve } = Promise.withResolvers<Answer>();
    this.#answer = resolve;
    this.unopened.value = unopened;
    const answer = await promise;
    this.unopened.value = null;
    return answer;
  }

  async #adopt(database: PlaygroundDatabase, branch: string | null): Promise<void> {
    const pg = this.#pg;
    // Nothing of what is shown is touched for a file that no host can read.
    const reader = await openReader(database).catch(async (error: unknown) => {
      await database.close();
      throw error;
    });
    await pg.time.close();
    await pg.keeper.use(database);
    this.#unwatch();
    // What was opened with the last database is let go with it.
    await this.#reader?.sleep();
    await this.#database?.close();
    this.#database = database;
    this.#reader = reader;
    this.branch.value = branch;
    this.warning.value = database.warning && `${database.warning} ${IN_MEMORY}`;
    this.durable.value = database.durable;
    pg.watch.forget();
    pg.tables.use(database);
    pg.time.use(database);
    const unwatchRole = database.onRole((role) => (this.role.value = role));
    const unwatchCommits = database.onCommit(() => {
      pg.watch.poke();
      pg.tables.poke();
    });
    this.#unwatch = () => {
      unwatchRole();
      unwatchCommits();
    };
    pg.watch.pokeTimeline();
    pg.tables.poke();
  }
}
