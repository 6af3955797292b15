/**
 * The guard: a process that outlives the host by a moment, to end the agents that a dead host has left. It runs in a session of its own, which a
 * Ctrl-C or a `kill -9` of the host's group does not reach. It reads a pipe that only the host writes to: at end of file the host is gone.
 *
 * The pipe carries lines: `mark TOKEN`, `+ PGID START`, `- PGID`.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { ProcessTree } from './tree.ts';

const TERM_MS = 700;
const SWEEP_MS = 50;
const GIVE_UP_MS = 10_000;

process.title = 'rehydrate-guard';
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  // A service manager that stops the host's unit signals the guard, too, which must end after the host.
  process.on(signal, () => undefined);
}

const groups = new Map<number, string>();
let mark: string | null = null;
let pending = '';

process.stdin.setEncoding('utf8');
process.stdin.on('data', (text: string) => {
  const lines = (pending + text).split('\n');
  pending = lines.pop() ?? '';
  for (const line of lines) obey(line);
});
process.stdin.on('error', () => undefined); // 'close' follows
process.stdin.on('close', () => void sweep());

function obey(line: string): void {
  const [verb, id, start] = line.split(' ');
  if (verb === 'mark' && id !== undefined) mark = id;
  else if (verb === '+') groups.set(Number(id), start ?? '');
  else if (verb === '-') groups.delete(Number(id));
}

async function sweep(): Promise<void> {
  const begun = performance.now();
  const trees = [...groups].map(([pgid, start]) => new ProcessTree(pgid, mark ?? '', start));
  // Without a known group, the mark still finds what the host started just before it died.
  if (trees.length === 0 && mark !== null) trees.push(new ProcessTree(-1, mark));
  await seen(begun, () => Promise.all(trees.map((tree) => tree.signal('SIGTERM'))));
  const asked = performance.now();
  for (;;) {
    const left = await seen(begun, () => Promise.all(trees.map((tree) => tree.lives())));
    if (!left.includes(true)) return;
    if (performance.now() - begun > GIVE_UP_MS) return;
    if (performance.now() - asked > TERM_MS) await seen(begun, () => Promise.all(trees.map((tree) => tree.signal('SIGKILL'))));
    await sleep(SWEEP_MS);
  }
}

/** Tries until a look succeeds, because it may fail for a moment, for example when no descriptor is free. */
async function seen<T>(begun: number, look: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await look();
    } catch (error) {
      if (performance.now() - begun > GIVE_UP_MS) throw error;
      await sleep(SWEEP_MS);
    }
  }
}
