/**
 * Checks every link, script, style sheet, image and fragment of the finished HTML: plugins that read Markdown see neither pages made from
 * source nor headings of components, nor what a base does to a link.
 */
import { existsSync, statSync } from 'node:fs';
import path from 'node:path';
import { attribute, elements, type BuiltPage } from './site.ts';

const NAMES: Readonly<Record<string, string>> = { a: 'href', link: 'href', script: 'src', img: 'src', source: 'src' };

/** Its fragments are its own: the app reads them. */
const PLAYGROUND = 'playground/';

export function brokenLinks(pages: readonly BuiltPage[], site: string, base: string): readonly string[] {
  const ids = new Map(pages.map(({ path: page, tree }) => [page, [...elements(tree)].map((element) => attribute(element, 'id'))]));
  const problemOf = (link: string, page: string): string | null => {
    if (/^(?:[a-z][a-z0-9+.-]*:|\/\/)/i.test(link)) return null;
    const url = new URL(link, `http://site${base}${page}`);
    if (!url.pathname.startsWith(base)) return `leaves the base ${base}`;
    const target = decodeURIComponent(url.pathname.slice(base.length));
    const known = ids.get(target);
    if (!known) {
      const file = path.join(site, target);
      if (existsSync(file) && statSync(file).isFile()) return null;
      return ids.has(`${target}/`) ? 'lacks its final slash' : 'does not exist';
    }
    const fragment = decodeURIComponent(url.hash.slice(1));
    return fragment === '' || known.includes(fragment) || target === PLAYGROUND ? null : 'has no such place on its page';
  };
  return pages.flatMap(({ path: page, tree }) => {
    const links = [...elements(tree)].map((element) => attribute(element, NAMES[element.tagName] ?? ''));
    return [...new Set(links)].flatMap((link) => {
      const problem = link && problemOf(link, page);
      return problem ? [`/${page}: ${link} ${problem}`] : [];
    });
  });
}
