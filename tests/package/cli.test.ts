import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { describe, expect, inject, test } from 'vitest';
import { folderIn } from './support/project.ts';
import { must, NODE, ROOT, run, strangersEnv, type Ran } from './support/run.ts';

const project = inject('nodeProject');
const manifest = JSON.parse(readFileSync(path.join(ROOT, 'package.json'), 'utf8')) as { version: string };
const AGENT = [NODE, path.join(project, 'node_modules/acp-rehydrate/dist/testing/agents/stdio.js'), '--pace', '0'];

const rehydrate = (args: readonly string[]): Promise<Ran> =>
  run('npx', ['--no-install', '--loglevel=error', 'rehydrate', ...args], { cwd: project });

describe('npx rehydrate, from the installed package', () => {
  test('--version is the package’s', async () => {
    expect(await rehydrate(['--version'])).toMatchObject({ code: 0, out: `${manifest.version}\n`, err: '' });
  });

  test('--help names the commands and what optional parts need', async () => {
    const { code, out, err } = await rehydrate(['--help']);
    expect({ code, err }).toEqual({ code: 0, err: '' });
    for (const name of ['prompt', 'chat', 'sessions', 'history', 'transcript', 'delete', 'bridge', 'doctor'])
      expect(out).toMatch(new RegExp(`^  ${name} `, 'm'));
    for (const name of ['sql.js', 'rivetkit']) expect(out).toContain(`npm install ${name}`);
  });

  test('two prompts and the history: the second process remembers', async () => {
    const folder = folderIn(project, 'prompts');
    const db = ['--db', path.join(folder, 'sessions.sqlite')];
    const agent = ['--', ...AGENT, '--store', path.join(folder, 'agent')];
    expect(await rehydrate(['prompt', ...db, 'my dog is called Ada', ...agent])).toMatchObject({ code: 0 });
    expect(await rehydrate(['prompt', ...db, 'what is my dog called?', ...agent])).toMatchObject({
      code: 0,
      out: expect.stringContaining('Ada') as string,
    });
    const { code, out } = await rehydrate(['history', ...db, '--json', 'main']);
    expect(code).toBe(0);
    const events = out
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as { event: { kind: string; payload: { tier?: string } } }).event);
    expect(events.filter(({ kind }) => kind === 'resumed').map(({ payload }) => payload.tier)).toEqual(['new', 'resume']);
    expect(events.filter(({ kind }) => kind === 'turn_ended')).toHaveLength(2);
  });

  test('bridge says where it is, serves, and ends on SIGTERM', async () => {
    const command = AGENT.map((word) => `'${word}'`).join(' ');
    const file = path.join(project, 'node_modules/.bin/rehydrate');
    const child = spawn(file, ['bridge', '--port', '0', '--allow-missing-origin', '--json', '--agent', `scripted=${command}`], {
      cwd: project,
      env: strangersEnv(),
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const ended = once(child, 'exit');
    try {
      const [line] = (await once(createInterface(child.stdout), 'line')) as [string];
      const { url, token, agents } = JSON.parse(line) as { url: string; token: string; agents: string[] };
      expect(agents).toEqual(['scripted']);
      const response = await fetch(`${url.replace(/^ws/, 'http')}/agents`, { headers: { authorization: `Bearer ${token}` } });
      expect(await response.json()).toEqual([{ name: 'scripted', cwd: expect.any(String) as string }]);
    } finally {
      child.kill('SIGTERM');
    }
    // Ended by its own code, which says 143, and not by the signal: it had time to end its agents.
    expect(await ended).toEqual([143, null]);
  });

  test('the installed file is a program by itself', async () => {
    expect(await must(path.join(project, 'node_modules/acp-rehydrate/dist/cli/rehydrate.js'), ['--version'], { cwd: project })).toBe(
      `${manifest.version}\n`,
    );
  });
});
