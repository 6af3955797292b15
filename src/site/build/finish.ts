/**
 * Links to the glossary, line breaks in the right places and less to carry, in the finished pages: neither the search nor the Markdown
 * twins see it.
 */
import { globSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { Element, Root, Text } from 'hast';
import { attribute, elements, hasClass, textOf, type BuiltPage } from './site.ts';

export function finishPages(pages: readonly BuiltPage[], site: string, base: string): void {
  const terms = termsOf(pages.find((page) => page.path === GLOSSARY)!.tree, base);
  const lean = leaner(site, base);
  for (const page of pages) {
    const linked = page.path === GLOSSARY ? withIds(page.html) : linkTerms(page, terms, base);
    const html = lean(wholeOptions(softenTables(linked)), page.path);
    if (html !== page.html) writeFileSync(page.file, html);
  }
}

// ---------------------------------------------------------------- the first use of each term on a page leads to the glossary

const GLOSSARY = 'reference/glossary/';

interface Term {
  readonly id: string;
  /** The page that explains it, which needs no link to the glossary. */
  readonly page: string;
}

/** Words that are said of other things, too, are terms only in these phrases. */
const ONLY_AS: Readonly<Record<string, string>> = {
  fence: 'lease fences',
  log: 'session’s log',
  record: 'the record',
  port: 'two ports',
  report: 'resume report',
};

/** The glossary's rows, by each form in which pages have the word. */
function termsOf(tree: Root, base: string): ReadonlyMap<string, Term> {
  const rows = [...elements(tree)].filter(({ tagName }) => tagName === 'tr').map((row) => [...elements(row)]);
  return new Map(
    rows.flatMap((cells) => {
      const words = cells.filter(({ tagName }) => tagName === 'td').map(textOf)[0];
      if (words === undefined) return [];
      const href = cells.map((cell) => attribute(cell, 'href')).find(Boolean) ?? '';
      const term = { id: idOf(words), page: href.slice(base.length).replace(/#.*/, '') };
      return words.split(', ').flatMap((word) => forms(ONLY_AS[word] ?? word).map((form) => [form, term] as const));
    }),
  );
}

const idOf = (words: string): string => words.split(', ')[0]!.replaceAll(' ', '-');

const withIds = (html: string): string =>
  html.replace(/<tr>(\s*<td>([a-z ,]+)<)/g, (_, cell: string, words: string) => `<tr id="${idOf(words)}">${cell}`);

const forms = (word: string): readonly string[] => [word, word.replace(/y$/, 'ie').replace(/ch$/, 'che') + 's'];

const UNLINKED = new Set('a code pre h1 h2 h3 h4 th strong button summary label figure svg script style small rehydrate-try'.split(' '));

function* prose(node: Root | Element): Generator<Text> {
  for (const child of node.children) {
    if (child.type === 'text') yield child;
    else if (child.type === 'element' && !UNLINKED.has(child.tagName) && !hasClass(child, 'not-content')) yield* prose(child);
  }
}

function linkTerms({ path: here, html, tree }: BuiltPage, terms: ReadonlyMap<string, Term>, base: string): string {
  const content = [...elements(tree)].find((element) => hasClass(element, 'sl-markdown-content'));
  if (!content || here === '' || here.endsWith('.html')) return html;
  const words = [...terms.keys()].sort((one, other) => other.length - one.length).map((word) => word.replaceAll(' ', '\\s+'));
  const used = new RegExp(`(?<![\\w-])(?:${words.join('|')})(?![\\w-])`, 'gi');
  const linked = new Set([...terms.values()].filter(({ page }) => page === here));
  let [result, done] = ['', 0];
  for (const { position } of prose(content)) {
    const [from, to] = [position!.start.offset!, position!.end.offset!];
    for (const { 0: word, index } of html.slice(from, to).matchAll(used)) {
      const term = terms.get(word.toLowerCase().replace(/\s+/g, ' '))!;
      if (linked.has(term)) continue;
      linked.add(term);
      result += `${html.slice(done, from + index)}<a href="${base}${GLOSSARY}#${term.id}">${word}</a>`;
      done = from + index + word.length;
    }
  }
  return result + html.slice(done);
}

// ---------------------------------------------------------------- long names in tables

/** Shorter names fit beside another column at 320 pixels; a longer word of the text does not. */
const [LONG_NAME, LONG_WORD] = [10, 12];

/** After `_`, `.`, `/` and `-` and before a hump: `session_not_` / `resumable`. A version stays whole. */
function withSoftBreaks(name: string, long = LONG_NAME): string {
  if (name.length <= long) return name;
  return name.replace(/[_-](?=\w)|[./](?=[A-Za-z_])|[a-z](?=[A-Z])/g, '$&<wbr>');
}

/** Breaks in the name that a cell begins with, and in every word that would make its column too wide. */
export function softenTables(html: string): string {
  return html.replace(
    /(<td[^>]*>)((?:<a [^>]*>)?<code[^>]*>[^<]+(?=<\/code>))?([\s\S]*?)(?=<\/td>)/g,
    (_, td: string, name = '', rest: string) =>
      [
        td,
        name.replace(/[^>]+$/, (text: string) => (/^[\w./]+$/.test(text) ? withSoftBreaks(text) : text.replace(WORDS, softened))),
        rest.replace(WORDS, softened),
      ].join(''),
  );
}

/** And tags, which are left alone. */
const WORDS = /<(?:"[^"]*"|[^">])*>|[\w./-]+/g;

const softened = (word: string): string => (word.startsWith('<') ? word : withSoftBreaks(word, LONG_WORD));

// ---------------------------------------------------------------- options in commands

/** `--store` does not become `--` and `store` where its line breaks. */
export function wholeOptions(html: string): string {
  return html.replace(/<pre data-language="sh"[\s\S]*?<\/pre>/g, (pre) =>
    pre.replace(/(?<=>[^<]*)--[a-z][a-z-]*/g, '<span class="whole">$&</span>'),
  );
}

// ---------------------------------------------------------------- what every page would carry

/**
 * The style sheet has the icons of headings' links and of the next page, and the usual depth; the search has been made. Astro links the
 * style sheets of everything that a page's scripts may ever load: the playground's script loads its own.
 */
function leaner(site: string, base: string): (html: string, page: string) => string {
  const carried =
    /((?:class="sl-anchor-icon"|rel="(?:prev|next)"[^>]*)>)<svg[\s\S]*?<\/svg>| style="--depth: 0;"| data-pagefind-ignore(?:="true")?/g;
  const links = globSync(path.join(site, '_astro/*.js')).flatMap((script) => {
    const [, loaded = '[]'] = /m\.f\|\|\(m\.f=(\[[^\]]*\])/.exec(readFileSync(script, 'utf8')) ?? [];
    return (JSON.parse(loaded) as string[]).map((file) => `<link rel="stylesheet" href="${base}${file}">`);
  });
  return (html, page) =>
    (page === 'playground/' ? [] : links).reduce((without, link) => without.replace(link, ''), html).replace(carried, '$1');
}
