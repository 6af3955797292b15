/** The ways to break it, and to take a session from another tab. */
import type { TabMessage } from './platform.ts';
import type { Playground } from './store.ts';
import type { TappedAgent } from './tap.ts';

export class Breaking {
  readonly #pg: Playground;

  constructor(pg: Playground) {
    this.#pg = pg;
  }

  async sleep(): Promise<void> {
    await this.#pg.attempt(() => this.#pg.keeper.sleep());
    await this.#pg.watch.settle();
  }

  async wake(): Promise<void> {
    await this.#pg.attempt(() => this.#pg.keeper.wake());
  }

  kill(): Promise<void> {
    return this.#eachAgent((agent) => agent.kill());
  }

  drop(): Promise<void> {
    return this.#eachAgent((agent) => agent.drop());
  }

  /** The agent forgets every session it keeps. Only an agent in the tab can be made to. */
  async forgetStore(): Promise<void> {
    await this.#pg.attempt(async () => {
      const agent = this.#pg.chosen.value;
      if (agent?.where !== 'tab') return;
      await this.#pg.platform.tabAgents.forget(agent.name);
      this.#pg.note.value = `The agent ${agent.name} has forgotten every session. The host’s record stays.`;
    });
  }

  toggleCrash(): void {
    const { crashArmed } = this.#pg.keeper;
    crashArmed.value = !crashArmed.value;
    this.#pg.note.value = crashArmed.value ? 'Armed: the agent dies at the first word of its next answer.' : null;
  }

  /** Asks the tab in which the session is live to let go of it. */
  takeOver(): void {
    const sessionId = this.#pg.sessionId.value;
    if (!sessionId) return;
    this.#pg.platform.tabs.send({ type: 'give-up', sessionId });
    this.#pg.problem.value = null;
    this.#pg.note.value = 'The other tab was asked to let go. Send the prompt again.';
  }

  /** What another tab asks of this one. */
  hear(message: TabMessage): void {
    const pg = this.#pg;
    if (message.type === 'reset') {
      void pg.dispose().then(() => pg.platform.reload());
      return;
    }
    if (message.sessionId === pg.sessionId.value && pg.keeper.host) {
      void this.sleep().then(() => (pg.note.value = 'Another tab took the session over.'));
    }
  }

  async #eachAgent(end: (agent: TappedAgent) => Promise<unknown>): Promise<void> {
    const { keeper, sessionId, turns } = this.#pg;
    await this.#pg.attempt(() => Promise.all(keeper.agentsOf(sessionId.value ?? turns.startingId).map(end)));
    await this.#pg.watch.settle();
  }
}
