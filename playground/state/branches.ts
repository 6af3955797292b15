/** The past and the branches off it: looking back, forks, imports, exports, and the end of everything. */
import { signal } from '@preact/signals';
import { Refused, sizeProblem } from './import-file.ts';
import type { BranchMemory } from './memory.ts';
import { label } from './shown-text.ts';
import type { Playground } from './store.ts';
import { errorWords } from './words.ts';

/** What Reset would delete; null where it cannot be read. */
export interface Inventory {
  readonly stored: { readonly sessions: number; readonly events: number } | null;
  readonly forks: number;
}

export class Branches {
  /** What Reset could not delete, and why; null before it tried, and when it could. */
  readonly undeleted = signal<readonly string[] | null>(null);
  /** The file that is being read, or why the last one was not opened. */
  readonly importing = signal<{ readonly name: string; readonly rows: number; readonly problem: string | null } | null>(null);
  readonly #pg: Playground;
  #busy = false;

  constructor(pg: Playground) {
    this.#pg = pg;
  }

  /** Shows a moment; null is now. */
  async seek(index: number | null): Promise<void> {
    const { time, shelf, sessionId, tables } = this.#pg;
    await this.#pg.attempt(() => time.seek(index, shelf.database, sessionId.value, tables.shown));
  }

  /** Which table the database panel shows, now or at the moment looked at. */
  async showTable(name: string): Promise<void> {
    this.#pg.tables.choose(name);
    if (this.#pg.time.at.value !== null) await this.seek(this.#pg.time.at.value);
  }

  /** A branch of the whole database from the moment shown. */
  async fork(): Promise<void> {
    const pg = this.#pg;
    await this.#alone(async () => {
      const past = pg.time.past.value;
      if (!past) return;
      const bytes = await past.database.export();
      const info = past.view.info;
      await this.branchOff(
        '',
        { ...this.#origin(), sessionId: info?.sessionId ?? null, agentSessionId: info?.agentSessionId ?? null },
        bytes,
      );
      pg.note.value =
        'This is a fork. The agent’s own session stays with the main line, so the next prompt brings the record along instead.';
    });
  }

  /** Leaves the past; from a fork, back to the main line. */
  async returnToNow(): Promise<void> {
    const pg = this.#pg;
    await this.#alone(async () => {
      if (pg.inPast.value) {
        await pg.time.close();
        return;
      }
      if (pg.shelf.branch.value === null) return;
      await pg.shelf.open(null);
      pg.places.remember(() => ({ branch: null }));
      await pg.places.goTo(pg.places.here(), 'start');
      pg.note.value = null;
    });
  }

  async exportBytes(): Promise<Uint8Array> {
    await this.#pg.opened;
    return this.#pg.shelf.database!.export();
  }

  async exportDatabase(): Promise<void> {
    await this.#pg.attempt(async () => this.#pg.platform.download('rehydrate-playground.sqlite', await this.exportBytes()));
  }

  /** Opens a database file as a branch, so that nothing here is lost by it. What cannot be opened is said beside the button. */
  async importDatabase(file: { readonly name: string; readonly size: number; bytes(): Promise<Uint8Array> }): Promise<void> {
    const pg = this.#pg;
    if (this.importing.value?.problem === null) return;
    const show = (rows: number, problem: string | null = null) => (this.importing.value = { name: file.name, rows, problem });
    show(0);
    await this.#alone(async () => {
      try {
        await pg.opened;
        const problem = sizeProblem(file.size);
        if (problem) throw new Refused(problem);
        const { bytes, sessions } = await pg.platform.readFile(await file.bytes(), show);
        const from = { name: label(file.name, 'a file', 80), read: true, sent: [] };
        await this.branchOff(from.name, { sessionId: null, agentSessionId: null, file: from }, bytes);
        const newest = pg.sessions.value[0];
        if (newest) await pg.places.chooseSession(newest.sessionId);
        pg.note.value = `The file is open as a copy${sessions > 0 ? ', showing its newest session' : '; it holds no session'}. Return to now brings back what was here.`;
        this.importing.value = null;
      } catch (error) {
        show(0, errorWords(error));
      }
    });
  }

  /** Where the rows of the branch that is shown come from. */
  #origin(): Pick<BranchMemory, 'file'> {
    return { file: this.#pg.places.fileOf(this.#pg.shelf.branch.value) };
  }

  /** Goes on in a new branch that begins with these bytes. `kind` alone is its name where that is free, or one with a number. */
  async branchOff(kind: string, from: Omit<BranchMemory, 'name'>, bytes: Uint8Array): Promise<void> {
    const { places, platform, play, shelf } = this.#pg;
    const progress = from.sessionId === null ? [] : play.progress.value;
    const branch: BranchMemory = {
      ...from,
      name: freeName(
        kind,
        places.branches.map(({ name }) => name),
      ),
    };
    // Taken before it is opened: another tab that branches off now takes another name, and keeps its rows.
    places.remember(({ branches }) => ({ branches: [...branches, branch] }));
    try {
      await shelf.open(branch.name, bytes);
    } catch (error) {
      places.remember(({ branches }) => ({ branches: branches.filter((one) => one.name !== branch.name) }));
      await platform.deleteDatabases([branch.name]);
      throw error;
    }
    places.remember(() => ({ branch: branch.name }));
    await places.show(branch.sessionId, progress);
  }

  async inventory(): Promise<Inventory> {
    const rows = await this.#pg.shelf.database?.query(
      'SELECT count(*) AS sessions, coalesce(sum(latest_seq), 0) AS events FROM acp_sessions',
    );
    const row = rows?.[0];
    return {
      stored: row ? { sessions: Number(row['sessions']), events: Number(row['events']) } : null,
      forks: this.#pg.places.branches.length,
    };
  }

  /**
   * Deletes everything this page keeps, here and in the other tabs, and starts anew. What cannot be deleted stops nothing
   * else from being deleted, and is told before the page starts anew.
   */
  async reset(): Promise<void> {
    const { platform, places } = this.#pg;
    const names = places.branches.map((branch) => branch.name);
    platform.tabs.send({ type: 'reset' });
    await this.#pg.attempt(() => this.#pg.dispose());
    const undeleted = new Set<string>();
    const remove = async (what: string, run: () => Promise<void>) => {
      try {
        await run();
      } catch (error) {
        undeleted.add(`${what}: ${errorWords(error)}`);
      }
    };
    await remove('the playground’s database', () => platform.deleteDatabases([null]));
    for (const name of names) await remove(`the fork ${name}`, () => platform.deleteDatabases([name]));
    for (const name of platform.tabAgents.names) await remove('what the agents in the tab remember', () => platform.tabAgents.forget(name));
    platform.memory.clear();
    platform.address.write('');
    // One that was quick may have started anew on what was still there.
    platform.tabs.send({ type: 'reset' });
    if (undeleted.size > 0) this.undeleted.value = [...undeleted];
    else platform.reload();
  }

  /** One change of branch at a time: a second press while the first is at work does nothing. */
  async #alone(run: () => Promise<void>): Promise<void> {
    if (this.#busy) return;
    this.#busy = true;
    await this.#pg.attempt(run);
    this.#busy = false;
  }
}

/** “1”, “2” for forks, and “ada.sqlite”, “ada.sqlite 2” for what has a name. */
export function freeName(kind: string, taken: readonly string[]): string {
  for (let number = 1; ; number++) {
    const name = kind === '' ? `${number}` : number === 1 ? kind : `${kind} ${number}`;
    if (!taken.includes(name)) return name;
  }
}
