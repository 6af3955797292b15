/** What the page remembers between visits, and what a link, which may be anybody's, says. */
import type { ResumePolicy } from '../../src/engine/types.ts';
import type { Platform } from '../platform/index.ts';
import type { Scenario } from '../scenarios/index.ts';
import type { FailedResume } from './words.ts';

/** `differs`: done, with another outcome. `failed`: not done, and can be done again. */
export interface StepProgress {
  readonly state: 'waiting' | 'running' | 'done' | 'differs' | 'failed' | 'skipped';
  readonly why: string;
}

/** Their number when all are passed. */
export function firstOpen(progress: readonly StepProgress[], steps: number): number {
  const at = progress.findIndex(({ state }) => !['done', 'differs', 'skipped'].includes(state));
  return Math.min(at < 0 ? progress.length : at, steps);
}

export interface PlaceMemory {
  readonly sessionId: string | null;
  readonly progress: readonly StepProgress[];
  readonly policy: ResumePolicy;
}

export interface BranchMemory {
  readonly name: string;
  /** Null is the main line. */
  readonly parent: string | null;
  readonly sessionId: string | null;
  /** At the fork: it belongs to the main line and is not taken up here. */
  readonly agentSessionId: string | null;
  /** Null for a branch of what was said here. */
  readonly file: ForeignFile | null;
}

/** Its rows were written elsewhere, and prove nothing about this person. */
export interface ForeignFile {
  readonly name: string;
  /** Sessions that were begun here, or that the person has sent behind the bridge. */
  readonly sent: readonly string[];
}

export interface Memory {
  readonly scenario: string | null;
  readonly agent: string | null;
  readonly places: Readonly<Record<string, PlaceMemory>>;
  /** By branch and session: they leave nothing in the log. */
  readonly failures: Readonly<Record<string, readonly FailedResume[]>>;
  /** `branch` is the one shown, null the main line. */
  readonly branches: readonly BranchMemory[];
  readonly branch: string | null;
}

/** Changes with the shape: nothing of another is read. */
const VERSION = 1;

const NOTHING: Memory = { scenario: null, agent: null, places: {}, failures: {}, branches: [], branch: null };

export function readMemory(stored: string | null): Memory {
  try {
    const { version, memory } = JSON.parse(stored ?? '{}') as { version?: unknown; memory?: Memory };
    return version === VERSION && memory ? memory : NOTHING;
  } catch {
    return NOTHING;
  }
}

export const writeMemory = (memory: Memory): string => JSON.stringify({ version: VERSION, memory });

/** Nobody knows whose rows a forgotten branch has. */
const UNKNOWN_FILE: ForeignFile = { name: 'a file', sent: [] };

const FAILURES = 20;

export const keyOf = (branch: string | null, ...more: readonly string[]): string => [branch ?? '', ...more].join('|');

export type Visits = ReturnType<typeof createVisits>;

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

  /** Null where the sessions were begun here. What is not remembered may be anybody's. */
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

    /** What earlier visits left stays for whoever can open their database again. */
    suspend: () => void (suspended = true),

    holds: (branch: string | null): boolean =>
      Object.entries(memory.places).some(([key, place]) => place.sessionId !== null && key.startsWith(keyOf(branch, ''))),

    hasSeen: ({ name, steps }: Scenario): boolean =>
      Object.entries(memory.places).some(
        ([key, { progress }]) => key.split('|')[1] === name && steps.length > 0 && firstOpen(progress, steps.length) >= steps.length,
      ),

    /** Begun here, or the person has said so: this session of a file may go behind the bridge. */
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

/** `#v=1&scenario=NAME&agent=NAME&step=N`. A stranger may have written it: it chooses what is shown and, for agents in the tab, how far a scenario has run; it carries no text, address, token or SQL. What is absent is the person's last choice. */
export interface Place {
  readonly scenario?: string;
  /** `NAME` in the tab, `bridge:NAME` behind the bridge. */
  readonly agent?: string;
  /** How many steps have run. */
  readonly step?: number;
  /** What of the link cannot be used. */
  readonly problem?: string;
}

const NAME = /^[\p{L}\p{N}][\p{L}\p{N}._:-]{0,79}$/u;

const KEYS = {
  scenario: (text: string) => (NAME.test(text) && !text.includes(':') ? text : undefined),
  agent: (text: string) => (NAME.test(text) ? text : undefined),
  step: (text: string) => (/^\d{1,2}$/.test(text) ? Number(text) : undefined),
};

/** Unknown keys give nothing; malformed values and other versions say so, too. */
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
