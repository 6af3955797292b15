/** Keeps the database panel up to date: the table shown, what changed in it, and the console. */
import { signal } from '@preact/signals';
import type { SqlDatabase } from '../../src/engine/ports.ts';
import { every, Pace } from './pace.ts';
import type { ConsoleResult } from './sql-console.ts';
import { diffTable, listTables, readTable, type Changes, type TableInfo, type TableView } from './tables.ts';

const NONE: Changes = new Map();

export class Tables {
  readonly list = signal<readonly TableInfo[]>([]);
  readonly table = signal<TableView | null>(null);
  readonly changes = signal<Changes>(NONE);
  readonly sql = signal('SELECT kind, count(*) AS n FROM acp_session_events GROUP BY kind');
  readonly result = signal<ConsoleResult | null>(null);
  readonly #pace: Pace;
  readonly #run: (sql: string) => Promise<ConsoleResult>;
  #database: Pick<SqlDatabase, 'query'> | null = null;
  #session: string | null = null;
  #name = 'acp_session_events';
  #runs = 0;

  constructor(run: (sql: string) => Promise<ConsoleResult>, onError: (error: unknown) => void) {
    this.#run = run;
    this.#pace = new Pace(() => this.#refresh(), every(400), onError);
  }

  /** Which table and session are looked at. */
  get shown(): { readonly name: string; readonly session: string | null } {
    return { name: this.#name, session: this.#session };
  }

  use(database: Pick<SqlDatabase, 'query'>): void {
    this.#database = database;
    this.table.value = null;
    this.changes.value = NONE;
  }

  focus(sessionId: string): void {
    if (sessionId === this.#session) return;
    this.#session = sessionId;
    this.table.value = null;
    this.poke();
  }

  choose(name: string): void {
    this.#name = name;
    this.changes.value = NONE;
    void this.#pace.now();
  }

  poke(): void {
    this.#pace.poke();
  }

  stop(): void {
    this.#pace.stop();
  }

  async run(): Promise<void> {
    const ticket = ++this.#runs;
    // The answer to an older query comes to nothing.
    const show = (result: ConsoleResult) => {
      if (ticket === this.#runs) this.result.value = result;
    };
    show({ kind: 'running' });
    try {
      show(await this.#run(this.sql.value));
    } catch (error) {
      show({ kind: 'error', message: error instanceof Error ? error.message : String(error) });
    }
  }

  async #refresh(): Promise<void> {
    const database = this.#database;
    if (!database) return;
    this.list.value = await listTables(database);
    if (!this.list.value.some((table) => table.name === this.#name)) return;
    const before = this.table.value;
    const after = await readTable(database, this.#name, this.#session);
    if (database !== this.#database) return;
    const changes = diffTable(before, after);
    // Marks stay until the next change, so that one has time to look.
    if (changes.size > 0 || before?.name !== after.name) this.changes.value = changes;
    this.table.value = after;
  }
}
