/** The start in named steps, many calls as few runs, and waiting for signals. */
import { computed, signal } from '@preact/signals';
import { errorWords } from './words.ts';

/** Never two runs at once, and one more after the last call. `wait` says when a run may begin. */
export function createPace(run: () => Promise<void>, wait: (go: () => void) => void, onError: (error: unknown) => void) {
  let waiting = false;
  let running: Promise<void> | null = null;
  let again = false;
  let stopped = false;

  function poke(): void {
    if (running) again = true;
    if (stopped || running || waiting) return;
    waiting = true;
    wait(() => {
      waiting = false;
      void now();
    });
  }

  /** After what runs already; resolves when it is done. */
  async function now(): Promise<void> {
    while (running) await running;
    if (stopped) return;
    again = false;
    running = run().catch(onError);
    await running;
    running = null;
    if (again) poke();
  }

  return { poke, now, stop: () => void (stopped = true) };
}

/** A `wait` for the next frame, at least `ms` after the last run. */
export function drawn(schedule: (run: () => void) => void, ms: number): (go: () => void) => void {
  let last = 0;
  return (go) => {
    const left = last + ms - performance.now();
    const run = () =>
      schedule(() => {
        last = performance.now();
        go();
      });
    if (left <= 0) run();
    else setTimeout(run, left);
  };
}

export const every =
  (ms: number) =>
  (go: () => void): void =>
    void setTimeout(go, ms);

/** Resolves when the condition holds; conditions read signals. */
export function when(condition: () => boolean): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const stop = computed(condition).subscribe((holds) => {
    if (holds) resolve();
  });
  return promise.finally(stop);
}

export interface BootStep {
  readonly name: string;
  readonly state: 'loading' | 'ready' | 'absent' | 'failed' | 'lost';
  /** For `absent`, `failed` and `lost`: what to do. */
  readonly note: string;
}

/** A part is not there and need not be. */
export class Absent extends Error {}

export type Boot = ReturnType<typeof createBoot>;

export function createBoot() {
  const steps = signal<readonly BootStep[]>([]);

  function set(name: string, state: BootStep['state'], note = ''): void {
    const step = { name, state, note };
    const before = steps.value;
    steps.value = before.some((one) => one.name === name) ? before.map((one) => (one.name === name ? step : one)) : [...before, step];
  }

  return {
    steps,
    set,

    /** A failure is shown and passed on; `hint` says what to do about it. */
    async step<T>(name: string, hint: string, run: () => Promise<T>): Promise<T> {
      set(name, 'loading');
      try {
        const value = await run();
        set(name, 'ready');
        return value;
      } catch (error) {
        if (error instanceof Absent) set(name, 'absent', error.message);
        else set(name, 'failed', `${errorWords(error)} ${hint}`);
        throw error;
      }
    },
  };
}
