/** A test with a bridge of its own, connected by hand as a person would. */
import path from 'node:path';
import { test as base } from '@playwright/test';
import { type Bridge, type BridgeEvent, startBridge } from '../../../src/bridge/index.ts';
import { PlaygroundPage } from '../playground-page.ts';

export interface OwnBridge {
  readonly bridge: Bridge;
  /** What the bridge saw: starts with their process ids, ends with how. */
  readonly events: readonly BridgeEvent[];
  /** The playground, with the agent of this bridge chosen. */
  readonly pg: PlaygroundPage;
}

export const test = base.extend<{ odd: OwnBridge }>({
  odd: async ({ page, baseURL }, use) => {
    const events: BridgeEvent[] = [];
    const bridge = await startBridge({
      agents: { odd: { command: process.execPath, args: [path.join(import.meta.dirname, 'odd-agent.mjs')] } },
      cwd: '/',
      origins: [new URL(baseURL!).origin],
      log: (event) => events.push(event),
    });
    const pg = new PlaygroundPage(page);
    await pg.open();
    await pg.button('About the bridge').click();
    await pg.button('Disconnect bridge').click();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('Bridge address').fill(bridge.url);
    await dialog.getByLabel('Token').fill(bridge.token);
    await dialog.getByRole('button', { name: 'Connect', exact: true }).click();
    await base.expect(dialog).toContainText('Connected to');
    await page.keyboard.press('Escape');
    await pg.combobox('Agent').selectOption('bridge:odd');
    await base.expect(pg.button('Sleep')).toBeEnabled();
    await use({ bridge, events, pg });
    await bridge.close();
  },
});

export { expect } from '@playwright/test';
