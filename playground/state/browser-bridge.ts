/** The bridge as a page reaches it: found on the page's own server, and with lines that can be cut. */
import { listBridgeAgents, websocketLauncher, type WebSocketLauncherOptions } from '../../src/adapters/websocket/index.ts';
import type { AgentLauncher } from '../../src/engine/ports.ts';
import type { BridgeAccess, Platform } from './platform.ts';
import type { Droppable } from './tap.ts';

export function browserBridge(embedded: boolean): Platform['bridge'] {
  return {
    discover: () => (embedded ? Promise.resolve(null) : discoverBridge()),
    list: (access) => listBridgeAgents(access),
    launcher: (access) => droppableLauncher(access),
  };
}

/**
 * A socket that can be lost. A page has no way to lose one: it can only close it. So this side hears at once,
 * and without a word, what it would hear of a lost network (1006, and nothing that is still on its way), and
 * the bridge sees a socket that went while its agent ran. Nobody has asked the agent to end.
 */
class LosableSocket extends WebSocket {
  #lost = false;

  constructor(url: string, protocols: string[]) {
    super(url, protocols);
    for (const type of ['message', 'close', 'error']) {
      // The first listener: those of the launcher hear nothing that comes after the loss.
      this.addEventListener(type, (event) => {
        if (this.#lost && event.isTrusted) event.stopImmediatePropagation();
      });
    }
  }

  lose(): void {
    if (this.#lost) return;
    this.#lost = true;
    this.dispatchEvent(new CloseEvent('close', { code: 1006, reason: '', wasClean: false }));
    this.close();
  }
}

function droppableLauncher(access: BridgeAccess): AgentLauncher {
  return {
    async launch(spec, options) {
      const made: LosableSocket[] = [];
      class Socket extends LosableSocket {
        constructor(url: string, protocols: string[]) {
          super(url, protocols);
          made.push(this);
        }
      }
      const constructor = Socket as unknown as NonNullable<WebSocketLauncherOptions['WebSocket']>;
      const agent = await websocketLauncher({ ...access, WebSocket: constructor }).launch(spec, options);
      return Object.assign(agent, { drop: () => made[0]?.lose() }) satisfies Droppable;
    },
  };
}

/** Asks the page's own server for its bridge. Only a local server has one, so only a local page asks. */
async function discoverBridge(): Promise<BridgeAccess | 'locked' | null> {
  if (!['localhost', '127.0.0.1', '[::1]'].includes(location.hostname)) return null;
  let response: Response;
  try {
    response = await fetch('/__rehydrate/bridge.json', { cache: 'no-store' });
  } catch {
    // Offline, or a server that went away: the agents in the tab need neither.
    return null;
  }
  if (response.status === 401) return 'locked';
  if (!response.ok || !response.headers.get('content-type')?.includes('json')) return null;
  const { url, token } = (await response.json()) as { url?: unknown; token?: unknown };
  return typeof url === 'string' && typeof token === 'string' ? { url, token } : null;
}
