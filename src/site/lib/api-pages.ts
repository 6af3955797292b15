/**
 * The library reference, from the exports and docstrings of the package's entries, as Markdown: headings, search, anchors and twins are
 * those of any other page.
 */
import path from 'node:path';
import ts from 'typescript';
import descriptions from '../../../content/data/library.json' with { type: 'json' };
import { itemsOf, type Item } from './api-items.ts';
import { ROOT, readSource } from './source.ts';

/** A page that is no file under content/docs. */
export interface MadePage {
  readonly id: string;
  readonly title: string;
  readonly description: string;
  readonly body: string;
  /** For the edit link. */
  readonly file: string;
}

export const ENTRIES = Object.entries((JSON.parse(readSource('package.json')) as { exports: Record<string, { default?: string }> }).exports)
  .filter(([, target]) => target.default)
  .map(([name, target]) => ({ name, file: target.default!.replace(/^\.\/dist\//, 'src/').replace(/\.js$/, '.ts') }));

interface ApiPage {
  readonly slug: string;
  readonly title: string;
  /** An export is on the first page of its entry that has it. */
  readonly has: (item: Item) => boolean;
}

const MAIN: readonly ApiPage[] = [
  { slug: 'host', title: 'acp-rehydrate', has: ({ name }) => name === 'Host' },
  {
    slug: 'create-host',
    title: 'createHost and options',
    has: ({ name }) => ['createHost', 'HostOptions', 'CreateOptions', 'PromptOptions'].includes(name),
  },
  {
    slug: 'functions',
    title: 'Functions, errors, limits',
    has: ({ value, file }) => value || /\/(limits|errors|options)\.ts$/.test(file),
  },
  {
    slug: 'ports',
    title: 'Ports',
    has: ({ name, file }) => file.endsWith('/ports.ts') && !/^(Sql|Row|Statement|Owner|Lease)/.test(name),
  },
  { slug: 'database-port', title: 'The database port', has: ({ file }) => file.endsWith('/ports.ts') },
  { slug: 'types', title: 'Types', has: () => true },
];

/** Entries whose types have a page of their own. */
const SPLIT = ['bridge', 'testing'];

function pagesOf(entry: string): readonly ApiPage[] {
  if (entry === '.') return MAIN;
  const slug = entry.slice(2);
  const title = `acp-rehydrate/${slug}`;
  const isSplit = SPLIT.includes(slug);
  return [
    { slug, title, has: ({ value }) => value || !isSplit },
    ...(isSplit ? [{ slug: `${slug}-types`, title: `${title}: types`, has: () => true }] : []),
  ];
}

/** The slugs of the pages, in reading order. */
export const apiSlugs = ENTRIES.flatMap(({ name }) => pagesOf(name)).map(({ slug }) => `reference/library/${slug}`);

export function apiPages(): readonly MadePage[] {
  const program = ts.createProgram(
    ENTRIES.map(({ file }) => path.join(ROOT, file)),
    {
      target: ts.ScriptTarget.ES2024,
      module: ts.ModuleKind.ESNext,
      moduleResolution: ts.ModuleResolutionKind.Bundler,
      allowImportingTsExtensions: true,
      noEmit: true,
      skipLibCheck: true,
      strict: true,
    },
  );
  const checker = program.getTypeChecker();
  return ENTRIES.flatMap((entry) => {
    const source = program.getSourceFile(path.join(ROOT, entry.file));
    const module = source && checker.getSymbolAtLocation(source);
    if (!module) throw new Error(`${entry.file} exports nothing; the package's entry ${entry.name} needs it.`);
    let rest = checker.getExportsOfModule(module).flatMap((symbol) => itemsOf(symbol, checker, ROOT));
    return pagesOf(entry.name).map(({ slug, title, has }) => {
      const description = (descriptions as Readonly<Record<string, string>>)[slug];
      if (description === undefined) throw new Error(`content/data/library.json does not say what the page ${slug} is about.`);
      const own = rest.filter(has);
      rest = rest.filter((item) => !has(item));
      const imported = `\`\`\`ts\nimport { … } from '${path.posix.join('acp-rehydrate', entry.name)}';\n\`\`\``;
      return {
        id: `reference/library/${slug}`,
        title,
        description,
        file: entry.file,
        body: [description, imported, ...own.map(({ markdown }) => markdown)].join('\n\n'),
      };
    });
  });
}
