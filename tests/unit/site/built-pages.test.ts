/** What is made from the finished pages: checked links, Markdown twins, headers, style sheets on demand. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { inlineScriptHashes, securityHeaders, writeHeaders } from '../../../src/site/build/headers.ts';
import { brokenLinks } from '../../../src/site/build/links.ts';
import { writeMarkdown } from '../../../src/site/build/markdown.ts';
import { finishPages, softenTables, wholeOptions } from '../../../src/site/build/finish.ts';
import { builtPages } from '../../../src/site/build/site.ts';

let site: string;
const put = (file: string, text: string) => {
  mkdirSync(path.dirname(path.join(site, file)), { recursive: true });
  writeFileSync(path.join(site, file), text);
};
const page = (body: string) =>
  `<!DOCTYPE html><html><head><meta name="description" content="About it."></head><body><h1>Title</h1><div class="sl-markdown-content">${body}</div></body></html>`;

beforeEach(() => {
  site = mkdtempSync(path.join(tmpdir(), 'site-'));
});
afterEach(() => rmSync(site, { recursive: true, force: true }));

test.each([
  ['<a href="/base/other/">', null],
  ['<a href="../other/#there">', null],
  ['<a href="#here">', null],
  ['<a href="https://example.org/x">', null],
  ['<a href="/base/file.txt">', null],
  ['<a href="/base/playground/#v=1&scenario=x">', null],
  ['<a href="/base/gone/">', 'does not exist'],
  ['<a href="/base/other">', 'lacks its final slash'],
  ['<a href="/other/">', 'leaves the base'],
  ['<a href="/base/other/#nowhere">', 'no such place'],
  ['<a href="#nowhere">', 'no such place'],
  ['<img src="/base/gone.png">', 'does not exist'],
  ['<script src="/base/gone.js"></script>', 'does not exist'],
])('the link %s: %s', (link, problem) => {
  put('page/index.html', page(`<p id="here">${link}</p>`));
  put('other/index.html', page('<h2 id="there">There</h2>'));
  put('playground/index.html', page(''));
  put('file.txt', 'x');
  const broken = brokenLinks(builtPages(site), site, '/base/');
  if (problem === null) expect(broken).toEqual([]);
  else expect(broken).toEqual([expect.stringContaining(problem)]);
});

test('a twin has code, tables and diagrams as Markdown, and absolute links', () => {
  put(
    'guides/one/index.html',
    page(`<h2 id="x">Part</h2><a class="sl-anchor-link" href="#x">#</a>
<div class="expressive-code"><figure><figcaption class="header"><span>a.ts</span></figcaption><pre data-language="ts"><code><div class="ec-line"><div class="code"><span>const a = 1;</span></div></div><div class="ec-line"><div class="code">let b;</div></div></code></pre></figure></div>
<table><thead><tr><th>A</th></tr></thead><tbody><tr><td><code>x|y</code></td></tr></tbody></table>
<svg role="img"><title>Picture</title><desc>What it shows.</desc><text>hidden</text></svg>
<p>See <a href="/other/">there</a>.</p><script>secret()</script>`),
  );
  const [twin] = writeMarkdown(builtPages(site), site, 'https://example.org/', []);
  const text = readFileSync(path.join(site, 'guides/one.md'), 'utf8');
  expect(twin?.file).toBe('/guides/one.md');
  expect(text).toContain('# Title\n\n> About it.');
  expect(text).toContain('```ts\nconst a = 1;\nlet b;\n```');
  expect(text).toContain('Picture. What it shows.');
  expect(text).toContain('[there](https://example.org/other/)');
  expect(text).toMatch(/\| `x\\\|y` \|/);
  expect(text).not.toMatch(/secret|hidden|a\.ts/);
});

test('llms.txt lists pages in reading order, llms-full.txt holds them all', () => {
  put('start/a/index.html', page('<p>first words</p>'));
  put('guides/b/index.html', page('<p>second words</p>'));
  put('guides/a/index.html', page('<p>third words</p>'));
  writeMarkdown(builtPages(site), site, 'https://example.org/docs/', ['start/a/', 'guides/b/', 'guides/a/']);
  const list = readFileSync(path.join(site, 'llms.txt'), 'utf8');
  expect([...list.matchAll(/docs\/(\w+\/\w+)\.md/g)].map((match) => match[1])).toEqual(['start/a', 'guides/b', 'guides/a']);
  const full = readFileSync(path.join(site, 'llms-full.txt'), 'utf8');
  expect(full.indexOf('first')).toBeLessThan(full.indexOf('second'));
  expect(full.indexOf('second')).toBeLessThan(full.indexOf('third'));
});

test('every inline script is allowed by its hash and no other inline script is', () => {
  put(
    'index.html',
    '<html><head><script>let a=1</script><script src="/x.js"></script><script type="application/json">{}</script></head></html>',
  );
  const pages = builtPages(site);
  const hashes = inlineScriptHashes(pages);
  expect(hashes).toHaveLength(1);
  const policy = securityHeaders(hashes)['Content-Security-Policy']!;
  expect(policy).toContain(hashes[0]!);
  expect(policy.split('; ').find((part) => part.startsWith('script-src'))).not.toContain('unsafe-inline');
  expect(policy).toContain("default-src 'none'");
  expect(policy).toContain('ws://127.0.0.1:*');
});

test('header files speak of the base', () => {
  put('index.html', page(''));
  writeHeaders(builtPages(site), site, '/docs/');
  expect(readFileSync(path.join(site, '_headers'), 'utf8')).toMatch(/^\/docs\/\*\n {2}Content-Security-Policy: /);
  expect(readFileSync(path.join(site, '.htaccess'), 'utf8')).toContain('ErrorDocument 404 /docs/404.html');
  expect(JSON.parse(readFileSync(path.join(site, 'vercel.json'), 'utf8'))).toMatchObject({
    headers: [{ source: '/docs/(.*)' }, {}, { source: '/docs/(.*).md' }, { source: '/docs/(.*).txt' }],
  });
});

test.each([
  ['<td><code>session_not_resumable</code></td>', '<td><code>session_<wbr>not_<wbr>resumable</code></td>'],
  [
    '<td><a href="/a_b_c_d_e_f/"><code>resume_indeterminate</code></a></td>',
    '<td><a href="/a_b_c_d_e_f/"><code>resume_<wbr>indeterminate</code></a></td>',
  ],
  [
    '<td class="x"><code dir="auto">workspaceFileCount</code></td>',
    '<td class="x"><code dir="auto">workspace<wbr>File<wbr>Count</code></td>',
  ],
  ['<td><code>tests/e2e/a.spec.ts</code></td>', '<td><code>tests/<wbr>e2e/<wbr>a.<wbr>spec.<wbr>ts</code></td>'],
  ['<td><code>seq_no</code></td>', '<td><code>seq_no</code></td>'],
  ['<td><code>OpenCode 1.18.33, older</code></td>', '<td><code>OpenCode 1.18.33, older</code></td>'],
  ['<td><code>{"details":"NotFoundError"}</code></td>', '<td><code>{"details":"Not<wbr>Found<wbr>Error"}</code></td>'],
  ['<td><code>one_thing&lt;other_thing&gt;</code></td>', '<td><code>one_thing&lt;other_thing&gt;</code></td>'],
  [
    '<td>calls <code>session/request_permission</code> of <a href="/a_long_long_long_name/">it</a></td>',
    '<td>calls <code>session/<wbr>request_<wbr>permission</code> of <a href="/a_long_long_long_name/">it</a></td>',
  ],
  ['<td>no promptCapabilities.embeddedContext.</td>', '<td>no prompt<wbr>Capabilities.<wbr>embedded<wbr>Context.</td>'],
  ['<p><code>session_not_resumable</code></p>', '<p><code>session_not_resumable</code></p>'],
])('long names may break in tables where a reader would break them: %s', (before, after) => {
  expect(softenTables(before)).toBe(after);
});

test('an option of a command is not torn where a line breaks', () => {
  const option = (name: string) => `<span class="whole">${name}</span>`;
  expect(wholeOptions('<pre data-language="sh" style="--ec:1"><b>x --store</b> -- y --no-prompt</pre> <pre>--store</pre>')).toBe(
    `<pre data-language="sh" style="--ec:1"><b>x ${option('--store')}</b> -- y ${option('--no-prompt')}</pre> <pre>--store</pre>`,
  );
});

test('the first use of each term on a page leads to the glossary, but not in headings, code, links and pictures', () => {
  put(
    'reference/glossary/index.html',
    page(`<table><tr><th>Word</th></tr>
<tr><td>lease</td><td>a right</td><td><a href="/docs/sleep/#writer">sleep and wake</a></td></tr>
<tr><td>agent session id</td><td>theirs</td><td><a href="/docs/native/">native</a></td></tr>
<tr><td>policy</td><td>which tiers</td><td><a href="/docs/native/">native</a></td></tr>
<tr><td>sleep, wake</td><td>let go</td><td><a href="/docs/sleep/">sleep and wake</a></td></tr></table>`),
  );
  put(
    'guides/one/index.html',
    page(`<h2>Lease</h2><p><code>lease</code> <a href="/x/">a lease</a> releases; two <em>Leases</em>, one lease. An agent
session id. Content-Security-Policy, a resume policy; policies.</p><figure class="not-content">wake</figure><ul><li>it wakes</li></ul>`),
  );
  put('sleep/index.html', page('<p>sleep, and a lease</p>'));
  finishPages(builtPages(site), site, '/docs/');
  const to = (id: string, word: string) => `<a href="/docs/reference/glossary/#${id}">${word}</a>`;
  const built = readFileSync(path.join(site, 'guides/one/index.html'), 'utf8');
  expect(built).toBe(
    page(
      `<h2>Lease</h2><p><code>lease</code> <a href="/x/">a lease</a> releases; two <em>${to('lease', 'Leases')}</em>, one lease. An ${to('agent-session-id', 'agent\nsession id')}. Content-Security-Policy, a resume ${to('policy', 'policy')}; policies.</p><figure class="not-content">wake</figure><ul><li>it ${to('sleep', 'wakes')}</li></ul>`,
    ),
  );
  // The page that explains a term needs no link to where it is explained.
  expect(readFileSync(path.join(site, 'sleep/index.html'), 'utf8')).toBe(page('<p>sleep, and a lease</p>'));
  const glossary = readFileSync(path.join(site, 'reference/glossary/index.html'), 'utf8');
  for (const id of ['lease', 'agent-session-id', 'sleep']) expect(glossary).toContain(`<tr id="${id}"><td>`);
});

test('a prose page carries no style sheet that a script loads on demand', () => {
  const link = (name: string) => `<link rel="stylesheet" href="/_astro/${name}.css">`;
  put('_astro/door.js', 'const d=(m.f||(m.f=["_astro/app.js","_astro/app.css"]))');
  put('index.html', link('site') + link('app'));
  put('playground/index.html', link('site') + link('app'));
  put('reference/glossary/index.html', page(''));
  finishPages(builtPages(site), site, '/');
  expect(readFileSync(path.join(site, 'index.html'), 'utf8')).toBe(link('site'));
  expect(readFileSync(path.join(site, 'playground/index.html'), 'utf8')).toBe(link('site') + link('app'));
});
