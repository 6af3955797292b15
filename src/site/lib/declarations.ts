/** Reads declarations and their docstrings from source text, so that reference tables cannot drift from the code. */
import ts from 'typescript';
import { amount } from './amount.ts';
import { readSource } from './source.ts';

export interface Member {
  readonly name: string;
  readonly optional: boolean;
  readonly type: string;
  /** One line for each paragraph. */
  readonly doc: string;
}

const parse = (file: string) => ts.createSourceFile(file, readSource(file), ts.ScriptTarget.Latest, true);

/** Without its tags. */
export function docOf(node: ts.Node): string {
  const docs = ts.getJSDocCommentsAndTags(node).filter(ts.isJSDoc);
  return (ts.getTextOfJSDocComment(docs.at(-1)?.comment) ?? '').trim();
}

export function examplesOf(node: ts.Node): readonly string[] {
  const tags = ts.getJSDocTags(node).filter(({ tagName }) => tagName.text === 'example');
  return tags.map(({ comment }) => (ts.getTextOfJSDocComment(comment) ?? '').trim());
}

/** The members of an interface, nested object types flattened as `replay.received`. */
export function membersOf(file: string, name: string): readonly Member[] {
  const found = parse(file).statements.find((node) => ts.isInterfaceDeclaration(node) && node.name.text === name);
  if (!found || !ts.isInterfaceDeclaration(found))
    throw new Error(`The docs show the interface ${name} of ${file}, which does not declare it.`);
  return found.members.flatMap((member) => flatten(member, ''));
}

function flatten(member: ts.TypeElement, prefix: string): readonly Member[] {
  if (!ts.isPropertySignature(member) || !member.type) return [];
  const name = prefix + member.name.getText();
  const all: readonly ts.TypeNode[] = ts.isUnionTypeNode(member.type) ? member.type.types : [member.type];
  const parts = all.filter((part) => part.kind !== ts.SyntaxKind.UndefinedKeyword);
  const objects = parts.filter((part) => ts.isTypeLiteralNode(part));
  const nulls = parts.filter((part) => part.getText() === 'null');
  const isObject = objects.length > 0 && objects.length + nulls.length === parts.length;
  const type = isObject ? ['object', ...nulls.map(() => 'null')].join(' | ') : tidy(member.type.getText());
  return [
    { name, optional: member.questionToken !== undefined, type, doc: docOf(member) },
    ...(isObject ? objects.flatMap((object) => object.members.flatMap((inner) => flatten(inner, `${name}.`))) : []),
  ];
}

/** Drops what says nothing to a reader of a table: `readonly`, comments, line breaks, and `| undefined` of what may be left out. */
export function tidy(type: string): string {
  return type
    .replace(/\/\*[\s\S]*?\*\//g, '')
    .replace(/\breadonly /g, '')
    .replace(/\s+/g, ' ')
    .replace(/; }/g, ' }')
    .replace(/(\?: [^;,(]*?) \| undefined\b/g, '$1')
    .replace(/^(.+) \| undefined$/, '$1')
    .replace(/^\(((?:new )?\([^()]*\) => [^()]*)\)$/, '$1');
}

/** A number of the source with its unit, for prose: `figure('src/engine/limits.ts', 'leaseMs')` is “10 s”. Throws when it is gone. */
export function figure(file: string, name: string): string {
  const values = new Set<number>();
  const visit = (node: ts.Node): void => {
    if ((ts.isPropertyAssignment(node) || ts.isVariableDeclaration(node)) && node.initializer && node.name.getText() === name) {
      const value = numberOf(node.initializer);
      if (value !== null) values.add(value);
    }
    ts.forEachChild(node, visit);
  };
  visit(parse(file));
  const [value] = values;
  if (value === undefined || values.size > 1)
    throw new Error(`The docs give the number ${name} of ${file}, which has ${values.size} of that name.`);
  return amount(name, value);
}

function numberOf(node: ts.Expression): number | null {
  if (ts.isNumericLiteral(node)) return Number(node.text);
  if (!ts.isBinaryExpression(node) || node.operatorToken.kind !== ts.SyntaxKind.AsteriskToken) return null;
  const [left, right] = [numberOf(node.left), numberOf(node.right)];
  return left === null || right === null ? null : left * right;
}
