/** The agents' stores: the same promises in memory, on disk and in IndexedDB. */
import 'fake-indexeddb/auto';
import { appendFileSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { agentStoreName, indexedDbStore } from '../../../src/testing/agents/idb-store.ts';
import { directoryStore } from '../../../src/testing/agents/node-store.ts';
import { memoryStore } from '../../../src/testing/agents/store.ts';
import type { SessionStore, StoredEntry } from '../../../src/testing/agents/store.ts';

const scratch = mkdtempSync(path.join(os.tmpdir(), 'rehydrate-stores-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

let opened = 0;
const STORES: Readonly<Record<string, () => SessionStore | Promise<SessionStore>>> = {
  memory: memoryStore,
  directory: () => directoryStore(path.join(scratch, String((opened += 1)))),
  IndexedDB: () => indexedDbStore(`store-${(opened += 1)}`),
};

const head = (sessionId: string) => ({ sessionId, cwd: '/w', title: null, updatedAt: 1 });
const entry = (text: string): StoredEntry => ({ type: 'agent', messageId: text, text });

it('memory: a session of any length is written at once, as a fork is', async () => {
  const store = memoryStore();
  await store.put(head('a'));
  await store.append(
    'a',
    Array.from({ length: 300_000 }, () => entry('x')),
  );
  expect((await store.get('a'))?.entries).toHaveLength(300_000);
});

describe.each(Object.keys(STORES))('%s', (name) => {
  const open = STORES[name] as (typeof STORES)[string];

  it('keeps heads and entries in order, changes heads, and forgets what is deleted', async () => {
    const store = await open();
    await store.put(head('a'));
    await store.put(head('b/../c é'));
    await store.append('a', [entry('1'), entry('2')]);
    await store.append('b/../c é', [entry('x')]);
    await store.append('a', [entry('3')]);
    await store.put({ ...head('a'), title: 'Named' });
    expect(await store.get('a')).toEqual({ ...head('a'), title: 'Named', entries: [entry('1'), entry('2'), entry('3')] });
    expect((await store.list()).map((each) => each.sessionId)).toEqual(['a', 'b/../c é']);
    await store.delete('a');
    expect(await store.get('a')).toBeNull();
    expect(await store.get('b/../c é')).toMatchObject({ entries: [entry('x')] });
  });

  it('keeps flags, and clears everything', async () => {
    const store = await open();
    expect(await store.flag('authenticated')).toBe(false);
    await store.setFlag('authenticated', true);
    expect(await store.flag('authenticated')).toBe(true);
    await store.setFlag('authenticated', false);
    expect(await store.flag('authenticated')).toBe(false);
    await store.setFlag('authenticated', true);
    await store.put(head('a'));
    await store.clear();
    expect([await store.flag('authenticated'), await store.get('a'), await store.list()]).toEqual([false, null, []]);
  });
});

describe('on disk', () => {
  it('is private, and a line cut off by a crash harms no other', async () => {
    const directory = path.join(scratch, 'torn');
    const store = directoryStore(directory);
    await store.put(head('a'));
    await store.append('a', [entry('1')]);
    appendFileSync(path.join(directory, 'sessions.jsonl'), '\n{"entry":{"type":"age');
    await store.append('a', [entry('2')]);
    expect((await directoryStore(directory).get('a'))?.entries).toEqual([entry('1'), entry('2')]);
    expect(readdirSync(directory)).toEqual(['sessions.jsonl']);
    expect((statSync(directory).mode & 0o777).toString(8)).toBe('700');
  });

  it('a directory deleted under it loses the sessions and nothing else', async () => {
    const directory = path.join(scratch, 'deleted');
    const store = directoryStore(directory);
    await store.put(head('a'));
    rmSync(directory, { recursive: true });
    expect([await store.get('a'), await store.list()]).toEqual([null, []]);
    await store.put(head('b'));
    expect((await store.list()).length).toBe(1);
  });
});

describe('in a browser', () => {
  it('a second opening of the same name sees what the first wrote; clearing works while it is open', async () => {
    const one = await indexedDbStore(agentStoreName('native'));
    await one.put(head('a'));
    const two = await indexedDbStore(agentStoreName('native'));
    expect(await two.get('a')).not.toBeNull();
    await two.clear();
    expect([await one.get('a'), await two.list()]).toEqual([null, []]);
  });
});
