/** What the library reference shows of each function, as its docstring has it, is code that the compiler takes. */
import path from 'node:path';
import ts from 'typescript';
import { expect, test } from 'vitest';
import { examplesOf } from '../../../src/site/lib/declarations.ts';
import { entriesOf } from '../../../src/site/lib/api-slugs.ts';

const ROOT = path.resolve(import.meta.dirname, '../../..');
const entries = entriesOf(ROOT);

/** What stands around an example on its page; each is the reader's own. */
const AROUND = `
import type { AgentLauncher, Host, SessionEvent, SqlDatabase } from 'acp-rehydrate';
import { agent, ndJsonStream, type Stream } from '@agentclientprotocol/sdk';
declare const host: Host, database: SqlDatabase, agents: AgentLauncher, event: SessionEvent, error: unknown, stream: Stream;
declare const sessionId: string, token: string, lastSeen: number, input: ReadableStream<Uint8Array>, output: WritableStream<Uint8Array>;
declare const describe: (name: string, body: () => void) => void, it: (name: string, body: () => Promise<void>) => void;
declare const openMine: (file: string) => SqlDatabase, around: import('acp-rehydrate/testing').Surroundings;
declare const request: import('acp-rehydrate/bridge').RequestHead, policy: import('acp-rehydrate/bridge').UpgradePolicy;
declare const self: Parameters<typeof workerAgent>[0], c: { db: Parameters<typeof rivetkitDatabase>[0] };
declare const connection: Parameters<typeof followSession>[0], actor: (definition: object) => object;
declare const db: Parameters<typeof sessionActor>[0]['db'] extends infer D ? (options: object) => D : never, UserError: Parameters<typeof sessionActor>[0]['UserError'];
`;

function options(): ts.CompilerOptions {
  const { config } = ts.readConfigFile(path.join(ROOT, 'tsconfig.json'), (file) => ts.sys.readFile(file)) as { config: object };
  const parsed = ts.parseJsonConfigFileContent({ ...config, include: [], files: [] }, ts.sys, ROOT);
  const paths = Object.fromEntries(
    entries.map(({ name, file }) => [name === '.' ? 'acp-rehydrate' : `acp-rehydrate/${name.slice(2)}`, [`./${file}`]]),
  );
  return {
    ...parsed.options,
    paths,
    noEmit: true,
    noUncheckedIndexedAccess: false,
    noUnusedLocals: false,
    incremental: false,
    composite: false,
  };
}

/** Our own functions and classes, by entry. */
function functions(program: ts.Program) {
  const checker = program.getTypeChecker();
  return entries.flatMap(({ name, file }) => {
    const module = checker.getSymbolAtLocation(program.getSourceFile(path.join(ROOT, file))!)!;
    return checker.getExportsOfModule(module).flatMap((symbol) => {
      const target = symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
      const declaration = target.declarations?.[0];
      if (!declaration || declaration.getSourceFile().fileName.includes('node_modules')) return [];
      return target.flags & (ts.SymbolFlags.Function | ts.SymbolFlags.Class)
        ? [{ entry: name, name: symbol.name, examples: examplesOf(declaration) }]
        : [];
    });
  });
}

test('every function of the library has an example, and every example compiles', { timeout: 120_000 }, () => {
  const settings = options();
  const files = entries.map(({ file }) => path.join(ROOT, file));
  const all = functions(ts.createProgram(files, settings));
  expect(all.filter(({ examples }) => examples.length === 0).map(({ name }) => name)).toEqual([]);

  const imports = all.map(({ entry, name }) => `import { ${name} } from 'acp-rehydrate${entry.slice(1)}';`);
  const examples = all.map(({ name, examples: code }) => `async function example_${name}() {\n${code.join('\n')}\n}`);
  const text = [AROUND, ...imports, ...examples].join('\n');
  const file = path.join(ROOT, 'tests/unit/site/examples.ts');
  const compiler = ts.createCompilerHost(settings);
  const { getSourceFile } = compiler;
  compiler.getSourceFile = (name, version, ...rest) =>
    name === file ? ts.createSourceFile(name, text, version) : getSourceFile.call(compiler, name, version, ...rest);
  const program = ts.createProgram([file], settings, compiler);
  const source = program.getSourceFile(file)!;
  const wrong = [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)].map(
    ({ messageText, start = 0 }) =>
      `${/example_(\w+)/.exec(text.slice(text.lastIndexOf('function example_', start)))?.[1]}: “${text.slice(start, start + 40)}”: ${ts.flattenDiagnosticMessageText(messageText, ' ')}`,
  );
  expect(wrong).toEqual([]);
});
