/** An IndexedDB that says no more: browsers have such days. */
import { afterEach, expect, it, vi } from 'vitest';
import { createHost } from '../../src/engine/index.ts';
import { inProcessLauncher } from '../../src/testing/agents/in-process.ts';
import { open, texts, withLog, insert, silenced } from './sql-sqljs-support.ts';
import { STORAGE_SILENT_MS } from '../../src/adapters/sqljs/index.ts';

afterEach(() => void vi.useRealTimers());
const timers = () => vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
/** Lets time go by until it has ended; fails when that takes longer than it may. */
async function ended<T>(work: Promise<T>): Promise<T> {
  const began = Date.now();
  let isOver = false;
  void work.finally(() => (isOver = true)).catch(() => undefined);
  for (let ms = 0; !isOver; ms += 500) {
    expect(ms, `after ${Date.now() - began} ms of the machine's time`).toBeLessThan(4 * STORAGE_SILENT_MS);
    await vi.advanceTimersByTimeAsync(500);
    await new Promise(setImmediate);
  }
  return work;
}
const refused = { kind: 'io', message: expect.stringContaining('Reload the page') as string };

it('I10: a batch that is neither stored nor refused ends in time, and so does all that waits behind it', async () => {
  const silent = { on: false };
  const database = await withLog({ indexedDB: silenced(silent) });
  timers();
  silent.on = true;
  const all = Promise.allSettled([database.batch([insert('a')]), database.batch([insert('b')])]);
  const read = texts(database);
  expect(await ended(all)).toMatchObject([{ reason: refused }, { reason: refused }]);
  expect(await read, 'what was stored before can be read').toEqual([]);
  await database.close();
});

it('I10: what is stored is waited for, and not without end', async () => {
  await (await withLog()).close();
  timers();
  const opening = open({ indexedDB: silenced({ on: true }, 'readonly') }).catch((error: unknown) => error);
  expect(await ended(opening)).toMatchObject(refused);
});

it('I1, I10: a prompt is not sent, and the host can be put to sleep', async () => {
  const silent = { on: false };
  const database = await open({ indexedDB: silenced(silent) });
  const host = await createHost({ database, agents: inProcessLauncher() });
  const { sessionId, latestSeq } = await host.create({ agent: 'a', cwd: '/' });
  timers();
  silent.on = true;
  const prompting = host.prompt(sessionId, 'hello').catch((error: unknown) => error);
  expect(await ended(prompting)).toMatchObject({ code: 'storage_unavailable' });
  expect((await host.get(sessionId)).latestSeq).toBe(latestSeq);
  await ended(host.sleep());
  await ended(database.close());
});
