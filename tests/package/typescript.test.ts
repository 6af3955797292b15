import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, inject, test } from 'vitest';
import { folderIn, write } from './support/project.ts';
import { adapt, readmeBlock } from './support/readme.ts';
import { NODE, ROOT, run } from './support/run.ts';

const TSC = path.join(ROOT, 'node_modules/typescript/bin/tsc');

/** Checks files as a project with these options would, every declaration of every package included. */
async function check(folder: string, options: object, files: Readonly<Record<string, string>>): Promise<string> {
  const compilerOptions = {
    strict: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    skipLibCheck: false,
    noEmit: true,
    target: 'es2022',
    ...options,
  };
  write(folder, { ...files, 'tsconfig.json': JSON.stringify({ compilerOptions, files: Object.keys(files) }) });
  return (await run(NODE, [TSC, '-p', folder], { cwd: folder })).out;
}

const imports = (entries: readonly string[]) =>
  entries.map((entry, i) => `export * as e${i} from '${entry.replace(/^\./, 'acp-rehydrate')}';`).join('\n');
const ENTRIES = Object.keys((JSON.parse(readFileSync(path.join(ROOT, 'package.json'), 'utf8')) as { exports: object }).exports).filter(
  (entry) => entry !== './package.json',
);
const BROWSER = ['.', './sqljs', './websocket', './worker', './testing', './rivetkit'];
/** Not in ES2022 and not in DOM; the declarations of the ACP SDK need it. */
const DISPOSABLE = 'ESNext.Disposable';

test('module: nodenext – the README’s program, and every entry that has no use for a DOM', async () => {
  const folder = folderIn(inject('typesProject'), 'nodenext');
  const program = readmeBlock('In a program', 'ts');
  const result = await check(
    folder,
    { module: 'nodenext', lib: ['ES2022'], types: ['node'] },
    {
      'readme.ts': `${program}\nconst reason: string = stopReason;\nconst tier: 'live' | 'new' | 'resume' | 'load' | 'transcript' = report.tier;\nconsole.log(reason, tier);\n`,
      'all.ts': imports(ENTRIES.filter((entry) => entry !== './sqljs' && entry !== './testing')),
    },
  );
  expect(result).toBe('');
});

test('module: nodenext with a DOM – every entry', async () => {
  const folder = folderIn(inject('typesProject'), 'nodenext-dom');
  expect(await check(folder, { module: 'nodenext', lib: ['ES2022', 'DOM'], types: ['node'] }, { 'all.ts': imports(ENTRIES) })).toBe('');
});

test('moduleResolution: bundler – the README’s page, and the browser’s entries, without a type of Node', async () => {
  const folder = folderIn(inject('webProject'), 'bundler');
  const result = await check(
    folder,
    { module: 'esnext', moduleResolution: 'bundler', lib: ['ES2022', DISPOSABLE, 'DOM'], types: [] },
    {
      'vite.d.ts': "declare module '*?url' {\n  const url: string;\n  export default url;\n}\n",
      'readme.ts': `${readmeBlock('In a page', 'ts')}\nconst reason: string = stopReason;\nconsole.log(reason, report.tier);\n`,
      'all.ts': imports(BROWSER),
    },
  );
  expect(result).toBe('');
});

test('exactOptionalPropertyTypes – every option may be given as undefined, and the example that does so', async () => {
  const folder = folderIn(inject('typesProject'), 'exact');
  const options = {
    'acp-rehydrate':
      'HostOptions PreambleOptions CreateOptions PromptOptions ResumeOptions SessionChanges ForkOptions AdoptOptions DescribeOptions AgentSessionsOptions SearchRequest WorkspaceOptions',
    'acp-rehydrate/node': 'OpenHostOptions PreambleFilesOptions ProcessSecretsOptions',
    'acp-rehydrate/node-sqlite': 'NodeSqliteOptions',
    'acp-rehydrate/stdio': 'NodeClientOptions StdioAgent StdioLauncherOptions',
    'acp-rehydrate/server': 'ServeAcpOptions ServerOptions',
    'acp-rehydrate/bridge': 'BridgeOptions',
    'acp-rehydrate/websocket': 'WebSocketLauncherOptions',
  };
  const declared = Object.entries(options).map(([entry, names]) => `import type { ${names.split(' ').join(', ')} } from '${entry}';`);
  const each = Object.values(options).flatMap((names) => names.split(' '));
  const result = await check(
    folder,
    { module: 'nodenext', lib: ['ES2022'], types: ['node'] },
    {
      'prune.ts': readFileSync(path.join(ROOT, 'examples/prune.ts'), 'utf8'),
      'options.ts': `${declared.join('\n')}
import type { Host } from 'acp-rehydrate';
/** The names of what may be left out and not be undefined. */
type Exact<T> = { [K in keyof T]-?: {} extends Pick<T, K> ? ({ [N in K]: undefined } extends Pick<T, K> ? never : K) : never }[keyof T];
${each.map((name) => `export const ${name.toLowerCase()}: [Exact<${name}>] extends [never] ? true : Exact<${name}> = true;`).join('\n')}
export const page = (host: Host, cursor: string | undefined, signal: AbortSignal | undefined) => [
  host.list({ cursor }), host.search('x', { cursor }), host.prompt('s', 'x', { signal }), host.events('s', { signal }),
  host.history('s', { after: undefined }), host.transcript('s', { budget: undefined }), host.watch({ signal }),
];
`,
    },
  );
  expect(result).toBe('');
});

test('a mistake in the program is found: the types are there', async () => {
  const folder = folderIn(inject('typesProject'), 'mistaken');
  const program = adapt(readmeBlock('In a program', 'ts'), [["agent: 'mine', cwd", 'agent: 7, cwd']]);
  expect(await check(folder, { module: 'nodenext', types: ['node'], skipLibCheck: true }, { 'readme.ts': program })).toMatch(
    /readme\.ts\(\d+,\d+\): error TS2322/,
  );
});
