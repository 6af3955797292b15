/** A host in one call, as a stranger opens one: a file, the agents' commands. */
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openHost } from '../../../src/adapters/node-host/index.ts';
import { inProcessLauncher, scriptedAgent } from '../../../src/testing/agents/index.ts';
import { said } from '../engine/helpers.ts';

let directory: string;
let file: string;
const demo = () => scriptedAgent('native', { store: path.join(directory, 'store') });
beforeEach(() => {
  directory = mkdtempSync(path.join(tmpdir(), 'rehydrate-open-host-'));
  file = path.join(directory, 'inner', 'sessions.sqlite');
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

describe('a host in one call', () => {
  it('a session survives it; after sleep the file is closed and the next host goes on', async () => {
    const first = await openHost(file, { agents: { demo: demo() } });
    await first.create({ agent: 'demo', cwd: directory, sessionId: 's' });
    await first.prompt('s', 'My name is Ada.');
    await Promise.all([first.sleep(), first.sleep()]);
    expect(existsSync(`${file}-wal`)).toBe(false);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    await expect(first.get('s')).rejects.toMatchObject({ name: 'RehydrateError' });

    const next = await openHost(file, { agents: { demo: demo() } });
    const { report, turnId } = await next.prompt('s', 'What is my name?');
    expect(report.tier).toBe('resume');
    expect(said(await next.history('s'), turnId)).toContain('Ada');
    await next.sleep();
  });

  it('values come back from the environment, and a preamble of mode file has a place', async () => {
    process.env['OPEN_HOST_TOKEN'] = 'a-value-nobody-may-find';
    process.env['XDG_STATE_HOME'] = directory;
    try {
      const options = { agents: { demo: inProcessLauncher({ variant: 'amnesiac' }) }, preamble: 'file' } as const;
      const first = await openHost(file, options);
      await first.create({ agent: 'demo', cwd: directory, sessionId: 's', env: { OPEN_HOST_TOKEN: 'a-value-nobody-may-find' } });
      await first.prompt('s', 'My name is Ada.');
      await first.sleep();
      const next = await openHost(file, options);
      expect((await next.prompt('s', 'env OPEN_HOST_TOKEN')).report.tier).toBe('transcript');
      expect(existsSync(path.join(directory, 'rehydrate', 'preambles'))).toBe(true);
      await next.sleep();
    } finally {
      delete process.env['OPEN_HOST_TOKEN'];
      delete process.env['XDG_STATE_HOME'];
    }
  });

  it('commands and launchers side by side; a name that is none says which there are', async () => {
    const host = await openHost(file, { agents: { demo: demo(), inside: inProcessLauncher({ variant: 'native' }) } });
    await host.create({ agent: 'demo', cwd: directory });
    await host.create({ agent: 'inside', cwd: directory });
    const wrong = host.create({ agent: 'other', cwd: directory });
    await expect(wrong).rejects.toMatchObject({ code: 'agent_not_found', message: expect.stringContaining('"demo", "inside"') });
    await host.sleep();
  });

  it.each<[string, object]>([
    ['a limit of the wrong type', { limits: { idleMs: '5' } }],
    ['a limit that is none', { limits: { idleMS: 5 } }],
    ['a policy that is none', { policy: 'always' }],
    ['a preamble mode that is none', { preamble: 'loud' }],
    ['an option of the preamble that is none', { preamble: { size: 5 } }],
    ['a secret without a name', { knownSecrets: [{ value: 'x' }] }],
    ['a clock that tells no time', { clock: () => Number.NaN }],
    ['ids that are none', { newId: () => '' }],
    ['an option of the file', { busyTimeoutMs: 'long' }],
  ])('%s is refused, and no file is made', async (_, wrong) => {
    await expect(openHost(file, { agents: { demo: demo() }, ...wrong } as never)).rejects.toMatchObject({ code: 'invalid_argument' });
    expect(existsSync(path.dirname(file))).toBe(false);
  });

  it('readOnly reads, and makes and writes nothing', async () => {
    const missing = openHost(file, { agents: {}, readOnly: true });
    await expect(missing).rejects.toMatchObject({ code: 'storage_unavailable' });
    expect(existsSync(file)).toBe(false);

    const writer = await openHost(file, { agents: { demo: demo() } });
    await writer.create({ agent: 'demo', cwd: directory, sessionId: 's' });
    await writer.prompt('s', 'My name is Ada.');
    await writer.sleep();
    const reader = await openHost(file, { agents: { demo: demo() }, readOnly: true });
    expect(await reader.transcript('s')).toContain('Ada');
    await expect(reader.prompt('s', 'hello')).rejects.toMatchObject({ code: 'storage_unavailable' });
    await reader.sleep();
  });

  it('a table that another program dropped is told in the contract’s words, by reading and by prompting', async () => {
    const host = await openHost(file, { agents: { demo: demo() } });
    await host.create({ agent: 'demo', cwd: directory, sessionId: 's' });
    const other = new DatabaseSync(file);
    other.exec('DROP TABLE acp_session_events');
    other.close();
    const told = { name: 'RehydrateError', code: 'storage_unavailable', message: expect.stringContaining('acp_session_events') as string };
    await expect(host.history('s')).rejects.toMatchObject(told);
    await expect(host.prompt('s', 'hello')).rejects.toMatchObject(told);
    await host.sleep().catch(() => undefined);
  });

  it.each([
    ['a path that is empty', '', { agents: {} }, 'invalid_argument'],
    ['no agents', 'new', undefined, 'invalid_argument'],
    ['an agent without a command', 'new', { agents: { demo: {} } }, 'invalid_argument'],
    ['an agent as one text', 'new', { agents: { demo: 'node agent.js' } }, 'invalid_argument'],
    ['an option that is misspelt', 'new', { agents: {}, readonly: true }, 'invalid_argument'],
    ['a file that is no database', 'text', { agents: {} }, 'database_corrupt'],
    ['a directory', '.', { agents: {} }, 'storage_unavailable'],
  ])('%s is refused, and nothing stays open', async (_, name, options, code) => {
    writeFileSync(path.join(directory, 'text'), 'this is no database, whatever its name says\n'.repeat(100));
    await expect(openHost(name && path.join(directory, name), options as never)).rejects.toMatchObject({ name: 'RehydrateError', code });
    expect(existsSync(path.join(directory, 'new'))).toBe(false);
  });
});
