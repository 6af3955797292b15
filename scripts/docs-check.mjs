/**
 * Whether the documentation still speaks of the code that is there. Run by hand or by `npm test`:
 *
 *   node scripts/docs-check.mjs            the sources, then the built site
 *   node scripts/docs-check.mjs --sources  the sources alone
 *
 * - every file that a page names exists, and every identifier that it sets as code occurs in the source or in ACP's types;
 * - no page writes out a number that the source or a record has;
 * - every page is in the sidebar, and shows what it tells;
 * - every promise, I1 to I12, has a test that carries its number;
 * - every page that the code sends people to is there, and some page leads to every word of the glossary;
 * - every prose page keeps its weight (docs-size.mjs).
 *
 * The build of the site itself refuses wrong links, components, exports, and names given to `<Src>` and `figure`.
 */
import { existsSync, globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { invariantTests } from '../src/site/lib/invariants.ts';
import { readingOrder, sidebar } from '../src/site/sidebar.ts';
import { pageSizes } from './docs-size.mjs';
import { ROOT } from './support/setup.mjs';
import { ensureSite } from './support/site-build.mjs';

const DOCS = 'content/docs';

/** Other programs', other formats' and examples'. */
const FOREIGN = new Set(
  `true false null undefined NodeJS Origin Host Referer NAME TEXT AGENT ARG FILE SITE BASE URL POST GET DELETE HEAD EOF
  NotFoundError localhost sqlite3 mine DIR REPOSITORY_URL vercel nginx VACUUM INTO SELECT json jsonl`.split(/\s+/),
);

/** From the root of the checkout. */
const files = (...patterns) => globSync(patterns, { cwd: ROOT, exclude: ['**/node_modules'] }).sort();
const read = (...file) => readFileSync(path.resolve(ROOT, ...file), 'utf8');

/** Every word of the source, of ACP's types and of FOREIGN. */
function knownNames() {
  const sources = [
    ...files('{src,playground}/**/*.{ts,tsx}', 'src/**/*.astro', 'examples/**/*.ts'),
    'package.json',
    ...['v1', 'v2'].map((version) => `node_modules/@agentclientprotocol/sdk/dist/${version}/schema/types.gen.d.ts`),
  ];
  return new Set([...FOREIGN, ...sources.flatMap((file) => read(file).match(/[A-Za-z_$][\w$]*/g) ?? [])]);
}

/** The code spans of a page, without fenced blocks, imports and what components are given. */
export function codeSpans(text) {
  const prose = text
    .replace(/^---\n[\s\S]*?\n---\n/, '')
    .replace(/^```[\s\S]*?^```/gm, '')
    .replace(/^import .*$/gm, '')
    .replace(/=\{`[\s\S]*?`\}/g, '');
  return [...prose.matchAll(/`([^`\n]+)`/g)].map((match) => match[1]);
}

const PATHLIKE = /^(?:src|tests|scripts|examples|playground|content|public)(?:\/[\w.*-]+)*\/?$/;
/** An identifier, perhaps of something and perhaps called: `host.sleep()`, `AgentExit`, `queued_events`. */
const NAMELIKE = /^[A-Za-z_$][\w$]*(?:\.[A-Za-z_$][\w$]*)*(?:\([\w, $]*\))?$/;

export function wrongNames(text, known, exists = (file) => existsSync(path.join(ROOT, file))) {
  return codeSpans(text).flatMap((span) => {
    if (PATHLIKE.test(span) && span.includes('/')) return exists(span) ? [] : [`names the file ${span}, which does not exist`];
    if (!NAMELIKE.test(span)) return [];
    const parts = span.replace(/\(.*$/, '').split('.');
    const missing = parts.filter((part) => !known.has(part));
    return missing.length > 0 ? [`names ${span}; ${missing.join(' and ')} occurs nowhere in the source`] : [];
  });
}

/** A time, a size, a ratio, or a count of what the project has: it may change while nobody thinks of the page. */
const NUMBER = new RegExp(
  `(?<![\\w.,-])(?:\\d[\\d.,]*(?:[ \u202f]\\d{3})*|(?:${'five six seven eight nine ten eleven twelve twenty thirty forty fifty sixty'.split(' ').join('|')}))` +
    `[-\\s]?(?:ms|s|min|minutes?|seconds?|hours?|days|[kKMG]i?B|bytes|bits?|characters|px|pixels|×|%` +
    `|agents|tests|scenarios|cases|examples|shapes|tables|invariants|promises|codes|kinds|variants|messages|events|chunks)(?![\\w])`,
  'gi',
);
/** What others fix, and what a word has in its name. */
const NOT_OURS = {
  'guides/rivetkit.mdx': ['330 MB'],
  'guides/rivetkit-cluster.mdx': ['five minutes', '30 minutes', '30 s', '45 s', '64 KiB', '1 MiB', '15 s'],
  'reference/advanced/architecture/sessions-and-persistence/security.mdx': ['256-bit'],
};

/** Numbers that `{figure(…)}` or a table would render. */
export function writtenNumbers(text, allowed = []) {
  const prose = text
    .replace(/^```[\s\S]*?^```/gm, '')
    .replace(/\\?`[^`\n]*`/g, '')
    .replace(/\]\([^)]*\)/g, ']')
    .replace(/\$?\{[^{}`\n]*\}/g, '');
  return [...prose.matchAll(NUMBER)].flatMap(([found]) =>
    allowed.includes(found) ? [] : [`writes “${found}”: render it, {figure('src/…', 'name')} or a table of src/site/components/tables.ts`],
  );
}

/** Nobody gets to it by reading on. */
const isUnlisted = (file) => {
  const page = file.slice(DOCS.length + 1).replace(/(?:(?:^|\/)index)?\.mdx?$/, '/');
  return !['/', '404/', ...readingOrder(sidebar)].includes(page);
};

/** A block of code, or a component that holds one, draws or runs. */
const SHOWS = /^```|<(?:Annotated|Commands|Compare|Compat|Diagram|ErrorHelp|Output|Places|Sample|Schema|Sequence|Table|Try)\b/m;
/** Pages that need show nothing: lists of answers, words and reasons. */
const TELLS = /\/(?:404|decisions|design-limits|faq|glossary)\.mdx?$/;

/** Addresses that the code gives to people, such as the doctor's, and that lead nowhere. */
function problemsOfAddresses(site) {
  return files('src/!(site)/**/*.ts', 'playground/**/*.{ts,tsx}').flatMap((file) =>
    [...read(file).matchAll(/['"`]\/((?:guides|reference|start)\/[a-z/-]*)(?:#([\w-]+))?['"`]/g)].flatMap(([address, page, id]) => {
      const html = path.join(site, page, 'index.html');
      const isThere = existsSync(html) && (!id || read(html).includes(`id="${id}"`));
      return isThere ? [] : [`${file} sends people to ${address}, which does not exist.`];
    }),
  );
}

/** Words of the glossary that no page leads to it with, nor has the page that explains them. */
function problemsOfTerms(site) {
  const html = globSync(`${site}/**/*.html`).map((file) => read(file));
  const rows = read(site, 'reference/glossary/index.html').matchAll(/<tr id="([^"]+)">[\s\S]*?href="\/([^"#]+)/g);
  return [...rows].flatMap(([, id, page]) => {
    const explained = read(site, page, 'index.html').includes(id.replaceAll('-', ' '));
    return explained || html.some((text) => text.includes(`/glossary/#${id}"`)) ? [] : [`No page uses the word “${id}” of the glossary.`];
  });
}

export function sourceProblems() {
  const known = knownNames();
  const ofPages = files(`${DOCS}/**/*.{md,mdx}`).flatMap((file) => {
    const text = read(file);
    const problems = [
      ...wrongNames(text, known),
      ...writtenNumbers(text, NOT_OURS[file.slice(DOCS.length + 1)]),
      ...(isUnlisted(file) ? ['is not in src/site/sidebar.ts'] : []),
      ...(TELLS.test(file) || SHOWS.test(text) ? [] : ['tells and shows nothing: give it code, an output, a picture or something to try']),
    ];
    return problems.map((problem) => `${file} ${problem}.`);
  });
  const promises = invariantTests(ROOT).filter(({ tests }) => tests === 0);
  return [...ofPages, ...promises.map(({ id }) => `No test carries the promise ${id} in its name.`)];
}

function siteProblems(site) {
  const heavy = pageSizes(site).filter(({ over }) => over.length > 0);
  return [
    ...problemsOfAddresses(site),
    ...problemsOfTerms(site),
    ...heavy.map(({ page, over, ...sizes }) => `${page} is over budget: ${over.map((part) => `${part} ${sizes[part]} bytes`).join(', ')}.`),
  ];
}

if (import.meta.main) {
  const problems = sourceProblems();
  if (!process.argv.includes('--sources')) problems.push(...siteProblems(await ensureSite()));
  for (const problem of problems) console.error(problem);
  console.log(
    problems.length === 0 ? 'The documentation speaks of the code that is there.' : `${problems.length} problems in the documentation.`,
  );
  if (problems.length > 0) process.exitCode = 1;
}
