/**
 * The library reference, from the exports and docstrings of the package's entries. Pages are Markdown, so
 * that headings, search, anchors and Markdown twins are those of any other page.
 */
import path from 'node:path';
import ts from 'typescript';
import { itemOf, render, type Item } from './api-items.ts';
import { entriesOf, slugOf, SPLIT } from './api-slugs.ts';

/** A page that is no file under content/docs. */
export interface MadePage {
  readonly id: string;
  readonly title: string;
  readonly description: string;
  readonly body: string;
  /** The file behind it, for the edit link. */
  readonly file: string;
}

const ABOUT: Readonly<Record<string, string>> = {
  '.': 'The host, and everything that is the same everywhere.',
  './sqljs': 'A database in a browser tab: sql.js, made durable by IndexedDB.',
  './node-sqlite': 'A database in a file, on Node.',
  './rivetkit': 'A host as a RivetKit actor, on the actor’s own database.',
  './stdio': 'Agents as child processes.',
  './websocket': 'Agents behind a WebSocket bridge.',
  './worker': 'Agents in web workers.',
  './node': 'What a host needs from a Node process: secrets, preamble files, owners.',
  './server': 'ACP’s agent side over a host: what an editor or any other ACP client talks to.',
  './bridge': 'The WebSocket bridge, as a library.',
  './testing': 'Scripted agents, and the contract suites for adapters of your own.',
};

/** One page for each entry; the types of the main entry have one of their own. */
export function apiPages(root: string): readonly MadePage[] {
  const entries = entriesOf(root);
  const program = ts.createProgram(
    entries.map((entry) => path.join(root, entry.file)),
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
  return entries.flatMap((entry) => {
    const source = program.getSourceFile(path.join(root, entry.file));
    const module = source && checker.getSymbolAtLocation(source);
    if (!source || !module) throw new Error(`${entry.file} exports nothing; the package's entry ${entry.name} needs it.`);
    const items = checker.getExportsOfModule(module).flatMap((symbol) => itemOf(symbol, checker, root) ?? []);
    const name = entry.name === '.' ? 'acp-rehydrate' : `acp-rehydrate/${entry.name.slice(2)}`;
    const about = ABOUT[entry.name] ?? '';
    const page = (id: string, title: string, description: string, part: readonly Item[]): MadePage => ({
      id: `reference/library/${id}`,
      title,
      description,
      file: entry.file,
      body: [`${description}`, `\`\`\`ts\nimport { … } from '${name}';\n\`\`\``, ...part.map(render)].join('\n\n'),
    });
    if (SPLIT.has(entry.name)) {
      const values = items.filter((item) => item.value);
      const types = items.filter((item) => !item.value);
      return [
        page(slugOf(entry.name), name, about, values),
        page(`${slugOf(entry.name)}-types`, `${name}: types`, `The types of ${name}.`, types),
      ];
    }
    if (entry.name !== '.') return [page(slugOf(entry.name), name, about, items)];
    const pages: readonly [slug: string, title: string, about: string, has: (item: Item) => boolean][] = [
      ['host', name, about, (item) => item.name === 'Host'],
      ['create-host', 'createHost and options', 'How a host is made, and what its calls are given.', (item) => HOST.has(item.name)],
      [
        'functions',
        'Functions, errors, limits',
        'What the main entry exports besides the host.',
        (item) => item.value || /\/(limits|errors|options)\.ts$/.test(item.file),
      ],
      [
        'ports',
        'Ports',
        'What a host needs from outside: databases, agents, secrets. Implement these to write an adapter.',
        (item) => item.file.endsWith('/ports.ts') && !/^(Sql|Row|Statement|Owner|Lease)/.test(item.name),
      ],
      [
        'database-port',
        'The database port',
        'What a host needs of a database, and of telling whether other owners of its sessions still live.',
        (item) => item.file.endsWith('/ports.ts'),
      ],
      ['types', 'Types', 'The data a host takes and gives: sessions, events, turns and reports.', () => true],
    ];
    const taken = new Set<Item>();
    return pages.map(([slug, title, text, has]) => {
      const part = items.filter((item) => !taken.has(item) && has(item));
      for (const item of part) taken.add(item);
      return page(slug, title, text, part);
    });
  });
}

const HOST = new Set(['createHost', 'HostOptions', 'CreateOptions', 'PromptOptions']);
