/** The past and the branches off it: looking back, forks, imports, exports, and the end of everything. */
import { signal } from '@preact/signals';
import type { BranchMemory } from './memory.ts';
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
      await this.branchOff('', { sessionId: info?.sessionId ?? null, agentSessionId: info?.agentSessionId ?? null }, bytes);
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

  /** Opens a database file as a branch, so that nothing here is lost by it. */
  async importDatabase(bytes: Uint8Array): Promise<void> {
    const pg = this.#pg;
    await this.#alone(async () => {
      if (new TextDecoder().decode(bytes.subarray(0, 15)) !== 'SQLite format 3') {
        throw new Error('This file is not a SQLite database. Choose one that was exported here, or written by the rehydrate command.');
      }
      await this.branchOff('import ', { sessionId: null, agentSessionId: null }, bytes);
      const newest = pg.sessions.value[0];
      if (newest) await pg.places.chooseSession(newest.sessionId);
      pg.note.value = `The file is open as a copy${newest ? ', showing its newest session' : '; it holds no session'}. Return to now brings back what was here.`;
    });
  }

  /** Goes on in a new branch that begins with these bytes, and is called by the first number that is free. */
  async branchOff(kind: string, from: Omit<BranchMemory, 'name'>, bytes: Uint8Array): Promise<void> {
    const { places, platform, play, shelf } = this.#pg;
    const progress = from.sessionId === null ? [] : play.progress.value;
    let number = places.branches.length + 1;
    while (places.branches.some((one) => one.name === `${kind}${number}`)) number++;
    const branch: BranchMemory = { ...from, name: `${kind}${number}` };
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
