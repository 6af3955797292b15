/** The playground: the page, and what a person does with it, from its start to its end. */
import type { BridgeAccess } from '../platform/index.ts';
import { createEditor } from './editor.ts';
import { createBranches, createNavigation } from './navigation.ts';
import { Page } from './page.ts';
import { createRunner } from './scenario.ts';
import { createFaults, createTurns } from './turns.ts';
import { formatFragment } from './visits.ts';

export class Playground extends Page {
  readonly turns = createTurns(this);
  readonly faults = createFaults(this);
  readonly editor = createEditor(this, this.turns);
  readonly navigation = createNavigation(this, this.turns);
  readonly runner = createRunner(this, this);
  readonly branches = createBranches(this, this.navigation);

  /** Opens everything, beside each other. The page can be typed into before it is done. */
  async start(): Promise<void> {
    const { agents, boot, databases, navigation, platform, visits } = this;
    const place = navigation.recall();
    let move: number;
    this.ends.push(platform.tabs.listen((message) => this.faults.hear(message)));
    try {
      const bridge = boot.step('Bridge', '', () => agents.discover()).catch(() => undefined);
      const scripts = boot
        .step('Agents', 'Reload the page when the connection is back.', () => platform.tabAgents.load())
        .catch(() => undefined);
      await boot.step('Database', 'Reload the page. If it stays so, this browser refuses to store data for this site.', () =>
        databases.open(visits.last.branch),
      );
      await Promise.all([bridge, scripts]);
      move = await navigation.goTo(place, 'start').catch((error: unknown) => {
        // No step of the start told it.
        this.notices.show(error);
        throw error;
      });
      this.settle();
    } catch (error) {
      this.settle(error);
      // Nobody can use what is open here; another tab may.
      await this.letGo();
      throw error;
    }
    // Wanted later and only perhaps: what fails now is tried again when it is used.
    platform.loadRest().catch(() => undefined);
    await this.runner.runLinked(place.step, move);
  }

  /** The address changed under the page: a link was opened, or the history walked. */
  async navigate(): Promise<void> {
    await this.opened;
    const place = this.navigation.asked();
    if (formatFragment(this.here()) === formatFragment(place)) return;
    await this.runner.runLinked(place.step, await this.navigation.goTo(place, 'link'));
  }

  connectBridge(access: BridgeAccess): Promise<void> {
    return this.agents.connect(access);
  }

  async disconnectBridge(): Promise<void> {
    await this.host.sleep();
    this.agents.disconnect();
    if (!this.chosen.value) await this.navigation.chooseScenario(this.choice.scenario.value.name);
  }
}
