/**
 * The arrows of the house: which folder may import which. A rule nobody can break beats a paragraph.
 *
 *   site → playground → adapters → engine        cli → bridge → adapters → engine
 *
 * `testing` may be used by tests and the playground, and uses the engine. Two adapters do not know
 * each other, except those named in `ADAPTER_FRIENDS`; a file that lies beside their folders is for
 * all of them. The engine imports nothing of ours, no package but the ACP SDK's types, and no node: module.
 */
import path from 'node:path';

const ROOT = path.resolve(import.meta.dirname, '../..');

/** Layer of a file → layers it may import. */
export const ALLOWED = {
  engine: ['engine'],
  adapters: ['engine', 'adapters'],
  bridge: ['engine', 'adapters', 'bridge'],
  cli: ['engine', 'adapters', 'bridge', 'cli'],
  testing: ['engine', 'testing'],
  playground: ['engine', 'adapters', 'testing', 'playground'],
  // The docs render the command's own table of options.
  site: ['engine', 'adapters', 'playground', 'site', 'cli'],
  content: ['engine', 'playground', 'site', 'content'],
  tests: ['engine', 'adapters', 'bridge', 'cli', 'testing', 'playground', 'site', 'tests', 'scripts', 'root'],
  scripts: ['scripts'],
  root: ['engine', 'adapters', 'bridge', 'playground', 'site', 'scripts', 'root'],
};

/** An adapter may build on another where both are about the same outside thing. */
const ADAPTER_FRIENDS = { 'node-sqlite': ['node-host'], stdio: ['node-host'] };

/** Scripted agents run in a worker too, and speak the worker adapter's frames there. */
const TESTING_MAY_USE = ['worker'];

/** The layer of an absolute path, and for adapters which one. */
export function layerOf(file) {
  const parts = path.relative(ROOT, file).split(path.sep);
  if (parts[0] === 'src') return { layer: parts[1] ?? 'root', part: parts[2] };
  if (['playground', 'tests', 'scripts', 'content'].includes(parts[0])) return { layer: parts[0] };
  return { layer: 'root' };
}

/** Null when `from` may import `specifier`, else why not. */
export function arrowProblem(from, specifier, typeOnly) {
  const source = layerOf(from);
  if (!specifier.startsWith('.')) {
    if (source.layer !== 'engine') return null;
    if (typeOnly && specifier === '@agentclientprotocol/sdk') return null;
    return `The engine imports no package and no node: module, only types of the ACP SDK; '${specifier}' belongs in an adapter.`;
  }
  const target = layerOf(path.resolve(path.dirname(from), specifier.split('?')[0]));
  if (source.layer === 'testing' && target.layer === 'adapters' && TESTING_MAY_USE.includes(target.part)) return null;
  if (!(ALLOWED[source.layer] ?? []).includes(target.layer)) {
    return `${source.layer} may not import ${target.layer} (allowed: ${(ALLOWED[source.layer] ?? []).join(', ')}).`;
  }
  if (source.layer === 'adapters' && target.layer === 'adapters' && source.part !== target.part) {
    const forAll = target.part?.endsWith('.ts');
    if (!forAll && !(ADAPTER_FRIENDS[source.part] ?? []).includes(target.part)) {
      return `The adapter ${source.part} may not import the adapter ${target.part}.`;
    }
  }
  return null;
}

export const arrows = {
  meta: { type: 'problem', docs: { description: 'imports follow the arrows of the house' }, schema: [] },
  create(context) {
    const check = (node, typeOnly) => {
      const specifier = node.source?.value;
      if (typeof specifier !== 'string') return;
      const problem = arrowProblem(context.filename, specifier, typeOnly);
      if (problem) context.report({ node, message: problem });
    };
    const allTypes = (node) =>
      node.importKind === 'type' ||
      node.exportKind === 'type' ||
      (node.specifiers?.length > 0 && node.specifiers.every((s) => s.importKind === 'type' || s.exportKind === 'type'));
    return {
      ImportDeclaration: (node) => check(node, allTypes(node)),
      ExportNamedDeclaration: (node) => check(node, allTypes(node)),
      ExportAllDeclaration: (node) => check(node, node.exportKind === 'type'),
      ImportExpression: (node) => check(node, false),
    };
  },
};
