/** One export of the library as Markdown: its docstring, its members, its signature. */
import path from 'node:path';
import ts from 'typescript';
import { docOf, examplesOf, tidy } from './declarations.ts';

export interface Item {
  readonly name: string;
  /** Whether it is there at run time. */
  readonly value: boolean;
  readonly file: string;
  readonly markdown: string;
}

/** Nothing for types of the ACP SDK, which are documented there. */
export function itemsOf(symbol: ts.Symbol, checker: ts.TypeChecker, root: string): readonly Item[] {
  const target = symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
  const [declaration] = target.declarations ?? [];
  if (!declaration) return [];
  const file = path.relative(root, declaration.getSourceFile().fileName);
  if (/^(?:node_modules|\.\.)/.test(file)) return [];
  const documented = ts.isVariableDeclaration(declaration) ? declaration.parent.parent : declaration;
  return [
    {
      name: symbol.name,
      value: (target.flags & ts.SymbolFlags.Value) !== 0,
      file,
      markdown: blocks(`## ${symbol.name}`, prose(documented), bodyOf(declaration, checker)),
    },
  ];
}

export const blocks = (...parts: readonly string[]) => parts.filter(Boolean).join('\n\n');
const fence = (code: string) => `\`\`\`ts\n${code}\n\`\`\``;

function bodyOf(declaration: ts.Declaration, checker: ts.TypeChecker): string {
  if (ts.isInterfaceDeclaration(declaration) || ts.isClassDeclaration(declaration)) return membersBody(declaration);
  if (ts.isFunctionDeclaration(declaration))
    return blocks(...[`function ${signature(declaration)}`, ...examplesOf(declaration)].map(fence));
  if (ts.isVariableDeclaration(declaration)) return constantBody(declaration, checker);
  return fence(declaration.getText().replace(/^export (default )?/, ''));
}

/** A list of names is shown whole, any other constant by its type. */
function constantBody(declaration: ts.VariableDeclaration, checker: ts.TypeChecker): string {
  const type = checker.getTypeAtLocation(declaration);
  const names = checker.isTupleType(type) ? checker.getTypeArguments(type as ts.TypeReference) : [];
  if (names.length > 0 && names.every((name) => name.isStringLiteral())) return names.map(({ value }) => `\`${value}\``).join(', ');
  const name = declaration.name.getText();
  return blocks(
    name.endsWith('_LIMITS') ? 'The values are on the page of [limits](/reference/limits/).' : '',
    fence(`const ${name}: ${typeOf(declaration, checker)};`),
  );
}

/** A longer type says less than the docstring. */
const TYPE_CHARS = 160;

function typeOf(declaration: ts.VariableDeclaration, checker: ts.TypeChecker): string {
  if (declaration.type) return declaration.type.getText();
  const flags = ts.TypeFormatFlags.NoTruncation | ts.TypeFormatFlags.UseAliasDefinedOutsideCurrentScope;
  const text = checker.typeToString(checker.getTypeAtLocation(declaration), declaration, flags);
  return text.length > TYPE_CHARS ? `${text.slice(0, TYPE_CHARS)}…` : text;
}

type Field = ts.PropertySignature | ts.PropertyDeclaration;
type Call = ts.MethodSignature | ts.MethodDeclaration | ts.ConstructorDeclaration;

/** Fields as a table, then each call; those of an interface have headings of their own. */
function membersBody(declaration: ts.InterfaceDeclaration | ts.ClassDeclaration): string {
  const isClass = ts.isClassDeclaration(declaration);
  const visible = [...declaration.members].filter(
    (member) =>
      !(member.name && (ts.isPrivateIdentifier(member.name) || ts.isComputedPropertyName(member.name))) &&
      !(ts.getCombinedModifierFlags(member) & ts.ModifierFlags.Private),
  );
  const fields = visible.filter(
    (member): member is Field => ts.isPropertySignature(member) || (ts.isPropertyDeclaration(member) && member.type !== undefined),
  );
  const calls = visible.filter(
    (member): member is Call => ts.isMethodSignature(member) || ts.isMethodDeclaration(member) || ts.isConstructorDeclaration(member),
  );
  const extended = declaration.heritageClauses?.find(({ token }) => token === ts.SyntaxKind.ExtendsKeyword)?.types ?? [];
  const parents = extended.map((type) => `\`${type.getText()}\``).join(' and ');
  return blocks(
    isClass ? `A class${parents && `; extends ${parents}`}.` : parents && `Has everything of ${parents}, and:`,
    ...examplesOf(declaration).map(fence),
    fields.length > 0 ? table(fields) : '',
    ...calls.map((call) =>
      blocks(isClass ? '' : `### ${call.name?.getText()}`, prose(call), fence([signature(call), ...examplesOf(call)].join('\n\n'))),
    ),
  );
}

function table(fields: readonly Field[]): string {
  const rows = fields.map((field) => {
    const name = `${field.name.getText()}${field.questionToken ? '?' : ''}`;
    return `| \`${name}\`<small>${cell(escapeHtml(tidy(field.type?.getText() ?? '')))}</small> | ${cell(prose(field))} |`;
  });
  return ['| Field | Meaning |', '|---|---|', ...rows].join('\n');
}

const cell = (text: string) => text.replace(/\n+/g, ' ').replace(/\|/g, '\\|');

/** Parameters are on lines of their own where one line is too short. */
function signature(node: Call | ts.FunctionDeclaration): string {
  const isStatic = ts.getCombinedModifierFlags(node as ts.Declaration) & ts.ModifierFlags.Static;
  const name = ts.isConstructorDeclaration(node) ? `new ${node.parent.name?.text}` : `${isStatic ? 'static ' : ''}${node.name?.getText()}`;
  const generic = node.typeParameters ? `<${node.typeParameters.map((parameter) => parameter.getText()).join(', ')}>` : '';
  const parameters = node.parameters.map((parameter) => parameter.getText().replace(/\breadonly (?=\w+\??:)/g, ''));
  const joined = parameters.join(', ');
  const type = node.type ? `: ${node.type.getText()}` : '';
  return `${name}${generic}${joined.length > 70 ? `(\n  ${parameters.join(',\n  ')},\n)` : `(${joined})`}${type}`;
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>`']/g, (character) => `&#${character.codePointAt(0)};`);
}

const PROMISES = '/reference/advanced/architecture/sessions-and-persistence/promises/';

/** To Markdown, angle brackets would be HTML. A promise's number leads to the promises. */
function prose(node: ts.Node): string {
  return docOf(node)
    .split(/(```[\s\S]*?```|`[^`]*`)/)
    .map((part, i) => (i % 2 ? part : part.replace(/</g, '&lt;').replace(/\((I\d+)\)/g, `([$1](${PROMISES}))`)))
    .join('');
}
