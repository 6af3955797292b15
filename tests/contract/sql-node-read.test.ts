/** Databases that may be read and not be written. What root does is not stopped by modes, so the reader is another user then. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openNodeSqlite } from '../../src/adapters/node-sqlite/index.ts';
import { createHost } from '../../src/engine/index.ts';
import { inProcessLauncher } from '../../src/testing/agents/index.ts';

const root = process.getuid?.() === 0;
const NOBODY = ['--reuid=65534', '--regid=65534', '--clear-groups'];
/** Whether there is somebody here who may read this checkout, and nothing else. */
const possible =
  process.platform !== 'win32' &&
  (!root ||
    (existsSync('/usr/bin/setpriv') &&
      allowed(() => execFileSync('setpriv', [...NOBODY, process.execPath, '-e', '0'], { stdio: 'ignore' }))));

function allowed(attempt: () => unknown): boolean {
  try {
    attempt();
    return true;
  } catch {
    return false;
  }
}

let directory: string;
let file: string;
beforeEach(async () => {
  directory = mkdtempSync(path.join(tmpdir(), 'rehydrate-read-only-'));
  file = path.join(directory, 'inner', 'sessions.sqlite');
  mkdirSync(path.dirname(file));
  const database = await openNodeSqlite(file);
  const host = await createHost({ database, agents: inProcessLauncher({ variant: 'amnesiac' }) });
  await host.create({ agent: 'demo', cwd: '/project', sessionId: 's' });
  await host.prompt('s', 'My name is Ada.');
  await host.sleep();
  await database.close();
});
afterEach(() => {
  chmodSync(path.dirname(file), 0o700);
  rmSync(directory, { recursive: true, force: true });
});

/** Everybody may read, nobody write. */
function lock(): void {
  for (const name of readdirSync(path.dirname(file))) chmodSync(path.join(path.dirname(file), name), 0o444);
  chmodSync(path.dirname(file), 0o555);
  chmodSync(directory, 0o755);
}

/** What a host on the file answers, asked by a process that may only read it. */
async function asked(): Promise<Record<string, unknown>> {
  const from = (name: string) => JSON.stringify(new URL(`../../src/${name}`, import.meta.url).href);
  const program = `
const { openNodeSqlite } = await import(${from('adapters/node-sqlite/index.ts')});
const { createHost } = await import(${from('engine/index.ts')});
const { inProcessLauncher } = await import(${from('testing/agents/index.ts')});
const database = await openNodeSqlite(${JSON.stringify(file)});
const host = await createHost({ database, agents: inProcessLauncher({ variant: 'amnesiac' }) });
const code = (promise) => promise.then(() => 'done', (error) => error.code ?? String(error));
const answers = {
  list: (await host.list()).sessions.map(({ sessionId, state }) => [sessionId, state]),
  get: (await host.get('s')).sessionId,
  history: (await host.history('s')).some(({ kind }) => kind === 'turn_ended'),
  ada: (await host.transcript('s')).includes('Ada'),
  preamble: (await host.previewPreamble('s')).length > 0,
  prompt: await code(host.prompt('s', 'hello')),
  create: await code(host.create({ agent: 'demo', cwd: '/project', sessionId: 'new' })),
  delete: await code(host.delete('s')),
  after: (await host.history('s')).length > 0,
};
await host.sleep();
await database.close();
process.stdout.write(JSON.stringify(answers));`;
  const node = [process.execPath, '--input-type=module', '-e', program];
  const [command = '', ...args] = root ? ['setpriv', ...NOBODY, ...node] : node;
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'], cwd: '/' });
  let text = '';
  child.stdout.on('data', (chunk) => (text += String(chunk)));
  expect(await once(child, 'exit')).toEqual([0, null]);
  return JSON.parse(text) as Record<string, unknown>;
}

const READ = { get: 's', history: true, ada: true, preamble: true, after: true };
const REFUSED = { prompt: 'storage_unavailable', create: 'storage_unavailable', delete: 'storage_unavailable' };
const files = () => readdirSync(path.dirname(file)).sort();

describe.skipIf(!possible)('a file, and a directory, that may not be written', () => {
  it('after its last writer closed it', async () => {
    lock();
    expect(await asked()).toEqual({ ...READ, ...REFUSED, list: [['s', 'asleep']] });
    expect(files()).toEqual(['sessions.sqlite']);
  });

  it('after its last writer was killed: with all that it had committed', async () => {
    const copy = new DatabaseSync(file);
    copy.exec('PRAGMA wal_autocheckpoint = 0');
    copy.exec(`UPDATE acp_sessions SET title_set = 'from the log'`);
    execFileSync('cp', [file, `${file}-wal`, directory]);
    copy.close();
    execFileSync('mv', [path.join(directory, 'sessions.sqlite'), path.join(directory, 'sessions.sqlite-wal'), path.dirname(file)]);
    lock();
    expect(await asked()).toEqual({ ...READ, ...REFUSED, list: [['s', 'asleep']] });
    expect(files()).toEqual(['sessions.sqlite', 'sessions.sqlite-wal']);
  });

  it('while another process has it open', async () => {
    const database = await openNodeSqlite(file);
    await database.batch([{ sql: `UPDATE acp_sessions SET title_set = 'now'` }]);
    lock();
    expect(await asked()).toMatchObject({ ...READ, ...REFUSED });
    chmodSync(path.dirname(file), 0o700);
    await database.close();
  });

  it('in a directory that may be written', async () => {
    lock();
    chmodSync(path.dirname(file), 0o777);
    expect(await asked()).toMatchObject({ ...READ, ...REFUSED });
  });
});

describe('readOnly', () => {
  it('reads, refuses to write by that name, and leaves a file that is not there alone', async () => {
    const database = await openNodeSqlite(file, { readOnly: true });
    expect(await database.query('SELECT session_id FROM acp_sessions')).toEqual([{ session_id: 's' }]);
    await expect(database.batch([{ sql: 'DELETE FROM acp_sessions' }])).rejects.toMatchObject({
      kind: 'readonly',
      code: 'storage_unavailable',
    });
    expect(await database.query('SELECT session_id FROM acp_sessions')).toEqual([{ session_id: 's' }]);
    await database.close();
    await expect(openNodeSqlite(path.join(directory, 'none', 'x.sqlite'), { readOnly: true })).rejects.toMatchObject({ kind: 'io' });
    expect(existsSync(path.join(directory, 'none'))).toBe(false);
  });

  it('a file that its owner made read-only is not made writable', async () => {
    chmodSync(file, 0o444);
    const database = await openNodeSqlite(file);
    await database.batch([{ sql: 'SELECT 1' }]).catch(() => undefined);
    await database.close();
    expect(execFileSync('ls', ['-l', file]).toString().slice(0, 10)).toBe('-r--------');
  });
});
