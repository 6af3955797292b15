/** When things happen: the page's start in named steps, many calls as few runs, and waiting for what signals say. */
import { computed, signal } from '@preact/signals';
import { errorWords } from './words.ts';

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
  readonly poke = (): void => {
    if (this.#running) this.#again = true;
    if (this.#stopped || this.#running || this.#waiting) return;
    this.#waiting = true;
    this.#wait(() => {
      this.#waiting = false;
      void this.now();
    });
  };

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

export interface BootStep {
  readonly name: string;
  readonly state: 'loading' | 'ready' | 'absent' | 'failed' | 'lost';
  /** What is missing and what to do, for `absent`, `failed` and `lost`. */
  readonly note: string;
}

/** Says that a part is not there and need not be. */
export class Absent extends Error {}

/** The parts that are loaded beside each other, each with an honest end. */
export class Boot {
  readonly steps = signal<readonly BootStep[]>([]);

  /** Runs one step. Its failure is shown and passed on; `hint` says what to do about it. */
  async step<T>(name: string, hint: string, run: () => Promise<T>): Promise<T> {
    this.#set(name, 'loading');
    try {
      const value = await run();
      this.#set(name, 'ready');
      return value;
    } catch (error) {
      if (error instanceof Absent) this.#set(name, 'absent', error.message);
      else this.#set(name, 'failed', `${errorWords(error)} ${hint}`);
      throw error;
    }
  }

  /** A part that was ready is gone. */
  lost(name: string, note: string): void {
    this.#set(name, 'lost', note);
  }

  /** One that was gone is there again. */
  found(name: string): void {
    if (this.steps.value.some((step) => step.name === name && step.state === 'lost')) this.#set(name, 'ready');
  }

  #set(name: string, state: BootStep['state'], note = ''): void {
    const steps = this.steps.value;
    const step = { name, state, note };
    this.steps.value = steps.some((one) => one.name === name) ? steps.map((one) => (one.name === name ? step : one)) : [...steps, step];
  }
}
