/** The platform in a real browser: IndexedDB, workers, the bridge over a WebSocket. */
import { openSharedSqljs, openSqljs, type SharedSqljsDatabase, type SqljsCopy, type SqljsDatabase } from '../../src/adapters/sqljs/index.ts';
import { listBridgeAgents, websocketLauncher } from '../../src/adapters/websocket/index.ts';
import { workerLauncher } from '../../src/adapters/worker/index.ts';
import { SqlError } from '../../src/engine/ports.ts';
import { agentStoreName, indexedDbStore } from '../../src/testing/agents/idb-store.ts';
import { AGENT_VARIANTS, VARIANT_DESCRIPTIONS, type AgentVariant } from '../../src/testing/agents/variants.ts';
import type { BridgeAccess, PastDatabase, Platform, PlaygroundDatabase, TabMessage } from './platform.ts';
import { runOnCopy } from './sql-console.ts';
import type { WorkerSource } from './worker-source.ts';

export interface BrowserOptions {
  readonly wasmUrl: string;
  readonly agentWorker: WorkerSource;
  readonly consoleWorker: WorkerSource;
  /** Keeps nothing and touches no address: for small playgrounds in prose. */
  readonly embedded: boolean;
}

const MEMORY_KEY = 'rehydrate-playground';
const CHANNEL = 'rehydrate-playground';

export function browserPlatform(options: BrowserOptions): Platform {
  const { embedded } = options;
  // Small playgrounds keep no session, but their agents must outlive their workers: a store apart from the page's.
  const storeOf = (variant: string): string => (embedded ? `rehydrate-embed-${variant}` : agentStoreName(variant as AgentVariant));
  const agents = Object.fromEntries(
    AGENT_VARIANTS.map((variant) => [variant, () => options.agentWorker.start(new URLSearchParams({ variant, store: storeOf(variant) }).toString())]),
  );
  const channel = embedded || !('BroadcastChannel' in globalThis) ? null : new BroadcastChannel(CHANNEL);
  // Kept once it is here, so that the console works offline too.
  const consoleParts = async (): Promise<ArrayBuffer> => {
    await options.consoleWorker.load();
    return sqlite(options);
  };
  return {
    openDatabase: (branch, bytes) => openDatabase(options, branch, bytes),
    openInMemory: (bytes, reason) => openInMemory(options, bytes, reason),
    async deleteDatabases(branches) {
      for (const branch of branches) {
        const database = await open(options, branch);
        await database.reset();
        await database.close();
        if (branch !== null) indexedDB.deleteDatabase(databaseName(branch));
      }
    },
    tabAgents: {
      load: () => options.agentWorker.load(),
      names: AGENT_VARIANTS,
      describe: (name) => VARIANT_DESCRIPTIONS[name as AgentVariant] ?? '',
      launcher: workerLauncher({ agents }),
      forget: async (name) => (await indexedDbStore(storeOf(name))).clear(),
    },
    bridge: {
      discover: () => (embedded ? Promise.resolve(null) : discoverBridge()),
      list: (access) => listBridgeAgents(access),
      launcher: (access) => websocketLauncher(access),
    },
    runSql: async (bytes, sql) => runOnCopy({ wasm: await consoleParts(), bytes, sql }, () => options.consoleWorker.start()),
    async loadRest() {
      await consoleParts();
    },
    memory: embedded ? memoryOfNothing() : pageMemory(),
    tabs: {
      send: (message) => channel?.postMessage(message),
      listen(listener) {
        const heard = (event: MessageEvent) => listener(event.data as TabMessage);
        channel?.addEventListener('message', heard);
        return () => channel?.removeEventListener('message', heard);
      },
    },
    address: {
      read: () => location.hash,
      write: (hash) => {
        if (embedded || location.hash === hash) return;
        history.replaceState(history.state, '', `${location.pathname}${location.search}${hash}`);
      },
    },
    schedule: nextFrame,
    download: saveFile,
    reload: () => location.reload(),
  };
}

/** The branch's IndexedDB; null is the main line. */
export function databaseName(branch: string | null): string {
  return branch === null ? 'rehydrate-playground' : `rehydrate-playground fork ${branch}`;
}

const fetched = new Map<string, Promise<ArrayBuffer>>();

/** SQLite as WebAssembly, fetched once for the database and the console. A failure is tried again when asked again. */
function sqlite({ wasmUrl }: BrowserOptions): Promise<ArrayBuffer> {
  const known = fetched.get(wasmUrl);
  if (known) return known;
  const fresh = fetch(wasmUrl).then((response) => {
    if (!response.ok) throw new Error(`The server answered ${response.status} for SQLite.`);
    return response.arrayBuffer();
  });
  fetched.set(wasmUrl, fresh);
  fresh.catch(() => fetched.delete(wasmUrl));
  return fresh;
}

/** One database for all tabs of the site: one of them owns it, and the others are served by it. */
async function open(options: BrowserOptions, branch: string | null): Promise<SqljsDatabase | SharedSqljsDatabase> {
  const wasmBinary = await sqlite(options);
  return options.embedded ? openSqljs({ wasmBinary }) : openSharedSqljs({ wasmBinary, storage: { indexedDB: databaseName(branch) } });
}

async function openDatabase(options: BrowserOptions, branch: string | null, bytes: Uint8Array | undefined): Promise<PlaygroundDatabase> {
  const database = await open(options, branch);
  if (bytes) await database.importFile(bytes);
  const { storage } = database;
  return bound(database, storage.kind === 'memory' && storage.reason !== undefined ? storage.reason : null);
}

/** What goes on when the browser’s store is full: the same rows, for as long as the page lives. */
async function openInMemory(options: BrowserOptions, bytes: Uint8Array, reason: string): Promise<PlaygroundDatabase> {
  const database = await openSqljs({ wasmBinary: await sqlite(options) });
  await database.importFile(bytes);
  return bound(database, reason);
}

function bound(database: SqljsDatabase | SharedSqljsDatabase, warning: string | null): PlaygroundDatabase {
  return {
    ...(database.owners ? { owners: database.owners } : {}),
    query: (sql, params) => database.query(sql, params),
    batch: (statements) => database.batch(statements),
    close: () => database.close(),
    journal: () => database.journal(),
    export: () => database.export(),
    openAt: async (n) => past(await database.openAt(n)),
    onCommit: (listener) => database.onCommit(() => listener()),
    onRole(listener) {
      if (!('onRole' in database)) return () => undefined;
      listener(database.role);
      return database.onRole(listener);
    },
    warning,
  };
}

/** A copy from the past as an engine database that refuses to be written. */
function past(copy: SqljsCopy): PastDatabase {
  return {
    query: async (sql, params) => copy.query(sql, params),
    batch: () => Promise.reject(new SqlError('readonly', 'This is a moment of the past: it can be read, and not be changed.')),
    export: async () => copy.export(),
    close: async () => copy.close(),
  };
}

/** Asks the page's own server for its bridge. Only a local server has one, so only a local page asks. */
async function discoverBridge(): Promise<BridgeAccess | null> {
  if (!['localhost', '127.0.0.1', '[::1]'].includes(location.hostname)) return null;
  let response: Response;
  try {
    response = await fetch('/__rehydrate/bridge.json', { cache: 'no-store' });
  } catch {
    // Offline, or a server that went away: the agents in the tab need neither.
    return null;
  }
  if (!response.ok || !response.headers.get('content-type')?.includes('json')) return null;
  const { url, token } = (await response.json()) as { url?: unknown; token?: unknown };
  return typeof url === 'string' && typeof token === 'string' ? { url, token } : null;
}

function pageMemory(): Platform['memory'] {
  const guarded = <T>(run: () => T, otherwise: T): T => {
    try {
      return run();
    } catch {
      // Storage is denied to this page: choices then last as long as the page.
      return otherwise;
    }
  };
  return {
    read: () => guarded(() => localStorage.getItem(MEMORY_KEY), null),
    write: (text) => guarded(() => localStorage.setItem(MEMORY_KEY, text), undefined),
    clear: () => guarded(() => localStorage.removeItem(MEMORY_KEY), undefined),
  };
}

function memoryOfNothing(): Platform['memory'] {
  return { read: () => null, write: () => undefined, clear: () => undefined };
}

/** Before the next frame; in a tab that is not drawn, soon all the same. */
function nextFrame(run: () => void): void {
  let done = false;
  const once = () => {
    if (done) return;
    done = true;
    clearTimeout(timer);
    run();
  };
  const timer = setTimeout(once, 250);
  requestAnimationFrame(once);
}

function saveFile(name: string, bytes: Uint8Array): void {
  const url = URL.createObjectURL(new Blob([bytes as Uint8Array<ArrayBuffer>], { type: 'application/vnd.sqlite3' }));
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
