/** A platform for the playground's store without a browser: real engine, real agents, `node:sqlite` in memory. */
import { openNodeSqlite } from '../../../src/adapters/node-sqlite/index.ts';
import type { SqlDatabase } from '../../../src/engine/ports.ts';
import {
  AGENT_VARIANTS,
  inProcessLauncher,
  memoryStore,
  VARIANT_DESCRIPTIONS,
  type AgentVariant,
  type SessionStore,
} from '../../../src/testing/agents/index.ts';
import type { Commit, Platform, PlaygroundDatabase, TabMessage } from '../../../playground/state/platform.ts';

/** Statements replayed from a journal: the same idea as the sql.js adapter's, held in memory. */
async function journalled(commits: Commit[]): Promise<PlaygroundDatabase> {
  const database = await replay(commits);
  const listeners = new Set<() => void>();
  return {
    ...(database.owners ? { owners: database.owners } : {}),
    query: (sql, params) => database.query(sql, params),
    async batch(statements) {
      const results = await database.batch(statements);
      commits.push({ n: commits.length + 1, at: Date.now(), statements });
      for (const listener of listeners) listener();
      return results;
    },
    close: () => database.close(),
    onCommit(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    journal: async (after = 0) => ({ base: { n: 0, at: 0 }, entries: commits.filter(({ n }) => n > after) }),
    openAt: async (n) => {
      const past = commits.filter((commit) => commit.n <= n);
      return Object.assign(await replay(past), { export: async () => encode(past) });
    },
    export: async () => encode(commits),
    onRole: () => () => undefined,
    async replace(bytes) {
      commits.splice(0, commits.length, ...decode(bytes));
    },
    durable: true,
    warning: null,
  };
}

async function replay(commits: readonly Commit[]): Promise<SqlDatabase> {
  const database = await openNodeSqlite(':memory:');
  for (const commit of commits) await database.batch(commit.statements);
  return database;
}

/** The “file” of this platform is its journal, behind the header a SQLite file has. */
const encode = (commits: readonly Commit[]): Uint8Array => new TextEncoder().encode(`SQLite format 3\0${JSON.stringify(commits)}`);
const decode = (bytes: Uint8Array): Commit[] => JSON.parse(new TextDecoder().decode(bytes).slice(16)) as Commit[];

export interface TestPlatform extends Platform {
  readonly sent: TabMessage[];
  readonly downloads: Uint8Array[];
  hash: string;
  stored: string | null;
  reloads: number;
  /** What a browser keeps between two pages of one origin. */
  readonly branches: Map<string | null, Commit[]>;
}

/** A second platform made from the first is a reloaded page: databases, agents and memory are as they were. */
export function testPlatform(before?: TestPlatform): TestPlatform {
  const stores = (before as { stores?: Map<string, SessionStore> } | undefined)?.stores ?? new Map<string, SessionStore>();
  const storeOf = (name: string): SessionStore => {
    if (!stores.has(name)) stores.set(name, memoryStore());
    return stores.get(name)!;
  };
  const branches = before?.branches ?? new Map<string | null, Commit[]>();
  const platform: TestPlatform & { stores: typeof stores } = {
    stores,
    branches,
    sent: [],
    downloads: [],
    hash: before?.hash ?? '',
    stored: before?.stored ?? null,
    reloads: 0,
    async openDatabase(branch, bytes) {
      if (bytes) branches.set(branch, decode(bytes));
      if (!branches.has(branch)) branches.set(branch, []);
      return journalled(branches.get(branch)!);
    },
    openInMemory: async (bytes, reason) => Object.assign(await journalled(bytes ? decode(bytes) : []), { durable: false, warning: reason }),
    salvage: async (branch) => ({ bytes: encode(branches.get(branch) ?? []), problem: null }),
    async deleteDatabases(names) {
      for (const name of names) branches.delete(name);
    },
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
    runSql: async () => ({ kind: 'rows', columns: [], rows: [], total: 0, ms: 0 }),
    memory: {
      read: () => platform.stored,
      write: (text) => (platform.stored = text),
      clear: () => (platform.stored = null),
    },
    tabs: { send: (message) => platform.sent.push(message), listen: () => () => undefined },
    address: { read: () => platform.hash, write: (hash) => (platform.hash = hash) },
    schedule: (run) => void setTimeout(run, 1),
    download: (_name, bytes) => void platform.downloads.push(bytes),
    reload: () => (platform.reloads += 1),
  };
  return platform;
}
