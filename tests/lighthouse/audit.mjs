/** Lighthouse over pages of the built site, served as a static host would, on an emulated phone. */
import { launch } from 'chrome-launcher';
import lighthouse from 'lighthouse';
import { chromiumArgs, ensureChromium } from '../../scripts/support/chromium.mjs';
import { ensureSite } from '../../scripts/support/site-build.mjs';
import { serveStatic } from '../e2e/site-support/static-server.ts';

const ARCHITECTURE = '/reference/advanced/architecture/sessions-and-persistence/';

/** One of each kind of page: first, start, guide, generated, diagrams, tables, figures. */
export const PAGES = [
  '/',
  '/start/quick-start/',
  '/guides/client/',
  '/reference/library/host/',
  ARCHITECTURE,
  '/reference/compatibility/',
  `${ARCHITECTURE}performance/`,
];

/** What Lighthouse says a page lacks, in words; only what counts for the score. */
function defects(lhr) {
  return Object.values(lhr.categories).flatMap((category) =>
    category.auditRefs
      .map(({ id, weight }) => ({ weight, audit: lhr.audits[id] }))
      .filter(({ weight, audit }) => weight > 0 && audit.score !== null && audit.score < 1)
      .map(({ audit }) => `${category.id}: ${audit.title} ${audit.displayValue ?? ''}`.trim()),
  );
}

/**
 * @param {readonly string[]} categories Lighthouse's own names
 * @param {{ rounds?: number }} options each round takes every page once
 * @returns {AsyncGenerator<{ page: string, scores: Record<string, number>, defects: string[] }>} scores from 0 to 100
 */
export async function* audit(categories, { rounds = 1 } = {}) {
  const site = await serveStatic(await ensureSite(), '/');
  const chrome = await launch({
    chromePath: await ensureChromium(),
    chromeFlags: ['--headless=new', ...chromiumArgs()],
    logLevel: 'silent',
  });
  try {
    for (const page of Array.from({ length: rounds }, () => PAGES).flat()) {
      const result = await lighthouse(new URL(page, site.url).href, {
        port: chrome.port,
        logLevel: 'silent',
        onlyCategories: [...categories],
        // Works a slow phone out from a quick load; loading at the speed there is instead, Lighthouse waits 10 s for silence.
        throttlingMethod: 'simulate',
        disableFullPageScreenshot: true,
      });
      const { lhr } = result;
      if (lhr.runtimeError) throw new Error(`Lighthouse could not look at ${page}: ${lhr.runtimeError.message}`);
      yield {
        page,
        scores: Object.fromEntries(Object.values(lhr.categories).map(({ id, score }) => [id, Math.round((score ?? 0) * 100)])),
        defects: defects(lhr),
      };
    }
  } finally {
    chrome.kill();
    await site.close();
  }
}
