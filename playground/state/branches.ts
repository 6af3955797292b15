/** The past and the branches off it: looking back, forks, imports, exports, storing what is in memory, and the end of everything. */
import { signal } from '@preact/signals';
import type { Platform } from '../platform/index.ts';
import { Refused, sizeProblem } from '../platform/import-file.ts';
import { STORAGE_FULL, type DatabaseSession } from './database-session.ts';
import type { HostController } from './host-controller.ts';
import type { Navigation } from './navigation.ts';
import type { Notices } from './notices.ts';
import type { ScenarioRunner } from './scenario.ts';
import type { ShownSession } from './session.ts';
import type { Tables } from './tables.ts';
import type { Timeline } from './timeline.ts';
import type { BranchMemory, Visits } from './visits.ts';
import { errorWords, label } from './words.ts';

/** What Reset would delete; null where it cannot be read. */
export interface Inventory {
  readonly stored: { readonly sessions: number; readonly events: number } | null;
  readonly forks: number;
}

/** The file that is being read, or why it was not opened. */
export interface Importing {
  readonly name: string;
  readonly rows: number;
  readonly problem: string | null;
}

export interface BranchesNeeds {
  readonly databases: DatabaseSession;
  readonly host: HostController;
  readonly navigation: Navigation;
  readonly notices: Notices;
  readonly opened: Promise<void>;
  readonly platform: Platform;
  readonly runner: ScenarioRunner;
  readonly session: ShownSession;
  readonly tables: Tables;
  readonly timeline: Timeline;
  readonly visits: Visits;
  /** Lets go of everything, for good. */
  readonly dispose: () => Promise<void>;
}

export class Branches {
  /** What Reset could not delete, and why; null before it tried, and when it could. */
  readonly undeleted = signal<readonly string[] | null>(null);
  readonly importing = signal<Importing | null>(null);
  readonly #needs: BranchesNeeds;
  #busy = false;

  constructor(needs: BranchesNeeds) {
    this.#needs = needs;
  }

  /** Shows a moment; null is now. */
  async seek(index: number | null): Promise<void> {
    const { notices, session, tables, timeline } = this.#needs;
    await notices.attempt(() => timeline.seek(index, session.id.value, tables.shown));
  }

  /** Which table the database panel shows, now or at the moment looked at. */
  async showTable(name: string): Promise<void> {
    const { tables, timeline } = this.#needs;
    tables.choose(name);
    if (timeline.at.value !== null) await this.seek(timeline.at.value);
  }

  /** A branch of the whole database from the moment shown. */
  async fork(): Promise<void> {
    const { notices, timeline } = this.#needs;
    await this.#alone(async () => {
      const past = timeline.past.value;
      if (!past) return;
      const { info } = past.view;
      const from = {
        ...this.#origin(),
        parent: this.#needs.databases.branch.value,
        sessionId: info?.sessionId ?? null,
        agentSessionId: info?.agentSessionId ?? null,
      };
      await this.#branchOff('', from, await past.database.export());
      notices.note.value =
        'This is a fork. The agent’s own session stays with the main line, so the next prompt brings the record along instead.';
    });
  }

  /** Leaves the past; from a fork, back to the main line. */
  async returnToNow(): Promise<void> {
    const { timeline } = this.#needs;
    if (timeline.past.value) await this.#alone(() => timeline.close());
    else await this.go(null);
  }

  /** Goes to a branch, as it was left; null is the main line. */
  async go(name: string | null): Promise<void> {
    const { databases, navigation, notices, visits } = this.#needs;
    await this.#alone(async () => {
      if (databases.branch.value === name) return;
      await databases.open(name);
      visits.remember(() => ({ branch: name }));
      await navigation.goTo(navigation.here(), 'start');
      notices.note.value = null;
    });
  }

  async exportBytes(): Promise<Uint8Array> {
    await this.#needs.opened;
    return this.#needs.databases.database!.export();
  }

  async exportDatabase(): Promise<void> {
    const { notices, platform } = this.#needs;
    await notices.attempt(async () => platform.download('rehydrate-playground.sqlite', await this.exportBytes()));
  }

  /** Opens a database file as a branch, so that nothing here is lost by it. What cannot be opened is said beside the button. */
  async importDatabase(file: { readonly name: string; readonly size: number; bytes(): Promise<Uint8Array> }): Promise<void> {
    const { navigation, notices, opened, platform, session } = this.#needs;
    if (this.importing.value?.problem === null) return;
    const name = label(file.name, 'a file', 80);
    const show = (rows: number, problem: string | null = null) => (this.importing.value = { name, rows, problem });
    await this.#alone(async () => {
      try {
        show(0);
        await opened;
        const problem = sizeProblem(file.size);
        if (problem) throw new Refused(problem);
        const { bytes, sessions } = await platform.readFile(await file.bytes(), show);
        await this.#branchOff(name, { parent: null, sessionId: null, agentSessionId: null, file: { name, read: true, sent: [] } }, bytes);
        const newest = session.list.value[0];
        if (newest) await navigation.chooseSession(newest.sessionId);
        notices.note.value = `The file is open as a copy${sessions > 0 ? ', showing its newest session' : '; it holds no session'}. Return to now brings back what was here.`;
        this.importing.value = null;
      } catch (error) {
        show(0, errorWords(error));
      }
    });
  }

  /** Brings what is in memory back into the browser's storage. What another tab stored meanwhile stays as it is. */
  async store(): Promise<void> {
    const { databases, host, notices, platform, session, visits } = this.#needs;
    const memory = databases.database;
    if (!memory || databases.durable.value) return;
    const branch = databases.branch.value;
    await notices.attempt(async () => {
      const stored = await platform.openDatabase(branch);
      try {
        if (!stored.durable) throw new Error(stored.warning ?? STORAGE_FULL);
        const untouched = await databases.isUntouched(stored);
        await host.sleep();
        const bytes = await memory.export();
        if (!untouched) {
          await stored.close();
          visits.resume();
          await this.#branchOff(
            'from memory',
            { ...this.#origin(), parent: branch, sessionId: session.id.value, agentSessionId: null },
            bytes,
          );
          notices.note.value = 'What was in memory is stored as a fork, beside what the storage held. Return to now shows that.';
          return;
        }
        await stored.replace(bytes);
      } catch (error) {
        await stored.close();
        throw error;
      }
      await databases.adopt(stored, branch);
      await host.wake();
      await session.settle();
      notices.note.value = 'Stored. The session is durable again.';
    });
  }

  /** Saves what can be read of a damaged database. Changes nothing. */
  async salvage(): Promise<void> {
    const { notices, platform, visits } = this.#needs;
    await notices.attempt(async () => {
      const { bytes, problem } = await platform.salvage(visits.last.branch);
      platform.download('rehydrate-playground-salvaged.sqlite', bytes);
      notices.note.value = `Everything up to the damage is in the file${problem ? `: ${problem}` : '.'}`;
    });
  }

  async inventory(): Promise<Inventory> {
    const rows = await this.#needs.databases.database?.query(
      'SELECT count(*) AS sessions, coalesce(sum(latest_seq), 0) AS events FROM acp_sessions',
    );
    const row = rows?.[0];
    return {
      stored: row ? { sessions: Number(row['sessions']), events: Number(row['events']) } : null,
      forks: this.#needs.visits.branches.length,
    };
  }

  /**
   * Deletes everything this page keeps, here and in the other tabs, and starts anew. What cannot be deleted stops nothing
   * else from being deleted, and is told before the page starts anew.
   */
  async reset(): Promise<void> {
    const { dispose, platform, visits } = this.#needs;
    if (this.#busy) return;
    this.#busy = true;
    const names = visits.branches.map((branch) => branch.name);
    platform.tabs.send({ type: 'reset' });
    const undeleted = new Set<string>();
    const remove = async (what: string, run: () => Promise<void>) => {
      try {
        await run();
      } catch (error) {
        undeleted.add(`${what}: ${errorWords(error)}`);
      }
    };
    // What does not end as it should goes with the page, and hinders no deletion.
    await dispose().catch((error: unknown) => console.warn(error));
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

  /** Goes on in a new branch that begins with these bytes. `kind` alone is its name where that is free, or one with a number. */
  async #branchOff(kind: string, from: Omit<BranchMemory, 'name'>, bytes: Uint8Array): Promise<void> {
    const { databases, navigation, platform, runner, visits } = this.#needs;
    const progress = from.sessionId === null ? [] : runner.progress.value;
    const name = freeName(
      kind,
      visits.branches.map((one) => one.name),
    );
    // Taken before it is opened: another tab that branches off now takes another name, and keeps its rows.
    visits.remember(({ branches }) => ({ branches: [...branches, { ...from, name }] }));
    try {
      await databases.open(name, bytes);
    } catch (error) {
      visits.remember(({ branches }) => ({ branches: branches.filter((one) => one.name !== name) }));
      await platform.deleteDatabases([name]);
      throw error;
    }
    visits.remember(() => ({ branch: name }));
    await navigation.show(from.sessionId, progress);
  }

  /** Where the rows of the branch that is shown come from. */
  #origin(): Pick<BranchMemory, 'file'> {
    return { file: this.#needs.visits.fileOf(this.#needs.databases.branch.value) };
  }

  /** One change of branch at a time: a second press while the first is at work does nothing. */
  async #alone(run: () => Promise<void>): Promise<void> {
    if (this.#busy) return;
    this.#busy = true;
    await this.#needs.notices.attempt(run);
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
