/** The small playgrounds in prose: each page that has one, run to the end of its scenario. */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from '@playwright/test';
import { scenarioNamed } from '../../playground/scenarios/index.ts';

const DOCS = path.join(import.meta.dirname, '../../content/docs');
const pages = readdirSync(DOCS, { recursive: true, encoding: 'utf8' }).flatMap((file) => {
  const scenario = /\.mdx?$/.test(file) ? /<Try [^>]*scenario="([^"]+)"/.exec(readFileSync(path.join(DOCS, file), 'utf8'))?.[1] : undefined;
  return scenario === undefined
    ? []
    : [{ address: `/${file.replace(/(^|\/)index\.mdx?$/, '$1').replace(/\.mdx?$/, '/')}`, scenario: scenarioNamed(scenario) }];
});

test('there are pages with small playgrounds', () => {
  expect(pages.length).toBeGreaterThan(5);
});

for (const { address, scenario } of pages) {
  test(`${address} runs “${scenario.title}” where it stands`, async ({ page }) => {
    const loaded: string[] = [];
    page.on('request', (request) => loaded.push(request.url()));
    await page.goto(address);
    const box = page.locator('rehydrate-try');
    await expect(box.getByRole('link', { name: 'Open in the playground' })).toHaveAttribute(
      'href',
      new RegExp(`#v=1&scenario=${scenario.name}$`),
    );
    // Nothing of it before it is asked for, not even late.
    await page.waitForLoadState('networkidle');
    expect(loaded.filter((url) => url.endsWith('.wasm'))).toEqual([]);
    await box.getByRole('button', { name: 'Run it here' }).click();
    for (let step = 1; step <= scenario.steps.length; step++) {
      await box.getByRole('button', { name: `Run step ${step} of ${scenario.steps.length}` }).click();
      await expect(
        box
          .getByRole('list', { name: 'Steps' })
          .getByRole('listitem')
          .nth(step - 1),
      ).toHaveAttribute('data-state', 'done');
    }
    await expect(box.locator('.rp-end')).toContainText(scenario.end);
    // It keeps no session, and leaves the page's address alone.
    expect(new URL(page.url()).hash).toBe('');
    expect(await page.evaluate(async () => (await indexedDB.databases()).map((one) => one.name))).not.toContain('rehydrate-playground');
    expect(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)).toBeLessThanOrEqual(0);
  });
}
