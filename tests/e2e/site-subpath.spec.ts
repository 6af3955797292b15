/** A build for a sub-path, served like a static host would: with the headers the build wrote. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from '@playwright/test';
import { serveStatic, type StaticServer } from './site-support/static-server.ts';
import { PlaygroundPage } from './playground-page.ts';
import { complaints } from './site-support/watch.ts';

const ROOT = path.resolve(import.meta.dirname, '../..');
const BASE = '/some/where/';

test.describe.configure({ mode: 'serial' });

let directory: string;
let server: StaticServer;

test.beforeAll(async () => {
  test.setTimeout(600_000);
  directory = await mkdtemp(path.join(tmpdir(), 'site-subpath-'));
  const env = {
    ...process.env,
    SITE: 'https://docs.example.org',
    BASE,
    REPOSITORY_URL: 'https://example.org/me/rehydrate.git',
    ASTRO_TELEMETRY_DISABLED: '1',
  };
  await promisify(execFile)(process.execPath, [path.join(ROOT, 'node_modules/astro/bin/astro.mjs'), 'build', '--outDir', directory], {
    cwd: ROOT,
    env,
    maxBuffer: 64 * 1024 * 1024,
  });
  server = await serveStatic(directory, BASE);
});
test.afterAll(async () => {
  await server?.close();
  await rm(directory, { recursive: true, force: true });
});

test('home, a link in prose, the sidebar and the next page stay under the base', async ({ page }) => {
  const found = complaints(page);
  await page.goto(server.url);
  await page.getByRole('link', { name: 'Quick start' }).click();
  await expect(page).toHaveURL(`${server.url}start/quick-start/`);
  await page.getByRole('main').getByRole('link', { name: 'The tutorial' }).click();
  await expect(page).toHaveURL(`${server.url}start/tutorial/`);
  await page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name: 'Sessions & Persistence' }).click();
  await page.getByRole('link', { name: /^Next/ }).click();
  await expect(page).toHaveURL(`${server.url}reference/advanced/architecture/sessions-and-persistence/promises/`);
  await page.waitForLoadState('networkidle');
  expect(found).toEqual([]);
});

test('search finds, and its results stay under the base', async ({ page }) => {
  const found = complaints(page);
  await page.goto(`${server.url}start/quick-start/`);
  await page.keyboard.press('Control+k');
  await page.getByRole('searchbox', { name: 'Search' }).fill('lease');
  const result = page.getByRole('dialog').getByRole('link').first();
  const address = await result.evaluate((link: HTMLAnchorElement) => link.href);
  expect(address.startsWith(server.url), address).toBe(true);
  expect(address).not.toContain('start/quick-start/');
  await result.click();
  await expect(page).toHaveURL(address);
  await page.waitForLoadState('networkidle');
  await expect(page.getByRole('heading', { level: 1 })).not.toHaveText('This page is not here');
  expect(found).toEqual([]);
});

test('the playground runs under the base and the policy the build wrote', async ({ page }) => {
  const found = complaints(page);
  await page.goto(`${server.url}playground/`);
  await expect(page.getByRole('textbox', { name: 'Prompt' })).toBeVisible();
  await expect(page.getByRole('status', { name: 'Agent status' })).toBeVisible();
  await new PlaygroundPage(page).ready();
  // What it loads last, too.
  await page.waitForLoadState('networkidle');
  // On this machine the page asks whether there is a local bridge; a static host has none.
  expect(found.filter((complaint) => !complaint.endsWith('/__rehydrate/bridge.json'))).toEqual([]);
});

test('with a repository pages lead to their source, and say when they last changed', async ({ page }) => {
  await page.goto(`${server.url}guides/client/`);
  await expect(page.getByRole('link', { name: 'Edit page' })).toHaveAttribute(
    'href',
    'https://example.org/me/rehydrate/edit/main/content/docs/guides/client.mdx',
  );
  await expect(page.getByText('Last updated')).toBeVisible();
  await page.goto(`${server.url}reference/library/stdio/`);
  await expect(page.getByRole('link', { name: 'Edit page' })).toHaveAttribute(
    'href',
    'https://example.org/me/rehydrate/edit/main/src/adapters/stdio/index.ts',
  );
  await page.goto(`${server.url}reference/advanced/architecture/sessions-and-persistence/layers/`);
  await expect(page.getByRole('main').getByRole('link', { name: 'AgentLauncher', exact: true })).toHaveAttribute(
    'href',
    /^https:\/\/example\.org\/me\/rehydrate\/blob\/main\/src\/engine\/ports\.ts#L\d+$/,
  );
});

test('addresses for elsewhere are those of the deployment', async ({ page }) => {
  await page.goto(`${server.url}guides/client/`);
  await expect(page.locator('link[rel=canonical]')).toHaveAttribute('href', `https://docs.example.org${BASE}guides/client/`);
  await expect(page.locator('meta[property="og:image"]')).toHaveAttribute(
    'content',
    `https://docs.example.org${BASE}cards/guides/client.png`,
  );
  const twin = await (await page.request.get(`${server.url}guides/client.md`)).text();
  expect(twin).toContain(`https://docs.example.org${BASE}reference/events/`);
});
