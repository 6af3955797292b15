/** A platform for the playground's store without a browser: real engine, real agents, sql.js in memory. */
import initSqlJs from 'sql.js';
import { openSqljs, type SqljsDatabase, type SqljsModule } from '../../../src/adapters/sqljs/index.ts';
import { SqlError, type OwnerRegistry } from '../../../src/engine/ports.ts';
import {
  AGENT_VARIANTS,
  inProcessLauncher,
  memoryStore,
  VARIANT_DESCRIPTIONS,
  type AgentVariant,
  type SessionStore,
} from '../../../src/testing/agents/index.ts';
import { readForeignFile } from '../../../playground/platform/import-file.ts';
import type { Platform, TabMessage } from '../../../playground/platform/index.ts';

const HOSTS = new Set<string>();
/** As the tabs of a browser, where a host that is gone is known to be. */
const OWNERS: OwnerRegistry = {
  self: { kind: 'page', lock: 'tests' },
  opened: (hostId) => void HOSTS.add(hostId),
  closed: (hostId) => void HOSTS.delete(hostId),
  alive: ({ hostId }) => HOSTS.has(hostId),
};

/** A database that stays when the page that has it open is closed, as a browser keeps it. */
function opened(kept: SqljsDatabase): SqljsDatabase {
  const refuse = () => Promise.reject(new SqlError('closed', 'It was closed.'));
  const database: SqljsDatabase = {
    owners: OWNERS,
    storage: { kind: 'indexeddb', name: 'tests' },
    role: 'owner',
    onRole: () => () => undefined,
    query: (sql, params) => kept.query(sql, params),
    batch: (statements) => kept.batch(statements),
    journal: (after) => kept.journal(after),
    openAt: (n) => kept.openAt(n),
    export: () => kept.export(),
    importFile: (bytes) => kept.importFile(bytes),
    reset: () => kept.reset(),
    onCommit: (listener) => kept.onCommit(listener),
    async close() {
      Object.assign(database, { query: refuse, batch: refuse, journal: refuse, openAt: refuse, export: refuse });
    },
  };
  return database;
}

async function fresh(bytes: Uint8Array | null | undefined): Promise<SqljsDatabase> {
  const database = await openSqljs({ module });
  if (bytes) await database.importFile(bytes);
  return database;
}

/** A file as the page's Import button gives it. */
export const chosen = (bytes: Uint8Array, name = 'ada.sqlite') => ({ name, size: bytes.length, bytes: async () => bytes });

/** A SQLite file made by these statements. */
export async function fileOf(...statements: string[]): Promise<Uint8Array> {
  const database = await fresh(null);
  await database.batch(statements.map((sql) => ({ sql })));
  return database.export();
}

const module: Promise<SqljsModule> = initSqlJs();

export interface TestPlatform extends Platform {
  readonly sent: TabMessage[];
  readonly downloads: Uint8Array[];
  hash: string;
  stored: string | null;
  reloads: number;
  /** What a browser keeps between two pages of one origin. */
  readonly branches: Map<string | null, SqljsDatabase>;
}

/** A second platform made from the first is a reloaded page: databases, agents and memory are as they were. */
export function testPlatform(before?: TestPlatform): TestPlatform {
  const stores = (before as { stores?: Map<string, SessionStore> } | undefined)?.stores ?? new Map<string, SessionStore>();
  const storeOf = (name: string): SessionStore => {
    if (!stores.has(name)) stores.set(name, memoryStore());
    return stores.get(name)!;
  };
  const branches = before?.branches ?? new Map<string | null, SqljsDatabase>();
  const platform: TestPlatform & { stores: typeof stores } = {
    stores,
    branches,
    sent: [],
    downloads: [],
    hash: before?.hash ?? '',
    stored: before?.stored ?? null,
    reloads: 0,
    async openDatabase(branch, bytes) {
      if (bytes || !branches.has(branch)) branches.set(branch, await fresh(bytes));
      return opened(branches.get(branch)!);
    },
    openInMemory: async () => Object.assign(opened(await fresh(null)), { storage: { kind: 'memory' } }),
    salvage: async (branch) => ({ bytes: await branches.get(branch)!.export(), problem: null }),
    deleteDatabase: async (branch) => void branches.delete(branch),
    loadRest: async () => undefined,
    tabAgents: {
      load: async () => undefined,
      names: AGENT_VARIANTS,
      describe: (name) => VARIANT_DESCRIPTIONS[name as AgentVariant],
      launcher: {
        launch: (spec, options) =>
          inProcessLauncher({ variant: spec.agent as AgentVariant, store: storeOf(spec.agent) }).launch(spec, options),
      },
      forget: (name) => storeOf(name).clear(),
    },
    bridge: {
      discover: async () => null,
      list: async () => [],
      launcher: () => ({ launch: () => Promise.reject(new Error('no bridge here')) }),
    },
    readFile: async (bytes) => readForeignFile(await initSqlJs(), bytes),
    runSql: async () => ({ kind: 'rows', columns: [], rows: [], total: 0, ms: 0 }),
    memory: {
      read: () => platform.stored,
      write: (text) => (platform.stored = text),
      clear: () => (platform.stored = null),
    },
    tabs: { send: (message) => platform.sent.push(message), listen: () => () => undefined },
    address: { read: () => platform.hash, write: (hash) => (platform.hash = hash), leave: () => undefined },
    schedule: (run) => void setTimeout(run, 1),
    download: (_name, bytes) => void platform.downloads.push(bytes),
    reload: () => (platform.reloads += 1),
  };
  return platform;
}
