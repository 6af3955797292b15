/**
 * Whether the documentation still speaks of the code that is there. Run by hand or by `npm test`:
 *
 *   node scripts/docs-check.mjs            the sources, then the built site
 *   node scripts/docs-check.mjs --sources  the sources alone
 *
 * - every file a page names exists, and every identifier it sets as code occurs in the source or in ACP's types;
 * - no page writes out a number that the source or a record has: a time, a size, a ratio, a count of what there is;
 * - every component a page uses is imported, and none for nothing; every page it links to is there;
 * - every page is in the sidebar, and every page shows what it tells: code, what is printed, a picture, a table from the source or something to try;
 * - every promise, I1 to I12, has a test that carries its number;
 * - every public export has a place on a page of the library reference, and every function and class a docstring;
 * - every page the code sends people to is there, and every word of the glossary is led to from some page;
 * - every prose page keeps its weight (docs-size.mjs).
 */
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import ts from 'typescript';
import { pageSizes } from './docs-size.mjs';

const ROOT = path.resolve(import.meta.dirname, '..');
const DOCS = 'content/docs';

/** Names that are nobody's here: other programs', other formats', examples'. */
const FOREIGN = new Set(
  `true false null undefined NodeJS Origin Host Referer NAME TEXT AGENT ARG FILE SITE BASE URL POST GET DELETE HEAD EOF
  NotFoundError localhost sqlite3 mine DIR REPOSITORY_URL vercel nginx VACUUM INTO SELECT json jsonl`.split(/\s+/),
);

function filesUnder(directory, ending) {
  const full = path.join(ROOT, directory);
  if (!existsSync(full)) return [];
  return readdirSync(full, { withFileTypes: true })
    .flatMap((entry) => {
      const file = `${directory}/${entry.name}`;
      if (entry.isDirectory()) return entry.name === 'node_modules' ? [] : filesUnder(file, ending);
      return ending.test(entry.name) ? [file] : [];
    })
    .sort();
}

const read = (file) => readFileSync(path.join(ROOT, file), 'utf8');

/** Every word of the source that could be a name, ACP's and Node's own included. */
function knownNames() {
  const files = [
    ...filesUnder('src', /\.(ts|tsx|astro)$/).filter((file) => file !== 'src/site/data.ts'),
    ...filesUnder('playground', /\.(ts|tsx)$/),
    ...filesUnder('examples', /\.ts$/),
    'package.json',
    ...['v1', 'v2'].map((version) => `node_modules/@agentclientprotocol/sdk/dist/${version}/schema/types.gen.d.ts`),
  ];
  const names = new Set(FOREIGN);
  for (const file of files) for (const [name] of read(file).matchAll(/[A-Za-z_$][\w$]*/g)) names.add(name);
  return names;
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

/** What is wrong with the names on one page. */
export function wrongNames(text, known, exists = (file) => existsSync(path.join(ROOT, file))) {
  return codeSpans(text).flatMap((span) => {
    if (PATHLIKE.test(span) && span.includes('/')) return exists(span) ? [] : [`names the file ${span}, which does not exist`];
    if (!NAMELIKE.test(span)) return [];
    const parts = span.replace(/\(.*$/, '').split('.');
    const missing = parts.filter((part) => !known.has(part));
    return missing.length > 0 ? [`names ${span}; ${missing.join(' and ')} occurs nowhere in the source`] : [];
  });
}

/** Components and links of one page, which otherwise only a build of the whole site would tell of. `pages` are the paths there are. */
export function wrongParts(text, pages) {
  const body = text
    .replace(/^```[\s\S]*?^```/gm, '')
    .replaceAll('\\`', '')
    .replace(/`[^`\n]*`/g, '');
  const imports = [...body.matchAll(/^import (?:(\w+)|\{ (.*) \}) from '@site\//gm)];
  const imported = new Set(imports.flatMap(([, component, names]) => component ?? names.split(', ')));
  const used = new Set([...body.matchAll(/<([A-Z]\w*)|\{(?:\.\.\.)?([a-z]\w*)(?=[(}])/g)].map((match) => match[1] ?? match[2]));
  const links = [...body.replaceAll('\n', ' ').matchAll(/\]\((\/[^)#\s]*)/g)].map((match) => match[1]);
  return [
    ...[...used].filter((name) => !imported.has(name)).map((name) => `uses ${name} and does not import it`),
    ...[...imported].filter((name) => !used.has(name)).map((name) => `imports ${name} and does not use it`),
    ...links.filter((link) => !pages.has(link) && !MADE.test(link)).map((link) => `links to ${link}, which does not exist`),
  ];
}

/** Pages that are no file under content/docs. */
const MADE = /^\/(?:playground|(?:reference\/library|guides\/agents)\/[a-z-]+)\/$/;

/** A time, a size or a ratio, and a count of what the project has: what may change while nobody thinks of the page. */
const NUMBER = new RegExp(
  `(?<![\\w.,-])(?:\\d[\\d.,]*(?:[ \u202f]\\d{3})*|(?:${'five six seven eight nine ten eleven twelve twenty thirty forty fifty sixty'.split(' ').join('|')}))` +
    `[-\\s]?(?:ms|s|min|minutes?|seconds?|hours?|days|[kKMG]i?B|bytes|bits?|characters|px|pixels|×|%` +
    `|agents|tests|scenarios|cases|examples|shapes|tables|invariants|promises|codes|kinds|variants|messages|events|chunks)(?![\\w])`,
  'gi',
);
/** Numbers that are not ours to render: what others fix, and what a word has in its name. */
const NOT_OURS = {
  'guides/rivetkit.mdx': ['330 MB'],
  'guides/rivetkit-cluster.mdx': ['five minutes', '30 minutes', '30 s', '45 s', '64 KiB', '1 MiB', '15 s'],
  'reference/advanced/architecture/sessions-and-persistence/security.mdx': ['256-bit'],
};

/** Numbers that a page writes out, where `{figure(…)}` or a table would render them. */
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

/** Names of the source that a page is rendered from, which otherwise only a build of the whole site would tell of. */
export function wrongSources(text, sourceOf = (file) => (existsSync(path.join(ROOT, file)) ? read(file) : '')) {
  const named = [...text.matchAll(/\bfigure\('([^']+)', '([^']+)'\)|<Src\s+file="([^"]+)"(?:\s+symbol="([^"]+)")?/g)];
  return named.flatMap(([, file, name, src = file, symbol = name ?? '']) =>
    sourceOf(src).includes(symbol) && sourceOf(src) !== '' ? [] : [`names ${symbol} of ${src}, which is not there`],
  );
}

function problemsOfNumbers() {
  return filesUnder(DOCS, /\.mdx?$/).flatMap((file) =>
    [...writtenNumbers(read(file), NOT_OURS[file.slice(DOCS.length + 1)]), ...wrongSources(read(file))].map(
      (problem) => `${file} ${problem}.`,
    ),
  );
}

function problemsOfParts() {
  const files = filesUnder(DOCS, /\.mdx?$/);
  const pages = new Set(
    files.map((file) => `/${file.slice(DOCS.length + 1).replace(/(?:(?:^|\/)index)?\.mdx?$/, '')}/`.replace('//', '/')),
  );
  return files.flatMap((file) => wrongParts(read(file), pages).map((problem) => `${file} ${problem}.`));
}

function problemsOfPages() {
  const known = knownNames();
  return filesUnder(DOCS, /\.mdx?$/).flatMap((file) => wrongNames(read(file), known).map((problem) => `${file} ${problem}.`));
}

/** Pages nobody gets to by reading on. */
function problemsOfSidebar() {
  const sidebar = read('src/site/sidebar.ts');
  return filesUnder(DOCS, /\.mdx?$/)
    .map((file) => file.slice(DOCS.length + 1).replace(/(?:\/?index)?\.mdx?$/, ''))
    .filter((id) => id !== '' && id !== '404' && !sidebar.includes(`'${id.split('/').at(-1)}'`) && !sidebar.includes(`${id}'`))
    .map((id) => `${DOCS}/${id} is not in src/site/sidebar.ts.`);
}

/** What a page can show: a block of code, or a component that holds one, draws or runs. */
const SHOWS = /^```|<(?:Annotated|Commands|Compare|Compat|ErrorHelp|Layers|Output|Places|Sample|Schema\w*|Sequence|Table|Try)\b/m;
/** Lists of answers, words and reasons. */
const TELLS = /\/(?:404|decisions|design-limits|faq|glossary)\.mdx?$/;

/** Pages that tell and do not show. */
function problemsOfExamples() {
  return filesUnder(DOCS, /\.mdx?$/)
    .filter((file) => !TELLS.test(file) && !SHOWS.test(read(file)))
    .map((file) => `${file} tells and shows nothing: give it code, an output, a picture or something to try.`);
}

function problemsOfPromises() {
  const names = filesUnder('tests', /\.(test|spec)\.ts$/)
    .map(read)
    .join('\n');
  return Array.from({ length: 12 }, (_, i) => `I${i + 1}`)
    .filter((id) => !new RegExp(`['"\`(,\\s]${id}\\b[^\\n]*`).test(names))
    .map((id) => `No test carries the promise ${id} in its name.`);
}

/** The names each entry of the package exports, from its source; our own, not those passed on from ACP. */
export function publicExports() {
  const { exports } = JSON.parse(read('package.json'));
  const entries = Object.entries(exports).flatMap(([name, target]) => {
    const file = typeof target === 'object' ? target.default.replace('./dist/', 'src/').replace(/\.js$/, '.ts') : null;
    return file ? [{ name, file: path.join(ROOT, file), there: existsSync(path.join(ROOT, file)) }] : [];
  });
  const program = ts.createProgram(
    entries.filter((entry) => entry.there).map((entry) => entry.file),
    {
      module: ts.ModuleKind.ESNext,
      moduleResolution: ts.ModuleResolutionKind.Bundler,
      allowImportingTsExtensions: true,
      noEmit: true,
      skipLibCheck: true,
    },
  );
  const checker = program.getTypeChecker();
  return entries.map((entry) => {
    const source = entry.there ? program.getSourceFile(entry.file) : undefined;
    const module = source && checker.getSymbolAtLocation(source);
    const own = (symbol) => {
      const target = symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
      return target.declarations?.some((declaration) => !declaration.getSourceFile().fileName.includes('node_modules'));
    };
    const target = (symbol) => (symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol);
    const silent = (symbol) =>
      target(symbol).flags & (ts.SymbolFlags.Function | ts.SymbolFlags.Class) &&
      target(symbol).getDocumentationComment(checker).length === 0;
    const symbols = module ? checker.getExportsOfModule(module).filter(own) : [];
    return {
      name: entry.name,
      there: entry.there,
      exports: symbols.map((symbol) => symbol.name),
      silent: symbols.filter(silent).map((symbol) => symbol.name),
    };
  });
}

/** Exports without a heading on a page of the library reference. */
function problemsOfExports(site) {
  const pages = path.join(site, 'reference/library');
  const html = readdirSync(pages, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.html'))
    .map((file) => readFileSync(path.join(pages, file), 'utf8'))
    .join('\n');
  const headings = new Set([...html.matchAll(/<h[23][^>]*>([\s\S]*?)<\/h[23]>/g)].map((match) => match[1].replace(/<[^>]+>/g, '').trim()));
  return publicExports().flatMap((entry) => {
    if (!entry.there) return [`package.json exports ${entry.name}, whose source is not there.`];
    return [
      ...entry.exports
        .filter((name) => !headings.has(name))
        .map((name) => `${name}, exported by ${entry.name}, has no place in the library reference.`),
      ...entry.silent.map((name) => `${name}, exported by ${entry.name}, has no docstring.`),
    ];
  });
}

/** Addresses of pages that the code gives to people, such as the doctor's, that lead nowhere. */
function problemsOfAddresses(site) {
  const found = [...filesUnder('src', /\.ts$/), ...filesUnder('playground', /\.tsx?$/)].filter((file) => !file.startsWith('src/site/'));
  return found.flatMap((file) =>
    [...read(file).matchAll(/['"`]\/((?:guides|reference|start)\/[a-z/-]*)(?:#([\w-]+))?['"`]/g)].flatMap(([, page, id]) => {
      const html = path.join(site, page, 'index.html');
      if (!existsSync(html)) return [`${file} sends people to /${page}, which does not exist.`];
      return !id || readFileSync(html, 'utf8').includes(`id="${id}"`)
        ? []
        : [`${file} sends people to /${page}#${id}, which has no such place.`];
    }),
  );
}

/** Words of the glossary that no page leads to it with, and that the page which explains them does not have. */
function problemsOfTerms(site) {
  const html = filesUnder(path.relative(ROOT, site), /\.html$/).map(read);
  const rows = read(path.relative(ROOT, path.join(site, 'reference/glossary/index.html'))).matchAll(
    /<tr id="([^"]+)">[\s\S]*?href="\/([^"#]+)/g,
  );
  return [...rows].flatMap(([, id, page]) => {
    const explained = readFileSync(path.join(site, page, 'index.html'), 'utf8').includes(id.replaceAll('-', ' '));
    return explained || html.some((text) => text.includes(`/glossary/#${id}"`)) ? [] : [`No page uses the word “${id}” of the glossary.`];
  });
}

function problemsOfWeight(site) {
  return pageSizes(site)
    .filter((page) => page.over.length > 0)
    .map((page) => `${page.page} is over budget: ${page.over.map((part) => `${part} ${page[part]} bytes`).join(', ')}.`);
}

export function sourceProblems() {
  return [
    ...problemsOfPages(),
    ...problemsOfNumbers(),
    ...problemsOfParts(),
    ...problemsOfSidebar(),
    ...problemsOfExamples(),
    ...problemsOfPromises(),
  ];
}

export function siteProblems(site) {
  return [...problemsOfExports(site), ...problemsOfAddresses(site), ...problemsOfTerms(site), ...problemsOfWeight(site)];
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const problems = sourceProblems();
  if (!process.argv.includes('--sources')) {
    const { ensureSite } = await import('./support/site-build.mjs');
    problems.push(...siteProblems(await ensureSite()));
  }
  for (const problem of problems) console.error(problem);
  console.log(
    problems.length === 0 ? 'The documentation speaks of the code that is there.' : `${problems.length} problems in the documentation.`,
  );
  if (problems.length > 0) process.exitCode = 1;
}
