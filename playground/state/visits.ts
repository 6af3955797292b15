/** Where a person has been and is led to: what the page remembers between visits, and what a link, which may be anybody's, says. */
import type { ResumePolicy } from '../../src/engine/types.ts';
import type { Platform } from '../platform/index.ts';
import type { Scenario } from '../scenarios/index.ts';
import type { FailedResume } from './words.ts';

/** `differs`: it was done, and something else came of it. `failed`: it was not done, and can be done again. */
export interface StepProgress {
  readonly state: 'waiting' | 'running' | 'done' | 'differs' | 'failed' | 'skipped';
  readonly why: string;
}

/** The first of so many steps that has not been passed; their number when all have. */
export function firstOpen(progress: readonly StepProgress[], steps: number): number {
  const at = progress.findIndex(({ state }) => !['done', 'differs', 'skipped'].includes(state));
  return Math.min(at < 0 ? progress.length : at, steps);
}

export interface PlaceMemory {
  readonly sessionId: string | null;
  readonly progress: readonly StepProgress[];
  readonly policy: ResumePolicy;
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
  /** Sessions that were begun here since, or that the person has sent to an agent behind the bridge. */
  readonly sent: readonly string[];
}

export interface Memory {
  readonly scenario: string | null;
  readonly agent: string | null;
  readonly places: Readonly<Record<string, PlaceMemory>>;
  /** What fails leaves nothing in the log: kept here, by branch and session. */
  readonly failures: Readonly<Record<string, readonly FailedResume[]>>;
  /** All branches; `branch` is the one shown, null the main line. */
  readonly branches: readonly BranchMemory[];
  readonly branch: string | null;
}

/** Another number with another shape: nothing is read of what a page of another release left. */
const VERSION = 1;

const NOTHING: Memory = { scenario: null, agent: null, places: {}, failures: {}, branches: [], branch: null };

export function readMemory(stored: string | null): Memory {
  try {
    const { version, memory } = JSON.parse(stored ?? '{}') as { version?: unknown; memory?: Memory };
    return version === VERSION && memory ? memory : NOTHING;
  } catch {
    // Not written by this page.
    return NOTHING;
  }
}

export const writeMemory = (memory: Memory): string => JSON.stringify({ version: VERSION, memory });

/** Of a branch that is not remembered nobody knows whose rows it has. */
const UNKNOWN_FILE: ForeignFile = { name: 'a file', sent: [] };

/** How many failed resumes are kept of a session. */
const FAILURES = 20;

/** The key of a session in its branch, or of a place: the branch, the scenario and the agent together. */
export const keyOf = (branch: string | null, ...more: readonly string[]): string => [branch ?? '', ...more].join('|');

export type Visits = ReturnType<typeof createVisits>;

/** What this tab remembers, and the same in what the tabs of the site keep together. */
export function createVisits(store: Platform['memory']) {
  let memory = NOTHING;
  /** The database of earlier visits is not open. */
  let suspended = false;

  /** Those of the other tabs, too. */
  function allBranches(): readonly BranchMemory[] {
    const others = readMemory(store.read()).branches;
    return [...memory.branches, ...others.filter(({ name }) => !memory.branches.some((mine) => mine.name === name))];
  }

  function remember(change: (memory: Memory) => Partial<Memory>): void {
    const changed = (before: Memory): Memory => ({ ...before, ...change(before) });
    memory = changed(memory);
    if (suspended) return;
    const kept = store.read();
    store.write(writeMemory(kept === null ? memory : changed(readMemory(kept))));
  }

  /** The file that the sessions of a branch come from; null where they were begun here. What is not remembered may be anybody's. */
  function fileOf(branch: string | null): ForeignFile | null {
    if (branch === null) return null;
    const known = allBranches().find(({ name }) => name === branch);
    return known ? known.file : UNKNOWN_FILE;
  }

  return {
    get last(): Memory {
      return memory;
    },
    get branches(): readonly BranchMemory[] {
      return allBranches();
    },
    remember,
    fileOf,
    recall: () => void (memory = readMemory(store.read())),

    /** Keeps what earlier visits left as it is, for the one that can open their database again. */
    suspend: () => void (suspended = true),

    holds: (branch: string | null): boolean =>
      Object.entries(memory.places).some(([key, place]) => place.sessionId !== null && key.startsWith(keyOf(branch, ''))),

    hasSeen: ({ name, steps }: Scenario): boolean =>
      Object.entries(memory.places).some(
        ([key, { progress }]) => key.split('|')[1] === name && steps.length > 0 && firstOpen(progress, steps.length) >= steps.length,
      ),

    /** This session of a file may go to agents behind the bridge: it was begun here, or the person has said so. */
    trust(branch: string | null, sessionId: string): void {
      if (fileOf(branch) === null) return;
      const changed = (one: BranchMemory) =>
        one.name === branch && one.file ? { ...one, file: { ...one.file, sent: [...one.file.sent, sessionId] } } : one;
      remember(({ branches }) => ({ branches: branches.map(changed) }));
    },

    failuresOf: (branch: string | null, sessionId: string | null): readonly FailedResume[] =>
      memory.failures[keyOf(branch, `${sessionId}`)] ?? [],

    failed(branch: string | null, sessionId: string, failure: FailedResume): void {
      const key = keyOf(branch, sessionId);
      remember(({ failures }) => ({ failures: { ...failures, [key]: [...(failures[key] ?? []), failure].slice(-FAILURES) } }));
    },
  };
}

// ---- links

/**
 * Where a link points: `#v=1&scenario=NAME&agent=NAME&step=N`. A link is written by a stranger. It may choose what is shown and,
 * for agents in the tab, how far a scenario has run; it carries no text to send, no address, no token and no SQL. What is absent
 * is the person's own last choice.
 */
export interface Place {
  readonly scenario?: string;
  /** An agent of the tab by name, or one behind the bridge as `bridge:NAME`. */
  readonly agent?: string;
  /** How many steps of the scenario have run; 0 is its beginning. */
  readonly step?: number;
  /** What the link says and this page cannot use, for people. */
  readonly problem?: string;
}

const NAME = /^[\p{L}\p{N}][\p{L}\p{N}._:-]{0,79}$/u;

const KEYS = {
  scenario: (text: string) => (NAME.test(text) && !text.includes(':') ? text : undefined),
  agent: (text: string) => (NAME.test(text) ? text : undefined),
  step: (text: string) => (/^\d{1,2}$/.test(text) ? Number(text) : undefined),
};

/** Reads a location's hash. Unknown keys give nothing; malformed values and other versions than the only one give nothing, and say so. */
export function parseFragment(hash: string): Place {
  const params = new URLSearchParams(hash.replace(/^#/, ''));
  const version = params.get('v');
  if (version !== '1') {
    if (version === null && !params.has('scenario')) return {};
    const says = version === null ? 'has no version' : `is of version ${version.slice(0, 20)}`;
    return { problem: `This link ${says}, and this page knows version 1: nothing of it was used.` };
  }
  const said = Object.entries(KEYS).flatMap(([key, read]) => {
    const text = params.get(key);
    return text === null ? [] : [[key, read(text)] as const];
  });
  const unread = said.flatMap(([key, value]) => (value === undefined ? [key] : []));
  return {
    ...(Object.fromEntries(said.filter(([, value]) => value !== undefined)) as Place),
    ...(unread.length > 0 ? { problem: `What this link says as its ${unread.join(' and ')} cannot be read, and was not used.` } : {}),
  };
}

export function formatFragment({ scenario, agent, step }: Place): string {
  const parts = ['v=1'];
  if (scenario !== undefined) parts.push(`scenario=${encodeURIComponent(scenario)}`);
  if (agent !== undefined) parts.push(`agent=${encodeURIComponent(agent).replaceAll('%3A', ':')}`);
  if (step !== undefined) parts.push(`step=${step}`);
  return `#${parts.join('&')}`;
}
