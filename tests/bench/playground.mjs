/**
 * The playground in a real Chromium: what it loads (gzip), how soon a prompt can be typed and answered
 * after a cold load, and what 10 000 streamed chunks do to the page. One run prints all.
 *
 *   node tests/bench/playground.mjs
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { chromium } from '@playwright/test';
import { chromiumArgs, ensureChromium, installedChromium } from '../../scripts/support/chromium.mjs';
import { ensureSite } from '../../scripts/support/site-build.mjs';
import { serveSite } from '../../scripts/support/site-server.mjs';

const CHUNKS = 10_000;
const COLD_LOADS = 5;
/** The page is opened on an agent in the tab; a reload of the same link shows the same session. */
const PAGE = 'playground/#v=1&scenario=free&agent=native';

const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
const kB = (bytes) => Math.round(bytes / 100) / 10;

const BROWSER = { executablePath: installedChromium({ whole: true }) ?? (await ensureChromium()), args: chromiumArgs() };

async function inFreshBrowser(work) {
  const directory = mkdtempSync(path.join(tmpdir(), 'rehydrate-bench-'));
  const context = await chromium.launchPersistentContext(directory, BROWSER);
  try {
    return await work(context);
  } finally {
    await context.close();
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Everything the playground fetched of its own until an agent answered, compressed as a server would. */
async function size(url) {
  return inFreshBrowser(async (context) => {
    const page = await context.newPage();
    /** Bytes by address: a file that a second page asks for again, from the cache, is one file. */
    const files = new Map();
    context.on('response', (response) => {
      const { pathname } = new URL(response.url());
      if (response.ok() && pathname.startsWith('/_astro/') && !files.has(pathname))
        files.set(
          pathname,
          response.body().then((body) => gzipSync(body, { level: 9 }).length),
        );
    });
    const loaded = async () => (await Promise.all(files.values())).reduce((sum, bytes) => sum + bytes, 0);
    // What the pages around it load too is the site's, and counted there.
    await page.goto(url);
    await page.waitForTimeout(1_000);
    const site = await loaded();
    await page.goto(`${url}${PAGE}`);
    await say(page, 'My cat is called Ada.');
    await page.waitForTimeout(1_000);
    return { site, own: (await loaded()) - site };
  });
}

async function say(page, text) {
  await page.getByRole('textbox', { name: 'Prompt' }).fill(text);
  await page.getByRole('button', { name: 'Send' }).click();
  await page.getByRole('status', { name: 'Agent status' }).filter({ hasText: 'live' }).waitFor();
}

/** Milliseconds from the navigation until a prompt can be typed, and until the database is open. */
function coldLoad(url) {
  return inFreshBrowser(async (context) => {
    const page = await context.newPage();
    await page.addInitScript(() => {
      /* global requestAnimationFrame */
      const found = (window.__bench = { typeable: 0, ready: 0 });
      const look = () => {
        if (!found.typeable && document.querySelector('textarea[aria-label="Prompt"]')) found.typeable = performance.now();
        const button = [...document.querySelectorAll('button')].find((one) => one.textContent === 'Sleep');
        if (!found.ready && button && button.getAttribute('aria-disabled') === null) found.ready = performance.now();
        if (!found.ready) requestAnimationFrame(look);
      };
      requestAnimationFrame(look);
    });
    await page.goto(`${url}${PAGE}`);
    await page.waitForFunction(() => window.__bench.ready > 0);
    return page.evaluate(() => window.__bench);
  });
}

/** Streams chunks at the agent's pace, and reports the page's tasks and what memory did. */
async function streaming(url) {
  const browser = await chromium.launch(BROWSER);
  try {
    const page = await browser.newPage();
    await page.goto(`${url}${PAGE}`);
    await say(page, 'My cat is called Ada.');
    const session = await page.context().newCDPSession(page);
    const heap = async () => {
      await session.send('HeapProfiler.collectGarbage');
      return (await session.send('Runtime.getHeapUsage')).usedSize;
    };
    // One stream first, so that what a page keeps for good is there before memory is compared.
    await say(page, `stream ${CHUNKS} chunks`);
    const before = await heap();
    await browser.startTracing(page, { categories: ['toplevel', 'devtools.timeline'] });
    const started = performance.now();
    await say(page, `stream ${CHUNKS} chunks`);
    const seconds = (performance.now() - started) / 1_000;
    const tasks = tasksOf(JSON.parse((await browser.stopTracing()).toString()).traceEvents);
    return { ...tasks, seconds, growth: (await heap()) - before };
  } finally {
    await browser.close();
  }
}

/**
 * The tasks of the page's main thread, in milliseconds: on the clock, and of processor time. On a machine
 * that others use too a task is interrupted, and only the second says what the page itself did.
 */
function tasksOf(events) {
  const thread = (event) => `${event.pid} ${event.tid}`;
  const renderers = new Set(events.filter((event) => event.name === 'thread_name' && event.args.name === 'CrRendererMain').map(thread));
  const calls = new Map();
  for (const event of events)
    if (event.name === 'FunctionCall' && renderers.has(thread(event))) calls.set(thread(event), (calls.get(thread(event)) ?? 0) + 1);
  const [main] = [...calls].sort((a, b) => b[1] - a[1])[0];
  const tasks = events.filter((event) => thread(event) === main && event.ph === 'X' && event.name.endsWith('RunTask'));
  return { wall: tasks.map((task) => task.dur / 1_000), cpu: tasks.map((task) => (task.tdur ?? task.dur) / 1_000) };
}

/** @returns {Promise<{ name: string, results: { what: string, value: string | number, target?: string, met?: boolean }[] }>} */
export async function run() {
  const dir = process.env.REHYDRATE_SITE ?? (await ensureSite());
  const server = await serveSite({ dir, port: 0 });
  try {
    const { site, own } = await size(server.url);
    const loads = [];
    for (let i = 0; i < COLD_LOADS; i++) loads.push(await coldLoad(server.url));
    const typeable = Math.round(median(loads.map((load) => load.typeable)));
    const ready = Math.round(median(loads.map((load) => load.ready)));
    const { wall, cpu, seconds, growth } = await streaming(server.url);
    const longest = (tasks) =>
      `${Math.round(Math.max(0, ...tasks))} ms (${tasks.filter((ms) => ms > 50).length} of ${tasks.length} over 50 ms)`;
    const row = (what, value, target, met) => ({ what, value, target, met });
    return {
      name: 'playground',
      results: [
        row('loaded by the playground, gzip, wasm included', `${kB(own)} kB`, '≤ 640 kB', own <= 640_000),
        row('loaded by a first visit that begins at the playground: the site’s own files too', `${kB(own + site)} kB`),
        row('loaded by a page of prose, gzip', `${kB(site)} kB`),
        row(`cold load until a prompt can be typed, median of ${COLD_LOADS}`, `${typeable} ms`, '≤ 2 000 ms', typeable <= 2_000),
        row(`cold load until the session's database is open, median of ${COLD_LOADS}`, `${ready} ms`, '≤ 2 000 ms', ready <= 2_000),
        row(`${CHUNKS} streamed chunks: rate`, `${Math.round(CHUNKS / seconds)} a second`, '1 000 is what the agent sends'),
        row(`${CHUNKS} streamed chunks: longest task, processor time`, longest(cpu), '≤ 50 ms', Math.max(0, ...cpu) <= 50),
        row(`${CHUNKS} streamed chunks: longest task on the clock, in which others run too`, longest(wall)),
        row(
          `${CHUNKS} streamed chunks: heap after the second stream against the first`,
          `${growth > 0 ? '+' : ''}${kB(growth)} kB`,
          '≤ 4 000 kB',
          growth <= 4_000_000,
        ),
      ],
    };
  } finally {
    await server.close();
  }
}

if (process.argv[1] === import.meta.filename) console.log(JSON.stringify(await run(), null, 2));
