/**
 * Checks every link, script, style sheet and image of the built pages, and every fragment. The finished HTML is
 * what is checked, because a plugin that reads Markdown sees neither the pages made from source nor the headings
 * that components write, nor what a base does to a link.
 */
import { existsSync, statSync } from 'node:fs';
import path from 'node:path';
import { attribute, elements, type BuiltPage } from './site.ts';

const NAMES: Readonly<Record<string, string>> = { a: 'href', link: 'href', script: 'src', img: 'src', source: 'src' };

/** Fragments that belong to an application: the playground reads its own. */
const OWN_FRAGMENTS = /^playground\/$/;

/** One line for each broken link, with the page it is on. */
export function brokenLinks(pages: readonly BuiltPage[], site: string, base: string): readonly string[] {
  const ids = new Map(pages.map((page) => [page.path, idsOf(page)]));
  const problems: string[] = [];
  for (const page of pages) {
    const seen = new Set<string>();
    for (const element of elements(page.tree)) {
      const link = NAMES[element.tagName] && attribute(element, NAMES[element.tagName]!);
      if (!link || seen.has(link)) continue;
      seen.add(link);
      const problem = problemOf(link, page, ids, site, base);
      if (problem) problems.push(`/${page.path}: ${link} ${problem}`);
    }
  }
  return problems;
}

function problemOf(
  link: string,
  page: BuiltPage,
  ids: ReadonlyMap<string, ReadonlySet<string>>,
  site: string,
  base: string,
): string | null {
  if (/^[a-z][a-z0-9+.-]*:/i.test(link) || link.startsWith('//')) return null;
  const here = `${base}${page.path}`;
  const url = new URL(link, `http://site${here}`);
  if (!url.pathname.startsWith(base)) return `leaves the base ${base}`;
  const target = decodeURIComponent(url.pathname.slice(base.length));
  const known = ids.get(target);
  if (!known) {
    const file = path.join(site, target);
    if (existsSync(file) && statSync(file).isFile()) return null;
    return ids.has(`${target}/`) ? 'lacks its final slash' : 'does not exist';
  }
  const fragment = decodeURIComponent(url.hash.slice(1));
  if (fragment === '' || known.has(fragment) || OWN_FRAGMENTS.test(target)) return null;
  return 'has no such place on its page';
}

function idsOf(page: BuiltPage): ReadonlySet<string> {
  const ids = new Set<string>();
  for (const element of elements(page.tree)) {
    const id = attribute(element, 'id');
    if (id) ids.add(id);
  }
  return ids;
}
