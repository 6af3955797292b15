/** `session/load` from somewhere else: a session stays in its directory, unless that is gone. */
import { afterEach, expect, it } from 'vitest';
import { openNodeSqlite } from '../../../src/adapters/node-sqlite/index.ts';
import { createHost } from '../../../src/engine/index.ts';
import { serveAcp } from '../../../src/server/index.ts';
import { inProcessLauncher } from '../../../src/testing/agents/index.ts';
import { pair } from '../../support/pair.ts';
import { INITIALIZE, rawClient } from '../../unit/agents/raw-client.ts';
import { PATIENT } from '../engine/helpers.ts';

let stop: () => Promise<void> = async () => undefined;
afterEach(() => stop());

it('is refused in words while the old directory is there, and moves the session when it is not; an observer may look from anywhere', async () => {
  const there = new Set(['/old', '/new']);
  const database = await openNodeSqlite(':memory:');
  const host = await createHost({
    database,
    agents: inProcessLauncher(),
    limits: PATIENT,
    directoryExists: (path) => there.has(path),
    sameDirectory: (a, b) => a.replace(/\/$/, '') === b.replace(/\/$/, ''),
  });
  stop = async () => {
    await host.sleep();
    await database.close();
  };
  const connect = async (observe = false) => {
    const { client, server } = pair();
    serveAcp(host, server, { agent: 'demo', observe });
    const raw = rawClient(client);
    await raw.request('initialize', INITIALIZE);
    return raw;
  };
  const client = await connect();
  const { sessionId } = (await client.request('session/new', { cwd: '/old', mcpServers: [] })).result;
  const load = (cwd: string, by = client) => by.request('session/load', { sessionId, cwd, mcpServers: [] });

  const { error } = await load('/new');
  expect(error).toMatchObject({ code: -32602, data: { code: 'invalid_argument', sessionId, cwd: '/old' } });
  expect(error.message).toContain('works in /old');
  expect((await load('/new', await connect(true))).error).toBeUndefined();
  expect((await load('/old/')).error).toBeUndefined();

  const also = async (more: object) => {
    expect((await client.request('session/resume', { sessionId, cwd: '/old', ...more })).error).toBeUndefined();
    return (await host.get(sessionId)).additionalDirectories;
  };
  expect(await also({ additionalDirectories: ['/more'] })).toEqual(['/more']);
  expect(await also({})).toEqual(['/more']);
  expect(await also({ additionalDirectories: [] })).toEqual([]);
  const wrong = await client.request('session/load', { sessionId, cwd: '/old', mcpServers: [], additionalDirectories: ['more'] });
  expect(wrong.error).toMatchObject({ code: -32602, data: { code: 'invalid_argument' } });

  // A fork, too, has what its client names.
  const http = { type: 'http', name: 'search', url: 'http://search.example/', headers: [{ name: 'Key', value: 'k' }] };
  const fork = (more: object) => client.request('session/fork', { sessionId, cwd: '/old', ...more });
  const made = (await fork({ mcpServers: [http], additionalDirectories: ['/more'] })).result.sessionId;
  expect(await host.get(made)).toMatchObject({ mcpServers: [{ name: 'search' }], additionalDirectories: ['/more'] });
  const { sessions } = await host.list();
  expect((await fork({ additionalDirectories: ['more'] })).error).toMatchObject({ data: { code: 'invalid_argument' } });
  expect((await host.list()).sessions).toHaveLength(sessions.length);

  there.delete('/old');
  expect((await load('/new')).error).toBeUndefined();
  expect((await host.get(sessionId)).cwd).toBe('/new');
});
