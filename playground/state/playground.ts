import type { BridgeAccess } from '../platform/index.ts';
import { createEditor } from './editor.ts';
import { createBranches, createNavigation } from './navigation.ts';
import { createPage, type PlaygroundOptions } from './page.ts';
import { createRunner } from './runner.ts';
import { createFaults, createTurns } from './turns.ts';
import { formatFragment } from './visits.ts';

export type Playground = ReturnType<typeof createPlayground>;

export function createPlayground(options: PlaygroundOptions) {
  const page = createPage(options);
  const { agents, boot, choice, chosen, databases, host, notices, opened, platform, visits } = page;
  const turns = createTurns(page);
  const faults = createFaults(page);
  const editor = createEditor(page, turns);
  const navigation = createNavigation(page, turns);
  const runner = createRunner(page, { turns, faults, editor, navigation });

  return Object.assign(page, {
    turns,
    faults,
    editor,
    navigation,
    runner,
    branches: createBranches(page, navigation),

    /** Opens everything at once; one can type before it is done. */
    async start(): Promise<void> {
      const place = navigation.recall();
      let move: number;
      page.ends.push(platform.tabs.listen((message) => faults.hear(message)));
      try {
        const bridge = boot.step('Bridge', '', () => agents.discover()).catch(() => undefined);
        const scripts = boot
          .step('Agents', 'Reload the page when the connection is back.', () => platform.tabAgents.load())
          .catch(() => undefined);
        await boot.step('Database', 'Reload the page.', () => databases.open(visits.last.branch));
        await Promise.all([bridge, scripts]);
        move = await navigation.goTo(place, 'start').catch((error: unknown) => {
          // No step of the start told it.
          notices.show(error);
          throw error;
        });
        page.settle();
      } catch (error) {
        page.settle(error);
        // Another tab may use it.
        await page.letGo();
        throw error;
      }
      // A failure is tried again when it is needed.
      platform.loadRest().catch(() => undefined);
      await runner.runLinked(place.step, move);
    },

    /** A link was opened, or the history walked. */
    async navigate(): Promise<void> {
      await opened;
      const place = navigation.asked();
      if (formatFragment(page.here()) === formatFragment(place)) return;
      await runner.runLinked(place.step, await navigation.goTo(place, 'link'));
    },

    async connectBridge(found: BridgeAccess): Promise<void> {
      await agents.connect(found);
      // The lesson waited for an agent behind it.
      if (runner.blocked.value && agents.bridge.value.kind === 'connected') await navigation.chooseScenario(choice.scenario.value.name);
    },

    async disconnectBridge(): Promise<void> {
      await host.sleep();
      agents.disconnect();
      if (!chosen.value) await navigation.chooseScenario(choice.scenario.value.name);
    },
  });
}
