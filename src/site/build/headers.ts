/** The site's response headers, and the files in which common static hosts look for them. */
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { attribute, elements, type BuiltPage } from './site.ts';

/** The hash of every inline script on the pages: the one that sets the theme. */
export function inlineScriptHashes(pages: readonly BuiltPage[]): readonly string[] {
  const hashes = pages.flatMap(({ tree }) =>
    [...elements(tree)].flatMap((element) => {
      const isCode = element.tagName === 'script' && /^(?:module|.*javascript.*|)$/.test(attribute(element, 'type') ?? '');
      const [text] = element.children;
      return isCode && text?.type === 'text' ? [`'sha256-${createHash('sha256').update(text.value).digest('base64')}'`] : [];
    }),
  );
  return [...new Set(hashes)].sort();
}

/**
 * Default-deny. `wasm-unsafe-eval` is for sql.js and the search, inline styles for the terminal and for diagrams, loopback connections for
 * the bridge, whatever its port.
 */
export function securityHeaders(hashes: readonly string[]): Readonly<Record<string, string>> {
  const policy = [
    "default-src 'none'",
    ["script-src 'self' 'wasm-unsafe-eval'", ...hashes].join(' '),
    "style-src 'self' 'unsafe-inline'",
    "img-src 'self' data:",
    "font-src 'self' data:",
    "connect-src 'self' http://127.0.0.1:* ws://127.0.0.1:* http://localhost:* ws://localhost:*",
    "worker-src 'self' blob:",
    "manifest-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ];
  return {
    'Content-Security-Policy': policy.join('; '),
    'X-Content-Type-Options': 'nosniff',
    'Referrer-Policy': 'no-referrer',
    'Permissions-Policy': 'camera=(), microphone=(), geolocation=()',
    'Cross-Origin-Opener-Policy': 'same-origin',
  };
}

export function writeHeaders(pages: readonly BuiltPage[], site: string, base: string): void {
  const headers = securityHeaders(inlineScriptHashes(pages));
  const rules: readonly (readonly [pattern: string, headers: Readonly<Record<string, string>>])[] = [
    ['*', headers],
    ['_astro/*', { 'Cache-Control': 'public, max-age=31536000, immutable' }],
    // Markdown twins and llms.txt: a browser reads text without a charset as Latin letters.
    ['*.md', { 'Content-Type': 'text/markdown; charset=utf-8' }],
    ['*.txt', { 'Content-Type': 'text/plain; charset=utf-8' }],
  ];
  const write = (file: string, text: string) => writeFileSync(path.join(site, file), `${text}\n`);
  const writeJson = (file: string, value: object) => write(file, JSON.stringify(value, null, 2));
  const lines = <T>(of: Readonly<Record<string, string>>, form: (name: string, value: string) => T) =>
    Object.entries(of).map((header) => form(...header));
  writeJson('headers.json', headers);
  write('_headers', rules.flatMap(([pattern, of]) => [base + pattern, ...lines(of, (name, value) => `  ${name}: ${value}`)]).join('\n'));
  writeJson('vercel.json', {
    trailingSlash: true,
    headers: rules.map(([pattern, of]) => ({
      source: base + pattern.replace('*', '(.*)'),
      headers: lines(of, (key, value) => ({ key, value })),
    })),
  });
  write(
    '.htaccess',
    [
      '<IfModule mod_headers.c>',
      ...lines(headers, (name, value) => `  Header always set ${name} "${value}"`),
      '</IfModule>',
      `ErrorDocument 404 ${base}404.html`,
      'AddType application/wasm .wasm',
      'AddType text/markdown .md',
      'AddCharset utf-8 .md .txt',
    ].join('\n'),
  );
}
