import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { cruise } from 'dependency-cruiser';
import { afterEach, expect, test } from 'vitest';
import rules from '../../../.dependency-cruiser.mjs';

const made = [];
afterEach(() => Promise.all(made.splice(0).map((dir) => rm(dir, { recursive: true }))));

/** The names of the rules that a tree of these files breaks. */
async function broken(files) {
  const baseDir = await mkdtemp(path.join(os.tmpdir(), 'arrows-'));
  made.push(baseDir);
  for (const [name, text] of Object.entries(files)) {
    await mkdir(path.dirname(path.join(baseDir, name)), { recursive: true });
    await writeFile(path.join(baseDir, name), text);
  }
  const folders = [...new Set(Object.keys(files).map((name) => name.split('/')[0]))];
  const { output } = await cruise(folders, { ...rules.options, tsConfig: undefined, baseDir, validate: true, ruleSet: rules });
  return [...new Set(output.summary.violations.map(({ rule }) => rule.name))];
}

const empty = 'export const a = 1; export type A = number;';

test.each([
  [
    'the engine importing an adapter',
    { 'src/engine/a.ts': "import '../adapters/stdio/a.ts';", 'src/adapters/stdio/a.ts': empty },
    'src/engine → nothing',
  ],
  [
    'a type, too',
    { 'src/engine/a.ts': "import type { A } from '../cli/a.ts'; export type B = A;", 'src/cli/a.ts': empty },
    'src/engine → nothing',
  ],
  [
    'an import on demand',
    { 'src/bridge/a.ts': "void import('../cli/a.ts');", 'src/cli/a.ts': empty },
    'src/bridge → src/engine, src/adapters',
  ],
  ['what is exported again', { 'src/server/a.ts': "export * from '../bridge/a.ts';", 'src/bridge/a.ts': empty }, 'src/server → src/engine'],
  ['node: in the engine', { 'src/engine/a.ts': "import 'node:fs';" }, 'the engine touches nothing outside'],
  ['a package in the engine', { 'src/engine/a.ts': "import 'ws';" }, 'the engine touches nothing outside'],
  [
    'an adapter of another',
    { 'src/adapters/sqljs/a.ts': "import '../stdio/a.ts';", 'src/adapters/stdio/a.ts': empty },
    'adapters do not know each other',
  ],
  [
    'an adapter beside its friend',
    { 'src/adapters/stdio/a.ts': "import '../sqljs/a.ts';", 'src/adapters/sqljs/a.ts': empty },
    'adapter stdio → node-host',
  ],
  ['a circle', { 'tests/a.ts': "import './b.ts';", 'tests/b.ts': "import './a.ts';" }, 'no-circles'],
  [
    'a circle of types, over three files',
    {
      'scripts/a.ts': "import type {} from './b.ts';",
      'scripts/b.ts': "import type {} from './c.ts';",
      'scripts/c.ts': "import type {} from './a.ts';",
    },
    'no-circles',
  ],
])('refused: %s', async (_name, files, rule) => {
  expect(await broken(files)).toContain(rule);
});

test.each([
  ['an adapter’s friend', { 'src/adapters/stdio/a.ts': "import '../node-host/a.ts';", 'src/adapters/node-host/a.ts': empty }],
  ['a file for all adapters', { 'src/adapters/sqljs/a.ts': "import '../a.ts';", 'src/adapters/a.ts': empty }],
  ['the command using the server', { 'src/cli/a.ts': "import '../server/a.ts';", 'src/server/a.ts': empty }],
])('allowed: %s', async (_name, files) => {
  expect(await broken(files)).toEqual([]);
});
