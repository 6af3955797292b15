/** Looking at what nothing announces: until it has come to rest, and without what only waits for the garbage collector. */
import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** Equal looks in a row before a value counts as one that stays. Between two of them this process's event loop has turned. */
const LOOKS = 10;
const LOOK_MS = 50;

/** Waits until the value changes no more, and gives it. */
export async function still<T>(read: () => T | Promise<T>): Promise<T> {
  let value = await read();
  for (let looks = 0; looks < LOOKS; looks += 1) {
    await sleep(LOOK_MS);
    const now = await read();
    if (now !== value) looks = -1;
    value = now;
  }
  return value;
}

let collect: (() => void) | undefined;

/** What this process holds, in bytes; garbage is collected first. */
export function held(): { readonly heap: number; readonly external: number } {
  if (collect === undefined) {
    setFlagsFromString('--expose-gc');
    collect = runInNewContext('gc') as () => void;
  }
  collect();
  const { heapUsed, external } = process.memoryUsage();
  return { heap: heapUsed, external };
}
