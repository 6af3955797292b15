/** What is chosen, and the way from one place to another. */
import { signal } from '@preact/signals';
import type { ProtocolChoice, ResumePolicy } from '../../src/engine/types.ts';
import { SCENARIOS, type Scenario } from '../scenarios/index.ts';

export class Choice {
  readonly scenario = signal<Scenario>(SCENARIOS[0]!);
  readonly agent = signal('');
  readonly policy = signal<ResumePolicy>('auto');
  readonly protocol = signal<ProtocolChoice>('v1');
}

export class Moves {
  /** Scenario and agent are chosen, and their session is not shown yet. */
  readonly going = signal(false);
  #now = 0;

  /** Another number whenever the page goes to another place. What began at one place is not carried on at the next. */
  get now(): number {
    return this.#now;
  }

  /** Goes to a place, unless another one is gone to meanwhile. */
  async go(run: (move: number) => Promise<void>): Promise<number> {
    const move = ++this.#now;
    this.going.value = true;
    try {
      await run(move);
    } finally {
      if (move === this.#now) this.going.value = false;
    }
    return move;
  }
}
