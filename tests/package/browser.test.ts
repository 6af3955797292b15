import { copyFileSync, mkdirSync, readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import type { Browser } from '@playwright/test';
import { build } from 'vite';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest';
import { regionOf } from '../../src/site/lib/regions.ts';
import { launchBrowser, patient, SAID, say, serveFolder, TELL, type Site } from './support/browser.ts';
import { folderIn, write } from './support/project.ts';
import { adapt, readmeBlock } from './support/readme.ts';
import { ROOT } from './support/run.ts';

const example = (name: string) => readFileSync(path.join(ROOT, 'examples', name), 'utf8');

let browser: Browser;
let site: Site | undefined;
beforeAll(async () => void (browser = await launchBrowser()));
afterAll(() => browser.close());
beforeEach(() => void (site = undefined));
afterEach(() => site?.close());

/** Says something, leaves, comes back and asks: what is there must come from the page's own storage. */
async function expectDurable(url: string): Promise<void> {
  const context = await browser.newContext();
  const page = await context.newPage();
  expect(await say(page, url, 'my dog is called Ada')).toMatchObject({ stopReason: 'end_turn', tier: 'new', sessions: 1 });
  await page.close();
  const asked = await say(await context.newPage(), url, 'what is my dog called?');
  expect(asked).toMatchObject({ stopReason: 'end_turn', tier: 'resume', sessions: 1, reply: expect.stringMatching(/Ada.*Ada/s) as string });
  await context.close();
}

describe('Vite', () => {
  async function builtWith(project: string, files: Readonly<Record<string, string>>): Promise<string> {
    write(project, files);
    await build({ root: project, configFile: false, logLevel: 'error', base: './', build: { target: 'es2022', outDir: 'out' } });
    return path.join(project, 'out');
  }
  const INDEX = '<!doctype html><title>Vite</title><body></body><script type="module" src="./main.ts"></script>';

  test('the README’s page, built and run in a browser: durable over a reload', async () => {
    const code = readmeBlock('In a page', 'ts');
    expect(code.trim(), 'the README shows the example').toBe(regionOf(example('browser.ts'), 'page', 'examples/browser.ts'));
    const out = await builtWith(folderIn(inject('webProject'), 'vite'), {
      'index.html': INDEX,
      'main.ts': adapt(code, [SAID]) + TELL,
      'agent.ts': example('agent.ts'),
    });
    site = await serveFolder(out);
    await expectDurable(site.url);
    const scripts = readdirSync(path.join(out, 'assets')).filter((name) => name.endsWith('.js'));
    expect(
      scripts.filter((name) => /(?:from|import\(?) ?['"`]node:/.test(readFileSync(path.join(out, 'assets', name), 'utf8'))),
      'scripts that hold something of Node',
    ).toEqual([]);
  });

  test('without sql.js the page still builds, and says what to install', async () => {
    const out = await builtWith(folderIn(inject('nodeProject'), 'vite-no-sqljs'), {
      'index.html': INDEX,
      'main.ts':
        "import { openSqljs } from 'acp-rehydrate/sqljs';\nopenSqljs().catch((error) => Object.assign(globalThis, { told: error.message }));",
    });
    site = await serveFolder(out);
    const page = patient(await browser.newPage());
    await page.goto(site.url);
    const told = await page.waitForFunction(() => (globalThis as unknown as { told?: string }).told);
    expect(await told.jsonValue()).toMatch(/^sql\.js is not installed; .*npm install sql\.js/);
    await page.close();
  });
});

describe('a folder of files, without npm', () => {
  const web = inject('webProject');
  const browserFiles = path.join(web, 'node_modules/acp-rehydrate/dist/browser');

  function folder(name: string, html: string, given: readonly string[]): string {
    const directory = path.join(path.dirname(web), name);
    mkdirSync(directory);
    for (const file of given) copyFileSync(file, path.join(directory, path.basename(file)));
    write(directory, { 'index.html': html });
    return directory;
  }

  test('the page of the installation guide, with the four files it names: durable over a reload', async () => {
    const html = adapt(example('page.html'), [SAID]).replace(/<\/script>\s*$/, `${TELL}</script>\n`);
    const directory = folder('static', html, [
      ...['acp-rehydrate.js', 'agent.js'].map((file) => path.join(browserFiles, file)),
      ...['sql-wasm-browser.js', 'sql-wasm-browser.wasm'].map((file) => path.join(web, 'node_modules/sql.js/dist', file)),
    ]);
    expect(readdirSync(directory)).toHaveLength(5);
    site = await serveFolder(directory);
    await expectDurable(site.url);
  });

  test('its module has every name of the browser’s entries', async () => {
    const names = async (...parts: string[]) =>
      Object.keys((await import(path.join(web, 'node_modules/acp-rehydrate/dist', ...parts))) as object);
    const entries = await Promise.all(
      ['engine', 'adapters/sqljs', 'adapters/websocket', 'adapters/worker'].map((each) => names(each, 'index.js')),
    );
    expect((await names('browser/acp-rehydrate.js')).sort()).toEqual([...new Set(entries.flat())].sort());
  });

  test('without sql.js the page says what to install', async () => {
    const html =
      "<!doctype html><script type=module>import { openSqljs } from './acp-rehydrate.js'; openSqljs().catch((error) => (globalThis.told = error.message));</script>";
    site = await serveFolder(folder('static-no-sqljs', html, [path.join(browserFiles, 'acp-rehydrate.js')]));
    const page = patient(await browser.newPage());
    await page.goto(site.url);
    const told = await page.waitForFunction(() => (globalThis as unknown as { told?: string }).told);
    expect(await told.jsonValue()).toMatch(/^sql\.js is not installed; .*its `module`/);
    await page.close();
  });
});
