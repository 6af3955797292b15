/** One agent's process tree: finds its members, signals all of them, and says whether any are left. */
import { execFile } from 'node:child_process';
import { type ProcessEntry, carriesMark, isGone, readProcess, readProcesses } from './process-table.ts';

export type TreeSignal = 'SIGTERM' | 'SIGKILL';

export interface TreeIdentity {
  /** The leader's pid, which is its group's id. */
  readonly pgid: number;
  /** When the leader started; empty when unknown. */
  readonly start: string;
  /** Known members, by pid, with their start times. */
  readonly known: ReadonlyMap<number, string>;
  /** Whether a process's environment carries the tree's mark. */
  readonly marked: (pid: number) => boolean;
}

/** The living members of a tree: its process group, processes of any group with its mark, known members, and all their descendants. */
export function membersOf(processes: readonly ProcessEntry[], tree: TreeIdentity): ProcessEntry[] {
  const children = new Map<number, ProcessEntry[]>();
  for (const entry of processes) {
    const siblings = children.get(entry.ppid);
    if (siblings === undefined) children.set(entry.ppid, [entry]);
    else siblings.push(entry);
  }
  const members = new Map<number, ProcessEntry>();
  const add = (entry: ProcessEntry): void => {
    if (members.has(entry.pid)) return;
    members.set(entry.pid, entry);
    for (const child of children.get(entry.pid) ?? []) add(child);
  };
  // When the whole group is gone, its id may be reused.
  const leader = processes.find(({ pid }) => pid === tree.pgid);
  const usedAgain = tree.start !== '' && leader !== undefined && leader.startTime !== tree.start;
  for (const entry of processes) {
    if ((entry.pgid === tree.pgid && !usedAgain) || tree.known.get(entry.pid) === entry.startTime) add(entry);
  }
  for (const entry of processes) {
    if (!members.has(entry.pid) && !entry.zombie && tree.marked(entry.pid)) add(entry);
  }
  return [...members.values()].filter((entry) => !entry.zombie);
}

/** Methods reject if the process table cannot be read; then nothing was signalled. */
export class ProcessTree {
  readonly pgid: number;
  readonly #mark: string;
  readonly #start: string;
  #members: readonly ProcessEntry[] = [];

  /** `mark` is the tree's whole token, or a host's for all of its trees; `start` as in `TreeIdentity`. */
  constructor(pgid: number, mark: string, start = '') {
    this.pgid = pgid;
    this.#mark = mark;
    this.#start = start;
  }

  /** Looks at every process of the machine. Members are remembered, so that they are found even after they leave the group. */
  async survivors(): Promise<readonly ProcessEntry[]> {
    const members = membersOf(await readProcesses(), {
      pgid: this.pgid,
      start: this.#start,
      known: new Map(this.#members.map((entry) => [entry.pid, entry.startTime])),
      marked: (pid) => pid !== process.pid && carriesMark(pid, this.#mark),
    });
    this.#members = members;
    return members;
  }

  /** Whether any member is left. Cheap while a known member lives; only when none does is the whole machine searched. */
  async lives(): Promise<boolean> {
    if (process.platform === 'linux') {
      for (const { pid, startTime } of this.#members) {
        const entry = readProcess(pid);
        if (entry !== null && !entry.zombie && entry.startTime === startTime) return true;
      }
    }
    return (await this.survivors()).length > 0;
  }

  /** Sends a signal to the group and to every known member outside it. */
  async signal(signal: TreeSignal): Promise<void> {
    if (process.platform === 'win32') return taskkill(this.pgid, signal === 'SIGKILL');
    const members = await this.survivors();
    const inGroup = (entry: ProcessEntry): boolean => entry.pgid === this.pgid;
    if (members.some(inGroup)) send(-this.pgid, signal);
    for (const entry of members) if (!inGroup(entry)) send(entry.pid, signal);
  }
}

/** Sends a signal. That the process is gone, or not ours, is no error: `survivors` shows what is left. */
export function send(pid: number, signal: TreeSignal): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code !== 'ESRCH' && code !== 'EPERM') throw error;
  }
}

/**
 * Signals a group without looking at its members. Safe only while the id cannot have been reused: while the leader lives, and afterwards while
 * no process has the id, since a pid is not reused as long as a group has it.
 */
export function sendBlindly(pgid: number, leaderThere: boolean, signal: TreeSignal): void {
  if (leaderThere || isGone(pgid)) send(-pgid, signal);
}

function taskkill(pid: number, force: boolean): Promise<void> {
  return new Promise((resolve) => {
    // It fails when something is gone already.
    execFile('taskkill', ['/pid', String(pid), '/T', ...(force ? ['/F'] : [])], { windowsHide: true }, () => resolve());
  });
}
