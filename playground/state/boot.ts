/** The page's start as named steps that run beside each other, each with an honest end. */
import { signal, type ReadonlySignal } from '@preact/signals';
import { errorWords } from './words.ts';

export type BootState = 'waiting' | 'loading' | 'ready' | 'absent' | 'failed' | 'lost';

export interface BootStep {
  readonly name: string;
  readonly state: BootState;
  /** What is missing and what to do, for `absent`, `failed` and `lost`. */
  readonly note: string;
  readonly ms: number | null;
}

/** Says that a part is not there and need not be. */
export class Absent extends Error {}

export class Boot {
  readonly #steps = signal<readonly BootStep[]>([]);

  get steps(): ReadonlySignal<readonly BootStep[]> {
    return this.#steps;
  }

  /** Runs one step. Its failure is shown and passed on; `hint` says what to do about it. */
  async step<T>(name: string, hint: string, run: () => Promise<T>): Promise<T> {
    const started = performance.now();
    this.#set({ name, state: 'loading', note: '', ms: null });
    try {
      const value = await run();
      this.#set({ name, state: 'ready', note: '', ms: performance.now() - started });
      return value;
    } catch (error) {
      if (error instanceof Absent) this.#set({ name, state: 'absent', note: error.message, ms: null });
      else this.#set({ name, state: 'failed', note: `${errorWords(error)} ${hint}`, ms: null });
      throw error;
    }
  }

  /** A part that was ready is gone, or there again. */
  lost(name: string, note: string): void {
    this.#set({ name, state: 'lost', note, ms: null });
  }

  found(name: string): void {
    if (this.#steps.value.some((step) => step.name === name && step.state === 'lost'))
      this.#set({ name, state: 'ready', note: '', ms: null });
  }

  #set(step: BootStep): void {
    const steps = this.#steps.value;
    const known = steps.some((one) => one.name === step.name);
    this.#steps.value = known ? steps.map((one) => (one.name === step.name ? step : one)) : [...steps, step];
  }
}
