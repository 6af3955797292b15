import { existsSync, readdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, inject, test } from 'vitest';
import { installedPackages, lockedVersion, write } from './support/project.ts';
import { adapt, readmeBlock } from './support/readme.ts';
import { must, NODE, run } from './support/run.ts';

const project = inject('nodeProject');

describe('what an installation brings', () => {
  test('the package, the ACP SDK, ws and zod, in the versions of our lockfile, and nothing else', () => {
    const { 'node_modules/acp-rehydrate': own, ...others } = installedPackages(project);
    expect(own).toBeDefined();
    const expected = ['@agentclientprotocol/sdk', 'ws', 'zod'].map((name) => [`node_modules/${name}`, lockedVersion(name)]);
    expect(Object.entries(others).map(([where, { version }]) => [where, version])).toEqual(expected);
    expect(readdirSync(path.join(project, 'node_modules')).filter((name) => !name.startsWith('.'))).toEqual([
      '@agentclientprotocol',
      'acp-rehydrate',
      'ws',
      'zod',
    ]);
  });
});

describe('the README’s program on Node', () => {
  test('runs as it stands, with an agent in the place of “your-acp-agent”', async () => {
    const code = adapt(readmeBlock('In a program', 'ts'), [
      [
        "{ command: 'your-acp-agent' }",
        "{ command: process.execPath, args: ['node_modules/acp-rehydrate/dist/testing/agents/stdio.js', '--pace', '0'] }",
      ],
    ]);
    write(project, { 'readme.mjs': `${code}\nconsole.log(JSON.stringify({ sessionId, stopReason, tier: report.tier }));\n` });
    const { code: exit, out, err } = await run(NODE, ['readme.mjs'], { cwd: project });
    expect(err.replace(/^.*(?:ExperimentalWarning|--trace-warnings).*\n/gm, '')).toBe('');
    expect(exit).toBe(0);
    expect(JSON.parse(out)).toEqual({ sessionId: expect.any(String) as string, stopReason: 'end_turn', tier: 'new' });
    expect(existsSync(path.join(project, 'sessions.sqlite'))).toBe(true);
    rmSync(path.join(project, 'sessions.sqlite'));
  });

  test('CommonJS takes it, too, on a Node that can require ES modules', async () => {
    write(project, {
      'common.cjs': "console.log(typeof require('acp-rehydrate').createHost, typeof require('acp-rehydrate/stdio').stdioLauncher);",
    });
    expect(await must(NODE, ['common.cjs'], { cwd: project })).toBe('function function\n');
  });

  test('what is not an entry cannot be imported', async () => {
    write(project, { 'inside.mjs': "await import('acp-rehydrate/dist/engine/index.js');" });
    const { code, err } = await run(NODE, ['inside.mjs'], { cwd: project });
    expect(code).toBe(1);
    expect(err).toContain('ERR_PACKAGE_PATH_NOT_EXPORTED');
  });
});

describe('an optional package that is not installed', () => {
  test('sql.js: the entry can be imported, and opening a database says what to install', async () => {
    write(project, {
      'no-sqljs.mjs':
        "import { openSqljs } from 'acp-rehydrate/sqljs';\nawait openSqljs().catch((error) => console.log(error.name, error.message));",
    });
    const out = await must(NODE, ['no-sqljs.mjs'], { cwd: project });
    expect(out).toMatch(/^SqlError sql\.js is not installed; .*npm install sql\.js/);
    expect(out).toContain("Cannot find package 'sql.js'");
  });

  test('RivetKit: the entry can be imported, and an actor without RivetKit’s parts says what to install', async () => {
    write(project, {
      'no-rivetkit.mjs':
        "import { rivetkitDatabase, sessionActor } from 'acp-rehydrate/rivetkit';\nfor (const make of [() => sessionActor({}), () => rivetkitDatabase()]) try { make(); } catch (error) { console.log(error.message); }",
    });
    const lines = (await must(NODE, ['no-rivetkit.mjs'], { cwd: project })).trim().split('\n');
    expect(lines).toHaveLength(2);
    for (const line of lines) expect(line).toContain('npm install rivetkit');
  });
});
