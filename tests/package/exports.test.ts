/**
 * Every name the package exports is in `exports.json`, so that a name is added, or lost, on purpose.
 *
 * After a change that is meant: UPDATE_EXPORTS=1 npm test -- package, and read the difference.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
// Not the older one that a tool of this folder brings along.
import ts from '../../node_modules/typescript/lib/typescript.js';
import { expect, inject, test } from 'vitest';
import { must, NODE } from './support/run.ts';
import { write } from './support/project.ts';

const LIST = path.join(import.meta.dirname, 'exports.json');
const project = inject('nodeProject');
const root = path.join(project, 'node_modules/acp-rehydrate');
const manifest = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')) as {
  exports: Record<string, string | { types: string; default: string }>;
};
const entries = Object.entries(manifest.exports).flatMap(([name, target]) =>
  typeof target === 'object' ? [{ name, types: path.join(root, target.types) }] : [],
);

interface Names {
  readonly values: readonly string[];
  readonly types: readonly string[];
}
type List = Readonly<Record<string, Names>>;

/** What the installed declarations export; those passed on from ACP's SDK are part of it. */
function declared(): List {
  const program = ts.createProgram(
    entries.map(({ types }) => types),
    {
      module: ts.ModuleKind.NodeNext,
      moduleResolution: ts.ModuleResolutionKind.NodeNext,
      target: ts.ScriptTarget.ES2024,
      skipLibCheck: true,
      noEmit: true,
    },
  );
  const checker = program.getTypeChecker();
  return Object.fromEntries(
    entries.map(({ name, types }) => {
      const module = checker.getSymbolAtLocation(program.getSourceFile(types)!)!;
      const values = new Set<string>();
      const others = new Set<string>();
      for (const symbol of checker.getExportsOfModule(module)) {
        const target = symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
        const typeOnly = symbol.declarations?.some((each) => ts.isTypeOnlyExportDeclaration(each)) ?? false;
        (target.flags & ts.SymbolFlags.Value && !typeOnly ? values : others).add(symbol.name);
      }
      return [name, { values: [...values].sort(), types: [...others].sort() }];
    }),
  );
}

test('the names of every entry are those of exports.json', () => {
  const found = declared();
  if (process.env['UPDATE_EXPORTS'] === '1') writeFileSync(LIST, `${JSON.stringify(found, null, 2)}\n`);
  expect(found, 'If this is meant: UPDATE_EXPORTS=1 npm test -- package').toEqual(JSON.parse(readFileSync(LIST, 'utf8')));
});

test('what is declared is what is there when it is imported', async () => {
  const specifiers = Object.fromEntries(entries.map(({ name }) => [name, name.replace(/^\./, 'acp-rehydrate')]));
  write(project, {
    'names.mjs': `const found = {};\nfor (const [name, from] of Object.entries(${JSON.stringify(specifiers)})) found[name] = Object.keys(await import(from)).sort();\nconsole.log(JSON.stringify(found));`,
  });
  const present = JSON.parse(await must(NODE, ['--disable-warning=ExperimentalWarning', 'names.mjs'], { cwd: project })) as Record<
    string,
    string[]
  >;
  expect(present).toEqual(Object.fromEntries(Object.entries(declared()).map(([name, { values }]) => [name, values])));
});
