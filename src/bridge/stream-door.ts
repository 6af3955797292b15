/** A door that gives each client to a server as a stream of messages. */
import path from 'node:path';
import { checkOptions } from '../engine/check-options.ts';
import type { MessageStream } from '../engine/ports.ts';
import { openDoor } from './door.ts';
import { type Door, DOOR_OPTIONS, type DoorOptions } from './options.ts';
import { streamConnection } from './stream-connection.ts';

/** The options of a door, except agents and subprotocols, which the server decides. */
export interface StreamDoorOptions extends Omit<DoorOptions, 'agents' | 'subprotocols'> {
  /** The cwd that `GET /agents` gives for every agent. Default: the process's own. */
  readonly cwd?: string | undefined;
}

/**
 * A `door` for `startServer` of `acp-rehydrate/server`: WebSockets, let in by the bridge's policy.
 *
 * @example
 * const server = await startServer(host, { agents: ['mine'], door: streamDoor({ allowMissingOrigin: true }) });
 */
export function streamDoor(given: StreamDoorOptions) {
  checkOptions('streamDoor', given, [...DOOR_OPTIONS, 'cwd'], []);
  const { cwd = '.', ...options } = given;
  return (
    asks: { readonly agents: readonly string[]; readonly subprotocols: readonly string[] },
    connect: (client: { readonly agent: string; readonly subprotocol: string; readonly stream: MessageStream }) => void,
  ): Promise<Door> => {
    const agents = Object.fromEntries(asks.agents.map((name) => [name, { cwd: path.resolve(cwd) }]));
    return openDoor({ ...options, agents, subprotocols: asks.subprotocols }, async ({ id, agent, subprotocol, upgrade }) => {
      upgrade((client) => {
        const connection = streamConnection(agent, client);
        options.log?.({ event: 'opened', connection: id, agent });
        void connection.done.then(() => options.log?.({ event: 'closed', connection: id, agent, exit: 'the client is gone' }));
        connect({ agent, subprotocol, stream: connection.stream });
        return connection;
      });
    });
  };
}
