/** One export of the library as Markdown: its docstring, its members, its signature. */
import path from 'node:path';
import ts from 'typescript';
import { docOf, examplesOf, tidy } from './declarations.ts';

export interface Item {
  readonly name: string;
  /** Whether it is there at run time. */
  readonly value: boolean;
  /** Where it is declared, from the root of the checkout. */
  readonly file: string;
  readonly doc: string;
  /** What comes below the docstring. */
  readonly body: string;
}

/** Null for what is not ours: types of the ACP SDK are documented there. */
export function itemOf(symbol: ts.Symbol, checker: ts.TypeChecker, root: string): Item | null {
  const target = symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
  const declaration = target.declarations?.[0];
  if (!declaration) return null;
  const file = path.relative(root, declaration.getSourceFile().fileName);
  if (file.startsWith('node_modules') || file.startsWith('..')) return null;
  const documented = ts.isVariableDeclaration(declaration) ? declaration.parent.parent : declaration;
  return {
    name: symbol.name,
    value: (target.flags & ts.SymbolFlags.Value) !== 0,
    file,
    doc: docOf(documented),
    body: bodyOf(declaration, checker),
  };
}

export function render(item: Item): string {
  return [`## ${item.name}`, markdown(item.doc), item.body].filter(Boolean).join('\n\n');
}

function bodyOf(declaration: ts.Declaration, checker: ts.TypeChecker): string {
  if (ts.isInterfaceDeclaration(declaration)) return interfaceBody(declaration);
  if (ts.isFunctionDeclaration(declaration))
    return [`function ${signature(declaration)}`, ...examplesOf(declaration)].map(fence).join('\n\n');
  if (ts.isClassDeclaration(declaration)) return classBody(declaration);
  if (ts.isVariableDeclaration(declaration)) return constantBody(declaration, checker);
  return fence(declaration.getText().replace(/^export (default )?/, ''));
}

/** A list of names is shown whole; any other constant by its type. */
function constantBody(declaration: ts.VariableDeclaration, checker: ts.TypeChecker): string {
  const type = checker.getTypeAtLocation(declaration);
  const names = checker.isTupleType(type) ? checker.getTypeArguments(type as ts.TypeReference) : [];
  if (names.length > 0 && names.every((name) => name.isStringLiteral()))
    return names.map((name) => `\`${(name as ts.StringLiteralType).value}\``).join(', ');
  const code = fence(`const ${declaration.name.getText()}: ${typeOf(declaration, checker)};`);
  return declaration.name.getText().endsWith('_LIMITS') ? `The values are on the page of [limits](/reference/limits/).\n\n${code}` : code;
}

/** Longer than this a type says less than the docstring. */
const TYPE_CHARS = 160;

function typeOf(declaration: ts.VariableDeclaration, checker: ts.TypeChecker): string {
  if (declaration.type) return declaration.type.getText();
  const text = checker.typeToString(
    checker.getTypeAtLocation(declaration),
    declaration,
    ts.TypeFormatFlags.NoTruncation | ts.TypeFormatFlags.UseAliasDefinedOutsideCurrentScope,
  );
  return text.length > TYPE_CHARS ? `${text.slice(0, TYPE_CHARS)}…` : text;
}

function interfaceBody(declaration: ts.InterfaceDeclaration): string {
  const fields = declaration.members.filter((member): member is ts.PropertySignature => ts.isPropertySignature(member));
  const methods = declaration.members.filter((member): member is ts.MethodSignature => ts.isMethodSignature(member));
  const parents = declaration.heritageClauses?.flatMap((clause) => clause.types.map((type) => `\`${type.getText()}\``)) ?? [];
  return [
    parents.length > 0 ? `Has everything of ${parents.join(' and ')}, and:` : '',
    fields.length > 0 ? table(fields) : '',
    ...methods.map((method) =>
      [`### ${method.name.getText()}`, markdown(docOf(method)), fence([signature(method), ...examplesOf(method)].join('\n\n'))]
        .filter(Boolean)
        .join('\n\n'),
    ),
  ]
    .filter(Boolean)
    .join('\n\n');
}

function classBody(declaration: ts.ClassDeclaration): string {
  const visible = declaration.members.filter((member) => {
    const hidden =
      (member.name && (ts.isPrivateIdentifier(member.name) || ts.isComputedPropertyName(member.name))) ||
      ts.getCombinedModifierFlags(member) & ts.ModifierFlags.Private;
    return !hidden;
  });
  const fields = visible.filter(
    (member): member is ts.PropertyDeclaration => ts.isPropertyDeclaration(member) && member.type !== undefined,
  );
  const calls = visible.filter(
    (member): member is ts.MethodDeclaration | ts.ConstructorDeclaration =>
      ts.isMethodDeclaration(member) || ts.isConstructorDeclaration(member),
  );
  const extended = declaration.heritageClauses?.find((clause) => clause.token === ts.SyntaxKind.ExtendsKeyword)?.types[0]?.getText();
  const name = declaration.name?.text ?? '';
  return [
    extended ? `A class; extends \`${extended}\`.` : 'A class.',
    ...examplesOf(declaration).map(fence),
    fields.length > 0 ? table(fields) : '',
    ...calls.map((call) =>
      [markdown(docOf(call)), fence(ts.isConstructorDeclaration(call) ? `new ${name}${parametersOf(call)}` : signature(call))]
        .filter(Boolean)
        .join('\n\n'),
    ),
  ]
    .filter(Boolean)
    .join('\n\n');
}

function table(fields: readonly (ts.PropertySignature | ts.PropertyDeclaration)[]): string {
  const rows = fields.map((field) => {
    const type = field.type ? tidy(field.type.getText()) : '';
    const name = `${field.name.getText()}${field.questionToken ? '?' : ''}`;
    return `| \`${name}\`<small>${cell(escapeHtml(type))}</small> | ${cell(markdown(docOf(field)))} |`;
  });
  return ['| Field | Meaning |', '|---|---|', ...rows].join('\n');
}

function cell(text: string): string {
  return text.replace(/\n+/g, ' ').replace(/\|/g, '\\|');
}

type Callable = ts.FunctionDeclaration | ts.MethodSignature | ts.MethodDeclaration;

function signature(node: Callable): string {
  const flags = ts.getCombinedModifierFlags(node as ts.Declaration);
  const generic = node.typeParameters ? `<${node.typeParameters.map((parameter) => parameter.getText()).join(', ')}>` : '';
  const type = node.type ? `: ${node.type.getText()}` : '';
  return `${flags & ts.ModifierFlags.Static ? 'static ' : ''}${node.name?.getText() ?? ''}${generic}${parametersOf(node)}${type}`;
}

/** On lines of their own where they would not fit on one. */
function parametersOf(node: ts.SignatureDeclaration): string {
  const parameters = node.parameters.map((parameter) => parameter.getText().replace(/\breadonly (?=\w+\??:)/g, ''));
  const joined = parameters.join(', ');
  return joined.length > 70 ? `(\n  ${parameters.join(',\n  ')},\n)` : `(${joined})`;
}

function fence(code: string): string {
  return `\`\`\`ts\n${code}\n\`\`\``;
}

function escapeHtml(text: string): string {
  return text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;').replace(/`/g, '&#96;').replace(/'/g, '&#39;');
}

const PROMISES = '/reference/advanced/architecture/sessions-and-persistence/promises/';

/** Docstrings are Markdown but for angle brackets, which Markdown would take for HTML; a promise's number leads to the promises. */
function markdown(doc: string): string {
  return doc
    .split(/(```[\s\S]*?```|`[^`]*`)/)
    .map((part, i) => (i % 2 ? part : part.replace(/</g, '&lt;').replace(/\((I\d+)\)/g, `([$1](${PROMISES}))`)))
    .join('');
}
