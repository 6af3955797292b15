/** The ways to break it, and what the tabs of the site ask of each other. */
import { computed } from '@preact/signals';
import type { Platform, TabMessage } from '../platform/index.ts';
import type { Agents } from './agents.ts';
import type { HostController } from './host-controller.ts';
import type { Choice } from './moves.ts';
import type { Notices } from './notices.ts';
import type { ShownSession } from './session.ts';
import type { Fact } from './steps.ts';
import type { Turns } from './turns.ts';

export interface FaultsNeeds {
  readonly agents: Agents;
  readonly choice: Choice;
  readonly host: HostController;
  readonly notices: Notices;
  readonly platform: Platform;
  readonly session: ShownSession;
  readonly turns: Turns;
  /** Something happened that a step may be about. */
  readonly tell: (fact: Fact) => Promise<void>;
  /** Lets go of everything, for good. */
  readonly dispose: () => Promise<void>;
}

export class Faults {
  /** Only an agent in the tab can be made to forget. */
  readonly canForget = computed(() => this.#needs.agents.named(this.#needs.choice.agent.value)?.where === 'tab');
  readonly #needs: FaultsNeeds;

  constructor(needs: FaultsNeeds) {
    this.#needs = needs;
  }

  async sleep(): Promise<void> {
    const { host, notices, session, tell } = this.#needs;
    await notices.attempt(() => host.sleep());
    await session.settle();
    if (host.host === null) await tell({ kind: 'sleep' });
  }

  async wake(): Promise<void> {
    const { host, notices, tell } = this.#needs;
    await notices.attempt(() => host.wake());
    if (host.host !== null) await tell({ kind: 'wake' });
  }

  kill(): Promise<void> {
    return this.#eachAgent('kill');
  }

  drop(): Promise<void> {
    return this.#eachAgent('drop');
  }

  /** The agent forgets every session it keeps. */
  async forgetStore(): Promise<void> {
    const { agents, choice, notices, platform, tell } = this.#needs;
    await notices.attempt(async () => {
      const agent = agents.named(choice.agent.value);
      if (agent?.where !== 'tab') return;
      await platform.tabAgents.forget(agent.name);
      notices.note.value = `The agent ${agent.name} has forgotten every session. The host’s record stays.`;
      await tell({ kind: 'forget-store' });
    });
  }

  async toggleCrash(): Promise<void> {
    const { host, notices, tell } = this.#needs;
    host.crashArmed.value = !host.crashArmed.value;
    notices.note.value = host.crashArmed.value ? 'Armed: the agent dies at the first word of its next answer.' : null;
    if (host.crashArmed.value) await tell({ kind: 'arm-crash' });
  }

  /** Asks the tab in which the session is live to let go of it. */
  takeOver(): void {
    const { notices, platform, session } = this.#needs;
    const sessionId = session.id.value;
    if (!sessionId) return;
    platform.tabs.send({ type: 'give-up', sessionId });
    notices.problem.value = null;
    notices.note.value = 'The other tab was asked to let go. Send the prompt again.';
  }

  /** What another tab asks of this one. */
  hear(message: TabMessage): void {
    const { dispose, host, notices, platform, session } = this.#needs;
    if (message.type === 'reset') {
      // The page begins anew, and with it whatever could not be let go of.
      void dispose()
        .catch((error: unknown) => console.warn(error))
        .finally(() => platform.reload());
      return;
    }
    const { sessionId } = message;
    const live = host.host;
    if (!live) return;
    if (message.type === 'give-up') {
      if (sessionId === session.id.value) void this.sleep().then(() => (notices.note.value = 'Another tab took the session over.'));
    } else if (host.agentsOf(sessionId).length > 0) {
      void notices.attempt(() =>
        message.type === 'cancel' ? live.cancel(sessionId) : live.respondPermission(sessionId, message.requestId, message.optionId),
      );
    }
  }

  async #eachAgent(how: 'kill' | 'drop'): Promise<void> {
    const { host, notices, session, tell, turns } = this.#needs;
    const running = host.agentsOf(session.id.value ?? turns.startingId);
    await notices.attempt(() => Promise.all(running.map((agent) => agent[how]())));
    await session.settle();
    if (running.length > 0) await tell({ kind: how });
  }
}
