/**
 * What a prose page weighs on the wire, from the built site: HTML, the scripts and the style sheets it names,
 * each gzipped. `node scripts/docs-size.mjs [--json]` after a build; exits 1 when a page is over budget.
 */
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { gzipSync } from 'node:zlib';

/** Bytes, gzipped, for one prose page. */
export const BUDGET = { html: 7_200, js: 27_000, css: 16_750 };

/** Pages that are not prose: the playground has a budget of its own. */
const NOT_PROSE = [/^playground\//];

/** Pages that are tables rendered from the source or from records (an entry's members, options, limits, threats, agents) are longer than prose; their scripts and styles are not. */
const TABLES =
  /^reference\/(?:library\/.|command\/|limits\/|bridge\/|server\/|errors\/|glossary\/|compatibility\/|advanced\/architecture\/sessions-and-persistence\/security\/)/;
const TABLES_HTML = 10_000;

/** @returns {{ page: string, html: number, js: number, css: number, over: string[] }[]} */
export function pageSizes(site, base = '/') {
  const pages = readdirSync(site, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.html'));
  const size = weigher(site, base);
  return pages
    .filter((page) => !NOT_PROSE.some((pattern) => pattern.test(page)))
    .sort()
    .map((page) => {
      const html = readFileSync(path.join(site, page), 'utf8');
      const named = (pattern) => [...new Set([...html.matchAll(pattern)].map((match) => match[1]))];
      const scripts = withImports(site, base, named(/<script[^>]+src="([^"]+)"/g));
      const sheets = named(/<link[^>]+rel="stylesheet"[^>]+href="([^"]+)"/g);
      const sizes = { html: gzipSync(html).length, js: sum(scripts.map(size)), css: sum(sheets.map(size)) };
      const budget = TABLES.test(page.slice(0, -'index.html'.length)) ? { ...BUDGET, html: TABLES_HTML } : BUDGET;
      return { page, ...sizes, over: Object.keys(budget).filter((part) => sizes[part] > budget[part]) };
    });
}

function weigher(site, base) {
  const known = new Map();
  return (url) => {
    if (!known.has(url)) known.set(url, gzipSync(readFileSync(fileOf(site, base, url))).length);
    return known.get(url);
  };
}

function fileOf(site, base, url) {
  return path.join(site, url.slice(base.length));
}

/** The scripts and what they import at once; what they import on demand is not part of the page. */
function withImports(site, base, scripts) {
  const all = new Set(scripts);
  for (const url of all) {
    const text = readFileSync(fileOf(site, base, url), 'utf8');
    for (const [, from] of text.matchAll(/(?:^|[;}])import(?:[^'"();]*from)?["'](\.[^"']+)["']/g))
      all.add(path.posix.join(path.posix.dirname(url), from));
  }
  return [...all];
}

function sum(numbers) {
  return numbers.reduce((total, number) => total + number, 0);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const site = path.resolve('site-dist');
  if (!existsSync(site)) throw new Error('There is no site-dist/. Build the site first: npm run build:site');
  const sizes = pageSizes(site);
  if (process.argv.includes('--json')) console.log(JSON.stringify({ budget: BUDGET, pages: sizes }));
  else {
    console.log(`Budget: HTML ${BUDGET.html}, JS ${BUDGET.js}, CSS ${BUDGET.css} bytes gzipped`);
    for (const { page, html, js, css, over } of sizes.sort((a, b) => b.html - a.html))
      console.log(
        `${String(html).padStart(6)} ${String(js).padStart(6)} ${String(css).padStart(6)}  ${page}${over.length ? `  over: ${over.join(', ')}` : ''}`,
      );
  }
  if (sizes.some((page) => page.over.length > 0)) process.exitCode = 1;
}
