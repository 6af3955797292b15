/**
 * The library reference, from the exports and docstrings of the package's entries. Pages are Markdown, so
 * that headings, search, anchors and Markdown twins are those of any other page.
 */
import path from 'node:path';
import ts from 'typescript';
import { entriesOf, slugOf } from './api-slugs.ts';
import { docOf } from './declarations.ts';

export interface ApiPage {
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
  './bridge': 'The WebSocket bridge, as a library.',
  './testing': 'Scripted agents, and the contract suites for adapters of your own.',
};

/** One page for each entry; the types of the main entry have one of their own. */
export function apiPages(root: string): readonly ApiPage[] {
  const entries = entriesOf(root);
  const program = ts.createProgram(
    entries.map((entry) => path.join(root, entry.file)),
    { target: ts.ScriptTarget.ES2024, module: ts.ModuleKind.ESNext, moduleResolution: ts.ModuleResolutionKind.Bundler, allowImportingTsExtensions: true, noEmit: true, skipLibCheck: true, strict: true },
  );
  const checker = program.getTypeChecker();
  return entries.flatMap((entry) => {
    const source = program.getSourceFile(path.join(root, entry.file));
    const module = source && checker.getSymbolAtLocation(source);
    if (!source || !module) throw new Error(`${entry.file} exports nothing; the package's entry ${entry.name} needs it.`);
    const items = checker.getExportsOfModule(module).flatMap((symbol) => itemOf(symbol, checker, root) ?? []);
    const name = entry.name === '.' ? 'acp-rehydrate' : `acp-rehydrate/${entry.name.slice(2)}`;
    const about = ABOUT[entry.name] ?? '';
    const page = (id: string, title: string, description: string, part: readonly Item[]): ApiPage => ({
      id: `reference/library/${id}`,
      title,
      description,
      file: entry.file,
      body: [`${description}`, `\`\`\`ts\nimport { … } from '${name}';\n\`\`\``, ...part.map(render)].join('\n\n'),
    });
    if (entry.name !== '.') return [page(slugOf(entry.name), name, about, items)];
    const values = items.filter((item) => item.value || HOST_TYPES.has(item.name));
    const types = items.filter((item) => !values.includes(item));
    const ports = types.filter((item) => item.file.endsWith('/ports.ts'));
    return [
      page('host', name, about, values),
      page('ports', 'Ports', 'What a host needs from outside: databases, agents, secrets. Implement these to write an adapter.', ports),
      page('types', 'Types', 'The data a host takes and gives: sessions, events, turns and reports.', types.filter((item) => !ports.includes(item))),
    ].filter((candidate) => candidate.body.includes('\n## '));
  });
}

/** Types so close to the functions that they belong on the same page. */
const HOST_TYPES = new Set(['Host', 'HostOptions', 'CreateOptions', 'PromptOptions', 'PreambleOptions', 'PermissionRule']);

interface Item {
  readonly name: string;
  readonly value: boolean;
  readonly file: string;
  readonly doc: string;
  readonly code: string;
}

function itemOf(symbol: ts.Symbol, checker: ts.TypeChecker, root: string): Item | null {
  const target = symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
  const declaration = target.declarations?.[0];
  if (!declaration) return null;
  const source = declaration.getSourceFile();
  const file = path.relative(root, source.fileName);
  // Types of the ACP SDK are documented there.
  if (file.startsWith('node_modules') || file.startsWith('..')) return null;
  const node = ts.isVariableDeclaration(declaration) ? declaration.parent.parent : declaration;
  return {
    name: symbol.name,
    value: (target.flags & ts.SymbolFlags.Value) !== 0,
    file,
    doc: docOf(node),
    code: codeOf(declaration, checker),
  };
}

/** The declaration as a reader needs it: docstrings of members kept, bodies and private members left out. */
function codeOf(declaration: ts.Declaration, checker: ts.TypeChecker): string {
  const source = declaration.getSourceFile();
  const text = (node: ts.Node) => node.getText(source);
  if (ts.isFunctionDeclaration(declaration)) return signature(declaration, text);
  if (ts.isVariableDeclaration(declaration)) {
    const type = declaration.type ? text(declaration.type) : checker.typeToString(checker.getTypeAtLocation(declaration), declaration, ts.TypeFormatFlags.NoTruncation | ts.TypeFormatFlags.UseAliasDefinedOutsideCurrentScope);
    return `const ${text(declaration.name)}: ${type};`;
  }
  if (ts.isClassDeclaration(declaration)) {
    const hidden = (member: ts.ClassElement) => (member.name && ts.isPrivateIdentifier(member.name)) || ts.getCombinedModifierFlags(member) & ts.ModifierFlags.Private;
    const members = declaration.members.filter((member) => !hidden(member) && !(ts.isMethodDeclaration(member) && ts.isComputedPropertyName(member.name)));
    const heritage = declaration.heritageClauses?.map((clause) => ` ${text(clause)}`).join('') ?? '';
    return `class ${declaration.name?.text ?? ''}${heritage} {\n${members.map((member) => memberText(member, source)).join('\n')}\n}`;
  }
  return text(declaration).replace(/^export (default )?/, '');
}

function signature(node: ts.SignatureDeclaration & { name?: ts.Node }, text: (node: ts.Node) => string): string {
  const modifiers = (ts.canHaveModifiers(node) ? ts.getModifiers(node) : undefined)?.filter((m) => m.kind !== ts.SyntaxKind.ExportKeyword && m.kind !== ts.SyntaxKind.AsyncKeyword) ?? [];
  const type = node.typeParameters ? `<${node.typeParameters.map(text).join(', ')}>` : '';
  const parameters = node.parameters.map(text);
  const joined = parameters.join(', ');
  const list = joined.length > 90 ? `\n  ${parameters.join(',\n  ')},\n` : joined;
  const keyword = ts.isFunctionDeclaration(node) ? 'function ' : '';
  const name = ts.isConstructorDeclaration(node) ? 'constructor' : node.name ? text(node.name) : '';
  return `${modifiers.map((m) => `${text(m)} `).join('')}${keyword}${name}${type}(${list})${node.type ? `: ${text(node.type)}` : ''};`;
}

function memberText(member: ts.ClassElement, source: ts.SourceFile): string {
  const comment = ts.getLeadingCommentRanges(source.text, member.getFullStart())?.filter((range) => source.text.startsWith('/**', range.pos)) ?? [];
  const doc = comment.map((range) => `  ${source.text.slice(range.pos, range.end)}\n`).join('');
  const own = (node: ts.Node) => node.getText(source);
  if (ts.isMethodDeclaration(member) || ts.isConstructorDeclaration(member)) return `${doc}  ${signature(member, own)}`;
  if (ts.isPropertyDeclaration(member) && member.type) return `${doc}  ${own(member).replace(/\s*=[\s\S]*$/, '').replace(/;$/, '')};`;
  return `${doc}  ${own(member)}`;
}

function render(item: Item): string {
  return [`## ${item.name}`, markdown(item.doc), `\`\`\`ts\n${item.code}\n\`\`\``].filter(Boolean).join('\n\n');
}

/** Docstrings are Markdown but for angle brackets, which Markdown would take for HTML. */
function markdown(doc: string): string {
  return doc
    .split(/(```[\s\S]*?```|`[^`]*`)/)
    .map((part, i) => (i % 2 ? part : part.replace(/</g, '&lt;')))
    .join('');
}
