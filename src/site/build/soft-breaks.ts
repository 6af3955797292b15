/**
 * Long names in tables may break where a reader would break them: `session_not_` / `resumable`, and not in the
 * middle of a word. Done to the finished pages, so that neither search nor Markdown twins see it.
 */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import type { BuiltPage } from './site.ts';

/** Shorter names fit beside another column at 320 pixels. */
const LONG = 10;

/** After `_`, `.` and `/`, before a hump; entities and what is short stay whole. */
export function withSoftBreaks(name: string): string {
  if (name.length <= LONG || name.includes('&')) return name;
  return name.replace(/[_./](?=\w)|[a-z](?=[A-Z])/g, '$&<wbr>');
}

export function softenTables(html: string): string {
  return html.replace(
    /(<td[^>]*>(?:<a [^>]*>)?<code[^>]*>)([^<]+)(?=<\/code>)/g,
    (_, before: string, name: string) => before + withSoftBreaks(name),
  );
}

export function writeSoftBreaks(pages: readonly BuiltPage[], site: string): void {
  for (const page of pages) {
    const html = softenTables(page.html);
    if (html !== page.html) writeFileSync(path.join(site, page.path.endsWith('.html') ? page.path : `${page.path}index.html`), html);
  }
}
