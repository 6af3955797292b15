/**
 * Astro links the style sheets of everything a page's scripts might ever load. Those of the playground are
 * loaded by its script when it is asked for, so prose pages need not carry them.
 */
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';

/** Style sheets that some script loads by itself, as paths from the root of the site. */
export function onDemandSheets(site: string): ReadonlySet<string> {
  const sheets = new Set<string>();
  const assets = path.join(site, '_astro');
  for (const file of readdirSync(assets).filter((name) => name.endsWith('.js'))) {
    const list = /m\.f\|\|\(m\.f=(\[[^\]]*\])/.exec(readFileSync(path.join(assets, file), 'utf8'));
    if (!list) continue;
    for (const asset of JSON.parse(list[1]!) as string[]) if (asset.endsWith('.css')) sheets.add(asset);
  }
  return sheets;
}

/** Takes their links out of all pages but those under `except`; returns how many pages changed. */
export function dropOnDemandSheets(site: string, base: string, except: string): number {
  const sheets = onDemandSheets(site);
  let changed = 0;
  for (const file of readdirSync(site, { recursive: true, encoding: 'utf8' })) {
    if (!file.endsWith('.html') || file.startsWith(except)) continue;
    const full = path.join(site, file);
    const before = readFileSync(full, 'utf8');
    let after = before;
    for (const sheet of sheets) after = after.replace(`<link rel="stylesheet" href="${base}${sheet}">`, '');
    if (after === before) continue;
    writeFileSync(full, after);
    changed++;
  }
  return changed;
}
