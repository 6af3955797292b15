/** The platform in a real browser: workers, storage and the address; databases and the bridge are in files of their own. */
import { workerLauncher } from '../../src/adapters/worker/index.ts';
import { agentStoreName, indexedDbStore } from '../../src/testing/agents/idb-store.ts';
import { AGENT_VARIANTS, VARIANT_DESCRIPTIONS, type AgentVariant } from '../../src/testing/agents/variants.ts';
import { browserBridge } from './browser-bridge.ts';
import { browserDatabases, sqlite } from './browser-database.ts';
import type { Platform, TabMessage } from './platform.ts';
import { readFile, runOnCopy } from './sql-console.ts';
import type { WorkerSource } from './worker-source.ts';

export interface BrowserOptions {
  readonly wasmUrl: string;
  readonly agentWorker: WorkerSource;
  readonly sqlWorker: WorkerSource;
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
    AGENT_VARIANTS.map((variant) => [
      variant,
      () => options.agentWorker.start(new URLSearchParams({ variant, store: storeOf(variant) }).toString()),
    ]),
  );
  const channel = embedded || !('BroadcastChannel' in globalThis) ? null : new BroadcastChannel(CHANNEL);
  // Kept once it is here, so that the console works offline too.
  const sqlParts = async (): Promise<ArrayBuffer> => {
    await options.sqlWorker.load();
    return sqlite(options);
  };
  return {
    ...browserDatabases(options),
    tabAgents: {
      load: () => options.agentWorker.load(),
      names: AGENT_VARIANTS,
      describe: (name) => VARIANT_DESCRIPTIONS[name as AgentVariant] ?? '',
      launcher: workerLauncher({ agents }),
      forget: async (name) => (await indexedDbStore(storeOf(name))).clear(),
    },
    bridge: browserBridge(embedded),
    runSql: async (bytes, sql) => runOnCopy({ wasm: await sqlParts(), bytes, sql }, () => options.sqlWorker.start()),
    readFile: async (bytes, onRows) => readFile({ wasm: await sqlParts(), bytes }, () => options.sqlWorker.start(), onRows),
    async loadRest() {
      await sqlParts();
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
