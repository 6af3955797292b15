/** Measures pages as they are transferred: the HTML, and the scripts and style sheets that it names, each gzipped. */
import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { gzipSync } from 'node:zlib';

/** The most bytes for a prose page, gzipped. */
const BUDGET = { html: 7_200, js: 27_000, css: 16_750 };

/** Pages with tables from the source or from records may be longer. */
const TABLES =
  /^reference\/(?:library\/.|command\/|limits\/|bridge\/|server\/|errors\/|glossary\/|compatibility\/|advanced\/architecture\/sessions-and-persistence\/security\/)/;
const TABLES_HTML = 10_000;

/**
 * Leaves out the playground, which has a budget of its own. A script counts with its static imports.
 *
 * @returns {{ page: string, html: number, js: number, css: number, over: string[] }[]}
 */
export function pageSizes(site) {
  const read = (file) => readFileSync(path.join(site, file), 'utf8');
  const weights = new Map();
  const weigh = (urls) =>
    [...urls].reduce((total, url) => {
      if (!weights.has(url)) weights.set(url, gzipSync(read(url)).length);
      return total + weights.get(url);
    }, 0);
  return globSync('**/*.html', { cwd: site, exclude: ['playground'] }).map((page) => {
    const html = read(page);
    const named = (pattern) => new Set([...html.matchAll(pattern)].map((match) => match[1]));
    const scripts = named(/<script[^>]+src="([^"]+)"/g);
    for (const url of scripts)
      for (const [, from] of read(url).matchAll(/(?:^|[;}])import(?:[^'"();]*from)?["'](\.[^"']+)["']/g))
        scripts.add(path.posix.join(path.posix.dirname(url), from));
    const sizes = {
      html: gzipSync(html).length,
      js: weigh(scripts),
      css: weigh(named(/<link[^>]+rel="stylesheet"[^>]+href="([^"]+)"/g)),
    };
    const budget = TABLES.test(path.dirname(page) + '/') ? { ...BUDGET, html: TABLES_HTML } : BUDGET;
    return { page, ...sizes, over: Object.keys(budget).filter((part) => sizes[part] > budget[part]) };
  });
}
