/** The platform in a real browser. */
import { listBridgeAgents, websocketLauncher, type WebSocketLauncherOptions } from '../../src/adapters/websocket/index.ts';
import { workerLauncher } from '../../src/adapters/worker/index.ts';
import type { AgentLauncher } from '../../src/engine/ports.ts';
import { agentStoreName, indexedDbStore } from '../../src/testing/agents/idb-store.ts';
import { AGENT_VARIANTS, VARIANT_DESCRIPTIONS, type AgentVariant } from '../../src/testing/agents/variants.ts';
import agentWorkerUrl from '../agent.worker.ts?worker&url';
import { browserDatabases, sqlite } from './browser-database.ts';
import type { BridgeAccess, Platform, TabMessage } from './index.ts';
import { readFile, runOnCopy } from './sql-console.ts';
import sqlWorkerUrl from './sql.worker.ts?worker&url';

/** A worker's script, kept in the page so that agents start at once and offline. */
function workerSource(url: string) {
  // A development server's script has imports, which need its address.
  const isModule = import.meta.env.DEV;
  let blob: string | null = null;
  return {
    async load(): Promise<void> {
      if (isModule || blob) return;
      const response = await fetch(url);
      if (!response.ok) throw new Error(`The server answered ${response.status} for the agents’ script.`);
      blob = URL.createObjectURL(new Blob([await response.text()], { type: 'text/javascript' }));
    },
    start: (name = ''): Worker => new Worker(blob ?? url, { name, type: isModule ? 'module' : 'classic' }),
  };
}

const agentWorker = workerSource(agentWorkerUrl);
const sqlWorker = workerSource(sqlWorkerUrl);

/** Of its storage and its channel. */
const NAME = 'rehydrate-playground';

/** `embedded`: keeps nothing and touches no address. */
export function browserPlatform(embedded: boolean): Platform {
  // The agents of small playgrounds must outlive their workers, too.
  const storeOf = (variant: string): string => (embedded ? `rehydrate-embed-${variant}` : agentStoreName(variant as AgentVariant));
  const agents = Object.fromEntries(
    AGENT_VARIANTS.map((variant) => [
      variant,
      () => agentWorker.start(new URLSearchParams({ variant, store: storeOf(variant) }).toString()),
    ]),
  );
  const channel = embedded || !('BroadcastChannel' in globalThis) ? null : new BroadcastChannel(NAME);
  // Kept, so that the console works offline.
  const sqlParts = async () => {
    await sqlWorker.load();
    const { default: glue } = await import('./sqlite-glue.ts');
    return { glue: glue.url, wasm: await sqlite() };
  };
  return {
    ...browserDatabases(embedded),
    tabAgents: {
      load: () => agentWorker.load(),
      names: AGENT_VARIANTS,
      describe: (name) => VARIANT_DESCRIPTIONS[name as AgentVariant] ?? '',
      launcher: workerLauncher({ agents }),
      forget: async (name) => (await indexedDbStore(storeOf(name))).clear(),
    },
    bridge: {
      discover: async () => (embedded ? null : discoverBridge()),
      list: listBridgeAgents,
      launcher: droppableLauncher,
    },
    runSql: async (bytes, sql) => runOnCopy({ ...(await sqlParts()), bytes, sql }, () => sqlWorker.start()),
    readFile: async (bytes) => readFile({ ...(await sqlParts()), bytes }, () => sqlWorker.start()),
    async loadRest() {
      await sqlParts();
      if (!embedded && !import.meta.env.DEV) await keepForReload();
    },
    memory: embedded ? { read: () => null, write: () => undefined, clear: () => undefined } : pageMemory(),
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
      leave: () => history.pushState(history.state, '', location.href),
    },
    schedule: nextFrame,
    download: saveFile,
    reload: () => location.reload(),
  };
}

/** Gives the service worker what the page is made of; older parts go. */
async function keepForReload(): Promise<void> {
  if (!('serviceWorker' in navigator)) return;
  await navigator.serviceWorker.register(new URL('sw.js', location.href));
  const parts = performance.getEntriesByType('resource').map(({ name }) => new URL(name));
  const ours = [new URL(location.pathname, location.href), ...parts].filter(
    ({ origin, pathname }) => origin === location.origin && !pathname.startsWith('/__rehydrate/'),
  );
  const { active } = await navigator.serviceWorker.ready;
  active?.postMessage([...new Set(ours.map(({ href }) => href))]);
}

function pageMemory(): Platform['memory'] {
  const guarded = <T>(run: () => T): T | null => {
    try {
      return run();
    } catch {
      // Storage is denied: choices last as long as the page.
      return null;
    }
  };
  return {
    read: () => guarded(() => localStorage.getItem(NAME)),
    write: (text) => void guarded(() => localStorage.setItem(NAME, text)),
    clear: () => void guarded(() => localStorage.removeItem(NAME)),
  };
}

/** Before the next frame, or soon in a tab that is not drawn. */
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

// ---- the bridge

/** Sockets that the page can close under their agents: the bridge sees one that went while its agent ran. */
const droppableLauncher = (access: BridgeAccess): AgentLauncher => ({
  async launch(spec, options) {
    let drop = (): void => undefined;
    class Droppable extends WebSocket {
      constructor(url: string, protocols: string[]) {
        super(url, protocols);
        drop = () => this.close();
      }
    }
    const constructor = Droppable as unknown as NonNullable<WebSocketLauncherOptions['WebSocket']>;
    const agent = await websocketLauncher({ ...access, WebSocket: constructor }).launch(spec, options);
    return { ...agent, drop: () => drop() };
  },
});

/** Only a local server has a bridge, so only a local page asks. */
async function discoverBridge(): Promise<BridgeAccess | 'locked' | null> {
  if (!['localhost', '127.0.0.1', '[::1]'].includes(location.hostname)) return null;
  let response: Response;
  try {
    response = await fetch('/__rehydrate/bridge.json', { cache: 'no-store' });
  } catch {
    // The agents in the tab need no server.
    return null;
  }
  if (response.status === 401) return 'locked';
  if (!response.ok || !response.headers.get('content-type')?.includes('json')) return null;
  const { url, token } = (await response.json()) as { url?: unknown; token?: unknown };
  return typeof url === 'string' && typeof token === 'string' ? { url, token } : null;
}
