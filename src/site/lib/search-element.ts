/** Pagefind's index and code are loaded when the dialog first opens. */
interface Fragment {
  readonly url: string;
  readonly excerpt: string;
  readonly meta: { readonly title?: string };
  readonly sub_results: readonly { readonly url: string; readonly title: string; readonly excerpt: string }[];
}
interface Pagefind {
  options(options: { baseUrl: string; excerptLength: number }): Promise<void>;
  /** Null when a newer search overtook this one. */
  debouncedSearch(query: string): Promise<Found | null>;
  search(query: string): Promise<Found>;
}
interface Found {
  readonly results: readonly { data(): Promise<Fragment> }[];
}

/** Words of a question that no page is about. */
const EMPTY_WORDS = new Set(
  'a an the is are do does did i my we our you your to of in on for and how what where when why which can make'.split(' '),
);
/** What people call things, and what the pages call them. */
const OTHER_WORDS: Readonly<Record<string, string>> = {
  acp: 'Agent Client Protocol',
  license: 'licence',
  remove: 'delete',
  restore: 'resume',
  resurrect: 'resume',
  backup: 'back up',
  windows: 'Windows',
};

/** Where a search finds next to nothing, a word that is one letter off is taken for one of these. */
const SUBJECTS =
  'agent batch bridge client cursor database delete doctor editor error event fence fork guard history host install lease limit permission playground policy preamble process prompt replay report resume search secret server session sleep storage terminal tier transcript turn version'.split(
    ' ',
  );

/** The question as the index can answer it. */
function asked(query: string): string {
  const words = query.split(/\s+/).filter((word) => !EMPTY_WORDS.has(word.toLowerCase()));
  return words.length === 0 ? query : words.map((word) => OTHER_WORDS[word.toLowerCase()] ?? word).join(' ');
}

/** One letter more, less, other, or swapped with its neighbour. */
function isOneOff(one: string, other: string): boolean {
  let start = 0;
  while (start < one.length && one[start] === other[start]) start++;
  let end = 0;
  while (end < Math.min(one.length, other.length) - start && one.at(-1 - end) === other.at(-1 - end)) end++;
  const [a, b] = [one.slice(start, one.length - end), other.slice(start, other.length - end)];
  return (a.length <= 1 && b.length <= 1) || (a.length === 2 && a === [...b].reverse().join(''));
}

const corrected = (query: string): string =>
  query
    .split(' ')
    .map((word) => SUBJECTS.find((subject) => isOneOff(word.toLowerCase(), subject)) ?? word)
    .join(' ');

/**
 * Lists, and the pages of single agents, are for those who ask for a name in them or for the page itself: for all others they come last.
 */
function isList({ url, meta }: Fragment, query: string): boolean {
  if (/[a-z][A-Z]|_/.test(query)) return false;
  const named = (word: string) => meta.title?.toLowerCase().includes(word.toLowerCase());
  if (/\/guides\/agents\/./.test(url)) return !query.split(' ').some(named);
  return /\/reference\/(?:schema|library\/[^/]+)\//.test(url) && !query.split(' ').every(named);
}

const FEW = 3;
const SHOWN = 8;

class SiteSearch extends HTMLElement {
  connectedCallback(): void {
    const [dialog, input] = [this.querySelector('dialog')!, this.querySelector('input')!];
    const [status, list] = [this.querySelector('p')!, this.querySelector('ol')!];
    const base = this.dataset['base']!;
    let pagefind: Promise<Pagefind> | undefined;
    /** The question that the list answers. */
    let answered = '';
    const load = () =>
      (pagefind ??= (import(/* @vite-ignore */ `${base}pagefind/pagefind.js`) as Promise<Pagefind>).then(async (loaded) => {
        await loaded.options({ baseUrl: base, excerptLength: 16 });
        return loaded;
      }));
    const unavailable = () => {
      pagefind = undefined;
      status.textContent = import.meta.env.DEV
        ? 'Search needs the built site: npm run build.'
        : 'The search index could not be loaded. Check the connection, then close and open the search again.';
    };
    const open = () => {
      dialog.showModal();
      input.select();
      load().catch(unavailable);
    };
    const search = async () => {
      const query = input.value.trim();
      const found = query === '' ? { pages: [], count: 0 } : await find(await load(), query);
      if (found === null || query !== input.value.trim()) return;
      const { pages, count } = found;
      list.replaceChildren(...pages.map(resultItem));
      answered = query;
      status.textContent =
        query === '' ? '' : count === 0 ? `Nothing found for “${query}”.` : `${count} ${count === 1 ? 'page' : 'pages'} found`;
    };

    if (/Mac|iPhone|iPad/.test(navigator.userAgent)) this.querySelector('kbd')!.textContent = '⌘ K';
    this.querySelector('button')!.addEventListener('click', open);
    addEventListener('keydown', (event) => {
      if (event.key !== 'k' || !(event.ctrlKey || event.metaKey)) return;
      event.preventDefault();
      if (dialog.open) dialog.close();
      else open();
    });
    input.addEventListener('input', () => void search().catch(unavailable));
    // Up and down walk through the field and the results.
    dialog.addEventListener('keydown', (event) => {
      const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (step === undefined) return;
      event.preventDefault();
      const stops = [input, ...list.querySelectorAll('a')];
      const at = stops.indexOf(document.activeElement as HTMLInputElement);
      stops[Math.min(Math.max(at + step, 0), stops.length - 1)]!.focus();
    });
    const goToFirst = async () => {
      const query = input.value.trim();
      if (query !== answered) await search();
      if (query === answered) list.querySelector('a')?.click();
    };
    // The form's own submit would close the dialog.
    this.querySelector('form')!.addEventListener('submit', (event) => {
      if (event.submitter === null || document.activeElement !== input) return;
      event.preventDefault();
      void goToFirst().catch(unavailable);
    });
    dialog.addEventListener('click', (event) => {
      // The backdrop is the dialog itself; a link to this very page must close it, too.
      if (event.target === dialog || (event.target as Element).closest('a')) dialog.close();
    });
  }
}

async function find(pagefind: Pagefind, query: string): Promise<{ pages: readonly Fragment[]; count: number } | null> {
  const words = asked(query);
  const found = await pagefind.debouncedSearch(words);
  if (found === null) return null;
  const results = found.results.length >= FEW ? found.results : await nearly(pagefind, words, found.results);
  const near = await Promise.all(results.slice(0, 2 * SHOWN).map((result) => result.data()));
  const { false: first = [], true: lists = [] } = Object.groupBy(near, (page) => `${isList(page, words)}` as const);
  return { pages: [...first, ...lists].slice(0, SHOWN), count: results.length };
}

/** Where hardly a page has all of the words: the pages with the words as they spell them, else those with most of the words. */
async function nearly(pagefind: Pagefind, query: string, found: Found['results']): Promise<Found['results']> {
  const respelt = corrected(query) === query ? [] : (await pagefind.search(corrected(query))).results;
  if (respelt.length > found.length) return respelt;
  if (found.length > 0) return found;
  const words = query.split(' ');
  if (words.length < 2) return [];
  const without = await Promise.all(words.map((_, left) => pagefind.search(words.filter((__, at) => at !== left).join(' '))));
  return without.find(({ results }) => results.length > 0)?.results ?? [];
}

function resultItem(page: Fragment): HTMLLIElement {
  const item = document.createElement('li');
  item.append(link(page.url, page.meta.title ?? page.url));
  // What stands before the first heading is under the page's own title.
  const isTop = (section: { readonly url: string }) => [page.url, `${page.url}#_top`].includes(section.url);
  const sections = page.sub_results.filter((section) => !isTop(section)).slice(0, 3);
  const first = page.sub_results.find(isTop);
  if (first || sections.length === 0) item.append(excerpt(first?.excerpt ?? page.excerpt));
  for (const section of sections) item.append(link(section.url, section.title), excerpt(section.excerpt));
  return item;
}

function link(url: string, text: string): HTMLAnchorElement {
  return Object.assign(document.createElement('a'), { href: url, textContent: text });
}

/** Pagefind escapes the page's text and puts nothing but `<mark>` around what matched. */
function excerpt(html: string): HTMLParagraphElement {
  return Object.assign(document.createElement('p'), { innerHTML: html });
}

export function defineSearch(): void {
  customElements.define('site-search', SiteSearch);
}
