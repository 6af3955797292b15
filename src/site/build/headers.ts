/** The site's response headers, and the files in which common static hosts look for them. */
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { attribute, elements, type BuiltPage } from './site.ts';

/** The hash of every inline script on the pages; there is one, which sets the theme before the first paint. */
export function inlineScriptHashes(pages: readonly BuiltPage[]): readonly string[] {
  const hashes = new Set<string>();
  for (const page of pages) {
    for (const element of elements(page.tree)) {
      if (element.tagName !== 'script' || attribute(element, 'src') !== undefined) continue;
      const type = attribute(element, 'type');
      if (type !== undefined && type !== 'module' && !type.includes('javascript')) continue;
      const [text] = element.children;
      if (text?.type === 'text') hashes.add(`'sha256-${createHash('sha256').update(text.value).digest('base64')}'`);
    }
  }
  return [...hashes].sort();
}

/**
 * Default-deny. `wasm-unsafe-eval`: sql.js and the search are WebAssembly. Inline styles: the terminal sets
 * them, and diagrams carry their geometry. Loopback connections: the bridge, on whatever port it was given.
 */
export function securityHeaders(hashes: readonly string[]): Readonly<Record<string, string>> {
  const loopback = ['http://127.0.0.1:*', 'ws://127.0.0.1:*', 'http://localhost:*', 'ws://localhost:*'];
  const policy = {
    'default-src': ["'none'"],
    'script-src': ["'self'", "'wasm-unsafe-eval'", ...hashes],
    'style-src': ["'self'", "'unsafe-inline'"],
    'img-src': ["'self'", 'data:'],
    'font-src': ["'self'", 'data:'],
    'connect-src': ["'self'", ...loopback],
    'worker-src': ["'self'", 'blob:'],
    'manifest-src': ["'self'"],
    'base-uri': ["'none'"],
    'form-action': ["'none'"],
    'frame-ancestors': ["'none'"],
  };
  return {
    'Content-Security-Policy': Object.entries(policy)
      .map(([name, values]) => `${name} ${values.join(' ')}`)
      .join('; '),
    'X-Content-Type-Options': 'nosniff',
    'Referrer-Policy': 'no-referrer',
    'Permissions-Policy': 'camera=(), microphone=(), geolocation=()',
    'Cross-Origin-Opener-Policy': 'same-origin',
  };
}

/** Markdown twins and llms.txt: a browser reads text without a charset as Latin letters. */
const TEXTS = [
  ['md', 'text/markdown; charset=utf-8'],
  ['txt', 'text/plain; charset=utf-8'],
] as const;

/** Files under `_astro` carry a hash in their name. */
const FOREVER = 'public, max-age=31536000, immutable';

export function writeHeaders(pages: readonly BuiltPage[], site: string, base: string): void {
  const headers = Object.entries(securityHeaders(inlineScriptHashes(pages)));
  const write = (file: string, text: string) => writeFileSync(path.join(site, file), text);
  write('headers.json', `${JSON.stringify(Object.fromEntries(headers), null, 2)}\n`);
  write(
    '_headers',
    `${base}*\n${headers.map(([name, value]) => `  ${name}: ${value}\n`).join('')}\n${base}_astro/*\n  Cache-Control: ${FOREVER}\n${TEXTS.map(([ending, type]) => `${base}*.${ending}\n  Content-Type: ${type}\n`).join('')}`,
  );
  const rule = (source: string, entries: readonly (readonly [string, string])[]) => ({
    source,
    headers: entries.map(([key, value]) => ({ key, value })),
  });
  write(
    'vercel.json',
    `${JSON.stringify({ trailingSlash: true, headers: [rule(`${base}(.*)`, headers), rule(`${base}_astro/(.*)`, [['Cache-Control', FOREVER]]), ...TEXTS.map(([ending, type]) => rule(`${base}(.*).${ending}`, [['Content-Type', type]]))] }, null, 2)}\n`,
  );
  write(
    '.htaccess',
    [
      '<IfModule mod_headers.c>',
      ...headers.map(([name, value]) => `  Header always set ${name} "${value}"`),
      '</IfModule>',
      `ErrorDocument 404 ${base}404.html`,
      'AddType application/wasm .wasm',
      'AddType text/markdown .md',
      'AddCharset utf-8 .md .txt',
      '',
    ].join('\n'),
  );
}
