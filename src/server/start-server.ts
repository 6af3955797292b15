/**
 * Serves one host to many clients of one machine. They come through a door, which turns connections into message streams: `streamDoor` of
 * `acp-rehydrate/bridge` does so for WebSockets.
 */
import type { Host, MessageStream } from '../engine/index.ts';
import { checkOptions } from '../engine/check-options.ts';
import { RehydrateError } from '../engine/errors.ts';
import { within } from '../engine/waiting.ts';
import { withLimits } from '../engine/with-limits.ts';
import { ACP_SERVER_LIMITS } from './limits.ts';
import { serveAcp, type AcpServing, type ServeAcpOptions } from './serve-acp.ts';

/** The subprotocols of clients: `acp.v1` to use sessions, `observe.v1` to only look. */
export const SERVER_SUBPROTOCOLS = ['acp.v1', 'observe.v1'] as const;

/** How long a server that is closing waits for clients to read their answers. */
const GOODBYE_MS = 1_000;

/** A client that the door has let in. */
export interface ServerClient {
  /** The agent it asked for. */
  readonly agent: string;
  readonly subprotocol: string;
  readonly stream: MessageStream;
}

/** Opens a door for these agents and subprotocols. `connect` is called for each client that is let in. */
export type OpenServerDoor = (
  asks: { readonly agents: readonly string[]; readonly subprotocols: readonly string[] },
  connect: (client: ServerClient) => void,
) => Promise<ServerDoor>;

export interface ServerDoor {
  readonly url: string;
  readonly token: string;
  /** Lets nobody in any more, and closes all connections. */
  close(): Promise<void>;
}

export interface ServerOptions {
  readonly door: OpenServerDoor;
  /** The agents that clients may ask for, by their names in the host. */
  readonly agents: readonly string[];
  readonly env?: ServeAcpOptions['env'] | undefined;
  readonly limits?: ServeAcpOptions['limits'] | undefined;
}

export interface Server {
  /** An agent is at `{url}/agents/NAME`. */
  readonly url: string;
  readonly token: string;
  readonly agents: readonly string[];
  /** Cancels every running turn, waits until they end (at most the host's `cancelGraceMs`), and closes the door. The host stays awake. */
  close(): Promise<void>;
}

/**
 * Opens the door and serves the clients that come.
 *
 * @example
 * const server = await startServer(host, { agents: ['claude'], door: streamDoor({ allowMissingOrigin: true }) });
 */
export async function startServer(host: Host, options: ServerOptions): Promise<Server> {
  checkOptions('startServer', options, ['door', 'agents', 'env', 'limits'], ['door', 'agents']);
  const { agents, door: open, env } = options;
  const limits = withLimits(ACP_SERVER_LIMITS, options.limits);
  const clients = new Set<AcpServing>();
  const door = await open({ agents, subprotocols: SERVER_SUBPROTOCOLS }, ({ agent, subprotocol, stream }) => {
    const client = serveAcp(host, stream, { agent, observe: subprotocol === 'observe.v1', env, limits });
    clients.add(client);
    void client.closed.then(() => clients.delete(client));
  });
  return {
    url: door.url,
    token: door.token,
    agents,
    async close() {
      try {
        await cancelTurns(host);
        const answered = Promise.all([...clients].map((client) => client.idle()));
        await within(answered, GOODBYE_MS);
      } finally {
        await door.close();
      }
    },
  };
}

async function cancelTurns(host: Host): Promise<void> {
  const cancelling: Promise<void>[] = [];
  let cursor: string | undefined;
  do {
    const { sessions, nextCursor } = await host.list({ cursor });
    for (const { sessionId, state } of sessions) if (state === 'prompting') cancelling.push(host.cancel(sessionId).catch(unlessElsewhere));
    cursor = nextCursor;
  } while (cursor !== undefined);
  await Promise.all(cancelling);
}

/** A turn that another host runs goes on there, and a session that was deleted meanwhile has none. */
function unlessElsewhere(error: unknown): void {
  if (!RehydrateError.is(error) || !['session_busy', 'session_not_found'].includes(error.code)) throw error;
}
