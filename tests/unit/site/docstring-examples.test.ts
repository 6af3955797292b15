/** What the library reference shows of each function, as its docstring has it, is code that the compiler takes. */
import path from 'node:path';
import ts from 'typescript';
import { expect, test, vi } from 'vitest';
import { openNodeSqlite } from '../../../src/adapters/node-sqlite/index.ts';
import { createHost, RehydrateError } from '../../../src/engine/index.ts';
import { docOf, examplesOf } from '../../../src/site/lib/declarations.ts';
import { ENTRIES as entries } from '../../../src/site/lib/api-pages.ts';
import { inProcessLauncher } from '../../../src/testing/index.ts';

const ROOT = path.resolve(import.meta.dirname, '../../..');

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

interface Documented {
  /** Null for a method of a host. */
  readonly entry: string | null;
  readonly name: string;
  readonly doc: string;
  readonly examples: readonly string[];
}

/** Our own functions and classes, by entry, and what a host can be asked to do. */
function functions(program: ts.Program): readonly Documented[] {
  const checker = program.getTypeChecker();
  return entries.flatMap(({ name: entry, file }) => {
    const module = checker.getSymbolAtLocation(program.getSourceFile(path.join(ROOT, file))!)!;
    return checker.getExportsOfModule(module).flatMap((symbol): readonly Documented[] => {
      const target = symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
      const declaration = target.declarations?.[0];
      if (!declaration || declaration.getSourceFile().fileName.includes('node_modules')) return [];
      if (symbol.name === 'Host' && ts.isInterfaceDeclaration(declaration))
        return declaration.members
          .filter((member) => ts.isMethodSignature(member))
          .map((method) => ({ entry: null, name: `host_${method.name.getText()}`, doc: docOf(method), examples: examplesOf(method) }));
      return target.flags & (ts.SymbolFlags.Function | ts.SymbolFlags.Class)
        ? [{ entry, name: symbol.name, doc: docOf(declaration), examples: examplesOf(declaration) }]
        : [];
    });
  });
}

const settings = options();
const all = functions(
  ts.createProgram(
    entries.map(({ file }) => path.join(ROOT, file)),
    settings,
  ),
);

test('every function of the library is documented and has an example, and every example compiles', () => {
  expect(all.filter(({ doc, examples }) => doc === '' || examples.length === 0).map(({ name }) => name)).toEqual([]);

  const imports = all.map(({ entry, name }) => (entry === null ? '' : `import { ${name} } from 'acp-rehydrate${entry.slice(1)}';`));
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

/** What ends only when the host does. */
const ENDLESS = ['host_events', 'host_watch'];
/** The scripted agent has no extension, and wants nobody to sign in. */
const REFUSED: Readonly<Record<string, string>> = { host_request: 'agent_protocol_error', host_authenticate: 'invalid_argument' };

test.each(
  all.filter(({ entry }) => entry === null).map(({ name, examples }) => [name.replace('_', '.'), name, examples.join('\n')] as const),
)('the example of %s does what it says, on a session that was told something', async (_, name, example) => {
  const database = await openNodeSqlite(':memory:');
  const host = await createHost({ database, agents: inProcessLauncher(), limits: { followMs: 10 } });
  const { sessionId } = await host.create({ agent: 'mine', cwd: process.cwd() });
  await host.prompt(sessionId, 'my dog is called Ada');
  const event = (await host.history(sessionId)).at(-1);
  const seen: string[] = [];
  const around = {
    host,
    sessionId,
    event,
    RehydrateError,
    lastSeen: 0,
    error: new RehydrateError('auth_required', 'sign in'),
    console: { log: (...words: unknown[]) => seen.push(words.join(' ')) },
  };
  const code = ts.transpileModule(`{ ${example} }`, { compilerOptions: { target: ts.ScriptTarget.ESNext } }).outputText;
  const AsyncFunction = Object.getPrototypeOf(async () => undefined).constructor as new (
    ...of: string[]
  ) => (...given: unknown[]) => Promise<void>;
  const running = new AsyncFunction(...Object.keys(around), code)(...Object.values(around));
  if (ENDLESS.includes(name)) {
    await vi.waitFor(async () => {
      await host.update(sessionId, { title: `The shop, ${Math.random()}` });
      expect(seen).not.toEqual([]);
    }, 15_000);
    await host.sleep();
  }
  const ended = await running.then(
    () => undefined,
    (error: unknown) => (error as RehydrateError).code,
  );
  expect(ended).toBe(REFUSED[name]);
  expect(seen.length > 0).toBe(example.includes('console.log'));
  await host.sleep();
  await database.close();
});
