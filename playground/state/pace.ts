/** When things happen: many calls as few runs, and waiting for what signals say. */
import { computed } from '@preact/signals';

/** Turns many calls into few runs: never two at once, and one more after the last call. */
export class Pace {
  readonly #run: () => Promise<void>;
  readonly #wait: (go: () => void) => void;
  readonly #onError: (error: unknown) => void;
  #waiting = false;
  #running: Promise<void> | null = null;
  #again = false;
  #stopped = false;

  /** `wait` says when a run may begin: the next frame, or some time from now. */
  constructor(run: () => Promise<void>, wait: (go: () => void) => void, onError: (error: unknown) => void) {
    this.#run = run;
    this.#wait = wait;
    this.#onError = onError;
  }

  /** Asks for a run, soon. */
  poke(): void {
    if (this.#stopped) return;
    if (this.#running) {
      this.#again = true;
      return;
    }
    if (this.#waiting) return;
    this.#waiting = true;
    this.#wait(() => {
      this.#waiting = false;
      void this.now();
    });
  }

  /** Runs now, after what runs already; resolves when it is done. */
  async now(): Promise<void> {
    while (this.#running) await this.#running;
    if (this.#stopped) return;
    this.#again = false;
    this.#running = this.#run().catch(this.#onError);
    await this.#running;
    this.#running = null;
    if (this.#again) this.poke();
  }

  stop(): void {
    this.#stopped = true;
  }
}

/** A `wait` for the next drawn frame, with at least `ms` between two runs: as smooth as reading needs, and no more. */
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

/** A `wait` of at least `ms` between runs. */
export function every(ms: number): (go: () => void) => void {
  return (go) => void setTimeout(go, ms);
}

/** Resolves when the condition holds; conditions read signals. */
export function when(condition: () => boolean): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const stop = computed(condition).subscribe((holds) => {
    if (holds) resolve();
  });
  return promise.finally(stop);
}
