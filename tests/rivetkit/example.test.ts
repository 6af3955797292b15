/**
 * The example of the guide, as a user has it: copied out of the repository, with the package and RivetKit by their names,
 * two servers on one engine, and the client from the command line.
 */
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runProgram } from '../support/run-program.ts';
import { startCluster, until, type Cluster, type Runner } from './support/cluster.ts';

const ROOT = path.resolve(import.meta.dirname, '../..');
const AGENT = 'node_modules/acp-rehydrate/dist/testing/agents/stdio.js';

let cluster: Cluster;
let directory: string;
let server: Runner;

const startServer = () =>
  cluster.startRunner({}, path.join(directory, 'server.ts'), [
    process.execPath,
    path.join(directory, AGENT),
    '--store',
    path.join(directory, 'store'),
    '--pace',
    '0',
  ]);

beforeAll(async () => {
  if (!existsSync(path.join(ROOT, 'dist/adapters/rivetkit/index.js')))
    throw new Error('The library is not built, and the example imports it by its name: run npm run build:lib first.');
  directory = mkdtempSync(path.join(os.tmpdir(), 'rehydrate-example-'));
  cpSync(path.join(ROOT, 'examples/rivetkit'), directory, { recursive: true });
  mkdirSync(path.join(directory, 'node_modules'));
  for (const [name, where] of [
    ['acp-rehydrate', ROOT],
    ['rivetkit', path.join(import.meta.dirname, 'node_modules/rivetkit')],
    ['@types', path.join(ROOT, 'node_modules/@types')],
  ] as const) {
    symlinkSync(where, path.join(directory, 'node_modules', name));
  }
  cluster = await startCluster({ runners: 0 });
  server = await startServer();
});
afterAll(async () => {
  await cluster?.stop();
  if (directory) rmSync(directory, { recursive: true, force: true });
});

const agents = () => cluster.processes().filter(({ command }) => command.includes('agents/stdio.js') && !command.includes('server.ts'));

const run = (command: string, args: readonly string[]) =>
  runProgram(command, args, { cwd: directory, env: { RIVET_ENDPOINT: cluster.endpoint } });
const client = (...args: string[]) => run(process.execPath, ['client.ts', ...args]);

describe('the example', () => {
  it('type-checks as a user has it', async () => {
    const checked = await run(process.execPath, [
      path.join(ROOT, 'node_modules/typescript/bin/tsc'),
      '--noEmit',
      '--strict',
      '--module',
      'nodenext',
      '--target',
      'es2024',
      '--lib',
      'es2024,dom,dom.iterable,dom.asynciterable',
      '--types',
      'node',
      '--allowImportingTsExtensions',
      '--skipLibCheck',
      'server.ts',
      'client.ts',
    ]);
    expect(checked).toMatchObject({ code: 0, out: '' });
  });

  it('prompts, shows what is stored, sleeps, and wakes with all it was told', async () => {
    expect(await client('ada', 'my dog is called Rex')).toMatchObject({ code: 0, err: expect.stringContaining('became live by: new]') });
    expect(await client('ada', 'what is my dog called?')).toMatchObject({
      code: 0,
      out: expect.stringContaining('Rex'),
      err: expect.stringContaining('became live by: live]'),
    });
    expect(await client('ada', '--sleep')).toMatchObject({ code: 0 });
    await until(() => agents().length === 0, 'I7: the agent is gone');
    expect(await client('ada', 'what is my dog called?')).toMatchObject({
      code: 0,
      out: expect.stringContaining('Rex'),
      err: expect.stringContaining('became live by: resume]'),
    });
  });

  it('I12: another server goes on where one was killed', async () => {
    await server.kill();
    await startServer();
    expect(await client('ada', 'what is my dog called?')).toMatchObject({
      code: 0,
      out: expect.stringContaining('Rex'),
      err: expect.stringContaining('became live by: resume]'),
    });
  });

  it('says how it is called', async () => {
    expect(await client()).toMatchObject({ code: 2, err: expect.stringContaining('Usage') });
  });
});
