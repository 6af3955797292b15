/** What a page remembers between visits. Read with suspicion: anything may stand in a browser's storage. */
import type { Platform } from '../platform/index.ts';
import type { Scenario } from '../scenarios/index.ts';
import type { ResumePolicy } from '../../src/engine/types.ts';

/** `differs`: it was done, and something else came of it. `failed`: it was not done, and can be done again. */
export type StepState = 'waiting' | 'running' | 'done' | 'differs' | 'failed' | 'skipped';

export interface StepProgress {
  readonly state: StepState;
  readonly why: string;
}

const PASSED: readonly StepState[] = ['done', 'differs', 'skipped'];

/** The first of so many steps that has not been passed; their number when all have. */
export function firstOpen(progress: readonly StepProgress[], steps: number): number {
  const at = progress.findIndex(({ state }) => !PASSED.includes(state));
  return Math.min(at < 0 ? progress.length : at, steps);
}

/** Where a scenario with an agent stands. */
export interface PlaceMemory {
  readonly sessionId: string | null;
  readonly progress: readonly StepProgress[];
}

/** A fork, or an imported database: a branch of its own. */
export interface BranchMemory {
  readonly name: string;
  /** The branch it came off; null is the main line. */
  readonly parent: string | null;
  readonly sessionId: string | null;
  /** The agent's own session at the fork: it belongs to the main line and is not taken up here. */
  readonly agentSessionId: string | null;
  /** The file that its sessions come from; null for a branch of what was said here. */
  readonly file: ForeignFile | null;
}

/** Rows of a file were written elsewhere, and prove nothing about this person. */
export interface ForeignFile {
  readonly name: string;
  /** The rows were read without trust. An older page took them as they were. */
  readonly read: boolean;
  /** Sessions that were begun here since, or that the person has sent to an agent behind the bridge. */
  readonly sent: readonly string[];
}

export interface Memory {
  readonly scenario: string | null;
  readonly agent: string | null;
  readonly policy: ResumePolicy;
  readonly places: Readonly<Record<string, PlaceMemory>>;
  /** All branches; `branch` is the one shown, null the main line. */
  readonly branches: readonly BranchMemory[];
  readonly branch: string | null;
}

export const NO_MEMORY: Memory = Object.freeze({ scenario: null, agent: null, policy: 'auto', places: {}, branches: [], branch: null });

const STATES: readonly string[] = ['waiting', 'running', 'done', 'differs', 'failed', 'skipped'];
type Json = Readonly<Record<string, unknown>>;
const isRecord = (value: unknown): value is Json => typeof value === 'object' && value !== null && !Array.isArray(value);
const text = (value: unknown): string | null => (typeof value === 'string' && value.length <= 200 ? value : null);

/** Anything that is not as written by `writeMemory` is left out. */
export function readMemory(stored: string | null): Memory {
  let raw: unknown;
  try {
    raw = JSON.parse(stored ?? 'null');
  } catch {
    return NO_MEMORY;
  }
  if (!isRecord(raw)) return NO_MEMORY;
  const places: Record<string, PlaceMemory> = {};
  for (const [key, value] of Object.entries(isRecord(raw['places']) ? raw['places'] : {})) {
    if (isRecord(value)) places[key] = { sessionId: text(value['sessionId']), progress: readProgress(value['progress']) };
  }
  const branches = (Array.isArray(raw['branches']) ? raw['branches'] : []).filter(isRecord).flatMap((branch): BranchMemory[] => {
    const name = text(branch['name']);
    if (name === null) return [];
    return [
      {
        name,
        parent: text(branch['parent']),
        sessionId: text(branch['sessionId']),
        agentSessionId: text(branch['agentSessionId']),
        file: readFile(branch['file']),
      },
    ];
  });
  const branch = text(raw['branch']);
  const policy = raw['policy'];
  return {
    scenario: text(raw['scenario']),
    agent: text(raw['agent']),
    policy: policy === 'strict' || policy === 'transcript' ? policy : 'auto',
    places,
    branches,
    branch: branches.some((one) => one.name === branch) ? branch : null,
  };
}

/** A branch that does not say where it comes from was made by an older page, perhaps from a file. */
function readFile(value: unknown): ForeignFile | null {
  if (value === null) return null;
  if (!isRecord(value)) return { name: 'a file of an earlier visit', read: false, sent: [] };
  const sent = Array.isArray(value['sent']) ? value['sent'].filter((id) => text(id) !== null) : [];
  return { name: text(value['name']) ?? 'a file', read: value['read'] === true, sent: sent as string[] };
}

function readProgress(value: unknown): readonly StepProgress[] {
  if (!Array.isArray(value)) return [];
  return value.slice(0, 99).map((one): StepProgress => {
    const state = isRecord(one) && STATES.includes(String(one['state'])) ? (one['state'] as StepState) : 'waiting';
    // A page that was left while a step ran does not know how it ended.
    return { state: state === 'running' ? 'waiting' : state, why: isRecord(one) ? (text(one['why']) ?? '') : '' };
  });
}

export function writeMemory(memory: Memory): string {
  return JSON.stringify(memory);
}

/** The key of a place: the branch, the scenario and the agent together. */
export function placeKey(branch: string | null, scenario: string, agent: string): string {
  return `${branch ?? ''}|${scenario}|${agent}`;
}

/** What this tab remembers, and the same in what the tabs of the site keep together. */
export class Visits {
  readonly #store: Platform['memory'];
  #memory: Memory = NO_MEMORY;
  /** What earlier visits left, while their database is not open. */
  #suspended: Memory | null = null;

  constructor(store: Platform['memory']) {
    this.#store = store;
  }

  get last(): Memory {
    return this.#memory;
  }

  /** Those of the other tabs, too. */
  get branches(): readonly BranchMemory[] {
    const { branches } = this.#memory;
    const others = readMemory(this.#store.read()).branches;
    return [...branches, ...others.filter(({ name }) => !branches.some((mine) => mine.name === name))];
  }

  recall(): void {
    this.#memory = readMemory(this.#store.read());
  }

  remember(change: (memory: Memory) => Partial<Memory>): void {
    const changed = (before: Memory): Memory => ({ ...before, ...change(before) });
    this.#memory = changed(this.#memory);
    if (this.#suspended) return;
    const kept = this.#store.read();
    this.#store.write(writeMemory(kept === null ? this.#memory : changed(readMemory(kept))));
  }

  /** Keeps what earlier visits left as it is, for the one that can open their database again. */
  suspend(): void {
    this.#suspended ??= this.#memory;
  }

  /** Their database is there again. */
  resume(): void {
    this.#memory = this.#suspended ?? this.#memory;
    this.#suspended = null;
  }

  /** This browser has had a session in the branch. */
  holds(branch: string | null): boolean {
    const mine = placeKey(branch, '', '').slice(0, -1);
    return Object.entries(this.#memory.places).some(([key, place]) => place.sessionId !== null && key.startsWith(mine));
  }

  /** Somebody has been through all of its steps here. */
  hasSeen({ name, steps }: Scenario): boolean {
    return Object.entries(this.#memory.places).some(
      ([key, { progress }]) => key.split('|')[1] === name && steps.length > 0 && firstOpen(progress, steps.length) >= steps.length,
    );
  }

  /** The file that the sessions of a branch come from; null where they were begun here. What is not remembered may be anybody's. */
  fileOf(branch: string | null): ForeignFile | null {
    if (branch === null) return null;
    const known = this.branches.find(({ name }) => name === branch);
    return known ? known.file : { name: 'a file', read: false, sent: [] };
  }

  /** This session of a file may go to agents behind the bridge: it was begun here, or the person has said so. */
  trust(branch: string | null, sessionId: string): void {
    this.#changeFile(branch, (file) => ({ ...file, sent: [...file.sent, sessionId] }));
  }

  /** The branch's rows are now rows of our own making. */
  wasRead(branch: string): void {
    this.#changeFile(branch, (file) => ({ ...file, read: true }));
  }

  #changeFile(branch: string | null, change: (file: ForeignFile) => ForeignFile): void {
    if (this.fileOf(branch) === null) return;
    this.remember(({ branches }) => ({
      branches: branches.map((one) => (one.name === branch && one.file ? { ...one, file: change(one.file) } : one)),
    }));
  }
}
