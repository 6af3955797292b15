import { IDBFactory, IDBKeyRange } from 'fake-indexeddb';
import initSqlJs from 'sql.js';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { copyAt, openDatabase } from '../../../src/adapters/sqljs/database.ts';
import { openIndexedDbStore } from '../../../src/adapters/sqljs/indexeddb.ts';
import type { JournalRecord } from '../../../src/adapters/sqljs/journal.ts';
import type { SqljsModule } from '../../../src/adapters/sqljs/module.ts';
import { pageOwners } from '../../../src/adapters/sqljs/owners.ts';
import { SqlError } from '../../../src/engine/ports.ts';
import { SharedDatabase, type TabMessage } from '../../../src/adapters/sqljs/tabs.ts';

/** Tabs whose death and messages the test decides. */
class Browser {
  readonly indexedDB = new IDBFactory();
  readonly tabs: Tab[] = [];
  #holder: { tab: Tab; broken: (error: Error) => void } | undefined;
  readonly #waiting: { tab: Tab; grant: () => void }[] = [];

  async open(module: SqljsModule, wait = true): Promise<Tab> {
    const tab = new Tab(this, module);
    this.tabs.push(tab);
    if (wait) await tab.database.started;
    return tab;
  }

  locksOf(tab: Tab): LockManager {
    const request = (_name: string, options: LockOptions, callback: LockGrantedCallback<unknown>): Promise<unknown> =>
      new Promise((resolve, reject) => {
        const grant = (): void => {
          const mine = { tab, broken: reject };
          this.#holder = mine;
          void Promise.resolve(callback(null)).then((value) => {
            if (this.#holder === mine) this.release(tab);
            resolve(value);
          }, reject);
        };
        options.signal?.addEventListener('abort', () => {
          const at = this.#waiting.findIndex((each) => each.grant === grant);
          if (at >= 0) this.#waiting.splice(at, 1);
          reject(new DOMException('aborted', 'AbortError'));
        });
        if (options.steal) {
          this.#holder?.broken(new DOMException('stolen', 'AbortError'));
          grant();
        } else if (this.#holder) this.#waiting.push({ tab, grant });
        else grant();
      });
    return { request } as unknown as LockManager;
  }

  release(tab: Tab): void {
    if (this.#holder?.tab !== tab) return;
    this.#holder = undefined;
    this.#waiting.shift()?.grant();
  }

  kill(tab: Tab): void {
    tab.dead = true;
    const rest = this.#waiting.filter((each) => each.tab !== tab);
    this.#waiting.splice(0, this.#waiting.length, ...rest);
    this.release(tab);
  }
}

class Tab {
  dead = false;
  /** Messages this tab sends that nobody ever gets. */
  lost: TabMessage['type'][] = [];
  /** Its storage does what it is asked (`stores`), or not, and does not answer. */
  silent: { stores: boolean } | null = null;
  readonly database: SharedDatabase;

  constructor(browser: Browser, module: SqljsModule) {
    const channel = {
      onmessage: null as ((event: { data: TabMessage }) => void) | null,
      postMessage: (message: TabMessage): void => {
        const data = structuredClone(message);
        if (this.dead || this.lost.includes(message.type)) return;
        for (const tab of browser.tabs) if (tab !== this) queueMicrotask(() => tab.dead || tab.#channel.onmessage?.({ data }));
      },
      close: () => undefined,
    };
    this.#channel = channel;
    const store = async () => {
      const inner = await openIndexedDbStore('tabs', browser.indexedDB);
      let isSilent = false;
      return {
        ...inner,
        get isSilent() {
          return isSilent;
        },
        append: async (record: JournalRecord) => {
          const how = this.silent;
          if (how?.stores !== false) await inner.append(record);
          if (!how) return;
          isSilent = true;
          throw new SqlError('io', 'it did not answer');
        },
      };
    };
    this.database = new SharedDatabase({
      name: 'tabs',
      lock: 'tabs',
      locks: browser.locksOf(this),
      channel: channel as unknown as BroadcastChannel,
      owners: pageOwners(),
      quietMs: 50,
      silentMs: 50,
      open: async () =>
        openDatabase({
          module,
          store: await store(),
          storage: { kind: 'indexeddb', name: 'tabs' },
          owners: pageOwners(),
          snapshotAfterBytes: 3_000,
          onProblem: () => undefined,
        }),
      openAt: async (n) => copyAt(module, await (await store()).load(), n, 'tabs'),
    });
  }

  readonly #channel: { onmessage: ((event: { data: TabMessage }) => void) | null };
}

let module: SqljsModule;
let browser: Browser;
beforeAll(async () => {
  globalThis.IDBKeyRange ??= IDBKeyRange;
  module = await initSqlJs();
});
beforeEach(() => {
  browser = new Browser();
});
afterEach(() => Promise.all(browser.tabs.filter((tab) => !tab.dead).map((tab) => tab.database.close())));

const add = { sql: 'UPDATE counter SET n = n + 1 RETURNING n' };
const count = async (tab: Tab): Promise<unknown> => (await tab.database.query('SELECT n FROM counter'))[0]!['n'];
const setUp = [{ sql: 'CREATE TABLE counter (n INTEGER NOT NULL) STRICT' }, { sql: 'INSERT INTO counter VALUES (0)' }];

describe('calls that were under way when their owner ended', () => {
  it('I5: a batch that was stored but never answered is answered by the next owner, with its rows, and not done again', async () => {
    const [owner, client] = [await browser.open(module), await browser.open(module)];
    await owner.database.batch(setUp);
    owner.lost = ['answer'];
    const told = new Promise((resolve) => owner.database.onCommit(resolve));
    const call = client.database.batch([add, add]);
    await told;
    browser.kill(owner);
    expect(await call).toEqual([{ rows: [{ n: 1 }] }, { rows: [{ n: 2 }] }]);
    expect([client.database.role, await count(client)]).toEqual(['owner', 2]);
  });

  it('I5: even when a snapshot has replaced the record of it', async () => {
    const [owner, client] = [await browser.open(module), await browser.open(module)];
    await owner.database.batch(setUp);
    owner.lost = ['answer'];
    const told = new Promise((resolve) => owner.database.onCommit(resolve));
    const call = client.database.batch([add]);
    await told;
    for (let i = 0; i < 60; i++) await owner.database.batch([add]);
    expect((await owner.database.journal()).base.n).toBeGreaterThan(2);
    browser.kill(owner);
    expect(await call).toEqual([{ rows: [{ n: 1 }] }]);
    expect(await count(client)).toBe(61);
  });

  it('a served tab reads the journal from a batch on, as the owner does', async () => {
    const [owner, client] = [await browser.open(module), await browser.open(module)];
    await owner.database.batch(setUp);
    await client.database.batch([add]);
    await owner.database.batch([add]);
    const numbers = async (from?: number) => (await client.database.journal(from)).entries.map(({ n }) => n);
    expect([await numbers(), await numbers(1), await numbers(3)]).toEqual([[1, 2, 3], [2, 3], []]);
    expect(await client.database.journal(1)).toEqual(await owner.database.journal(1));
  });

  it('a batch that never arrived is done once by the next owner', async () => {
    const [owner, client] = [await browser.open(module), await browser.open(module)];
    await owner.database.batch(setUp);
    client.lost = ['call'];
    const calls = [client.database.batch([add]), client.database.query('SELECT n FROM counter'), client.database.batch([add])] as const;
    client.lost = [];
    browser.kill(owner);
    expect(await calls[0]).toEqual([{ rows: [{ n: 1 }] }]);
    expect(await calls[1]).toEqual([{ n: 1 }]);
    expect(await calls[2]).toEqual([{ rows: [{ n: 2 }] }]);
  });

  it('an import and a reset are done once, too', async () => {
    const [owner, client, other] = [await browser.open(module), await browser.open(module), await browser.open(module)];
    await owner.database.batch([...setUp, add, add, add]);
    const bytes = await client.database.export();
    owner.lost = ['answer'];
    const told = new Promise((resolve) => owner.database.onCommit(resolve));
    const imported = client.database.importFile(bytes);
    await told;
    // Its answer is on the way, and gets lost.
    await new Promise((resolve) => setTimeout(resolve));
    owner.lost = [];
    await other.database.batch([add]);
    browser.kill(owner);
    await imported;
    expect(await count(other)).toBe(4);
  });

  it('are asked again of the next owner by a tab that is served by both', async () => {
    const [owner, second, client] = [await browser.open(module), await browser.open(module), await browser.open(module)];
    await owner.database.batch(setUp);
    owner.lost = ['answer'];
    const calls = [client.database.batch([add]), client.database.query('SELECT n FROM counter')] as const;
    await new Promise((resolve) => setTimeout(resolve));
    browser.kill(owner);
    expect([await calls[0], await calls[1]]).toEqual([[{ rows: [{ n: 1 }] }], [{ n: 1 }]]);
    expect([second.database.role, client.database.role]).toEqual(['owner', 'client']);
  });

  it('go to a third tab when the second ends as well', async () => {
    const [first, second, third] = [await browser.open(module), await browser.open(module), await browser.open(module)];
    await first.database.batch(setUp);
    first.lost = ['answer'];
    const call = third.database.batch([add]);
    browser.kill(first);
    browser.kill(second);
    expect(await call).toEqual([{ rows: [{ n: 1 }] }]);
    expect(third.database.role).toBe('owner');
  });
});

describe('an owner that keeps its lock and says nothing', () => {
  it('is taken over from, and what it still tries to store is refused and done by its successor', async () => {
    const [owner, client] = [await browser.open(module), await browser.open(module)];
    await owner.database.batch(setUp);
    const roles: string[] = [];
    owner.database.onRole((role) => roles.push(role));
    client.database.onRole((role) => roles.push(role));
    owner.lost = ['answer', 'owner', 'opening', 'commit'];
    const call = client.database.batch([add]);
    await call;
    owner.lost = [];
    expect(client.database.role).toBe('owner');
    expect((await owner.database.batch([add]))[0]!.rows).toEqual([{ n: 2 }]);
    expect([owner.database.role, await count(owner), await count(client)]).toEqual(['client', 2, 2]);
    expect(roles.sort()).toEqual(['client', 'owner']);
  });

  it('does not keep a tab from closing that lost its database with calls under way', async () => {
    const [owner, client] = [await browser.open(module), await browser.open(module)];
    await owner.database.batch(setUp);
    owner.lost = ['answer', 'owner', 'opening', 'commit'];
    await client.database.batch([add]);
    owner.lost = [];
    const late = owner.database.batch([add]);
    const closing = owner.database.close();
    expect((await late)[0]!.rows).toEqual([{ n: 2 }]);
    await closing;
    expect(await count(client)).toBe(2);
  });
});

describe('an owner whose storage is silent', () => {
  it.each([{ stores: false }, { stores: true }])(
    'leaves it to the tab that needs it, where the change is done once: %o',
    async (silent) => {
      const [owner, client] = [await browser.open(module), await browser.open(module)];
      await owner.database.batch(setUp);
      owner.silent = silent;
      expect((await client.database.batch([add]))[0]!.rows).toEqual([{ n: 1 }]);
      expect([client.database.role, owner.database.role, await count(owner)]).toEqual(['owner', 'client', 1]);
    },
  );

  it('reads on while no other tab is there, and lets go when one comes', async () => {
    const owner = await browser.open(module);
    await owner.database.batch(setUp);
    owner.silent = { stores: false };
    await expect(owner.database.batch([add])).rejects.toMatchObject({ kind: 'io' });
    expect([owner.database.role, await count(owner)]).toEqual(['owner', 0]);
    const next = await browser.open(module);
    expect((await next.database.batch([add]))[0]!.rows).toEqual([{ n: 1 }]);
    expect([next.database.role, await count(owner)]).toEqual(['owner', 1]);
  });
});

describe('endings', () => {
  it('where no lock can be had, every call says so', async () => {
    const request = () => Promise.reject(new DOMException('not here', 'SecurityError'));
    browser.locksOf = () => ({ request }) as unknown as LockManager;
    const tab = await browser.open(module, false);
    await expect(tab.database.started).rejects.toMatchObject({ kind: 'io', message: expect.stringContaining('not here') });
    await expect(tab.database.query('SELECT 1')).rejects.toMatchObject({ kind: 'io' });
  });

  it('a tab that cannot open what is stored says why at every call, and lets the others try', async () => {
    const first = await browser.open(module);
    await first.database.batch(setUp);
    await first.database.close();
    const opening = browser.indexedDB.open('tabs');
    await new Promise((resolve) => (opening.onsuccess = resolve));
    const spoiling = opening.result.transaction('journal', 'readwrite').objectStore('journal').put({ n: 1 });
    await new Promise((resolve) => (spoiling.onsuccess = resolve));
    opening.result.close();
    for (let i = 0; i < 2; i++) {
      const tab = await browser.open(module, false);
      await expect(tab.database.started).rejects.toMatchObject({ kind: 'corrupt' });
      await expect(tab.database.query('SELECT 1')).rejects.toMatchObject({ kind: 'corrupt' });
    }
  });

  it('closing waits for what was asked, in the owner and in a client', async () => {
    const [owner, client] = [await browser.open(module), await browser.open(module)];
    await owner.database.batch(setUp);
    const calls = [client.database.batch([add]), owner.database.batch([add])];
    await Promise.all([client.database.close(), owner.database.close()]);
    expect((await Promise.all(calls)).map(([result]) => result!.rows[0]!['n']).sort()).toEqual([1, 2]);
    await expect(client.database.query('SELECT 1')).rejects.toMatchObject({ kind: 'closed' });
    const next = await browser.open(module);
    expect(await count(next)).toBe(2);
  });

  it('a change stored by an owner that ended before telling of it is told by the next one', async () => {
    const [owner, client] = [await browser.open(module), await browser.open(module)];
    await owner.database.batch(setUp);
    const told: number[] = [];
    client.database.onCommit(({ n }) => told.push(n));
    owner.lost = ['commit', 'answer'];
    await owner.database.batch([add]);
    expect(told).toEqual([]);
    browser.kill(owner);
    expect(await count(client)).toBe(1);
    expect(told).toEqual([2]);
  });
});
