import type { AnyMessage } from '@agentclientprotocol/sdk';
import type { MessageStream } from '../../src/engine/index.ts';

/** Two ends of one connection. */
export function pair(): { readonly client: MessageStream; readonly server: MessageStream } {
  const up = new TransformStream<AnyMessage, AnyMessage>();
  const down = new TransformStream<AnyMessage, AnyMessage>();
  return {
    client: { readable: down.readable, writable: up.writable },
    server: { readable: up.readable, writable: down.writable },
  };
}
