/** The server's WebSocket, with the contract's codes and reasons where the layer below closes by itself. */
import { WebSocket } from 'ws';
import { type CloseCause, closeFrame } from './close.ts';
import type { Client } from './client.ts';

/** What `ws` means by the codes it closes with when a client's frames break the protocol. */
function causeOf(code: number): CloseCause | null {
  if (code === 1009) return { kind: 'too_large' };
  if (code === 1008) return { kind: 'limit', limit: 'messageFragments' };
  return code === 1002 || code === 1007 ? { kind: 'not_json_rpc' } : null;
}

export class BridgeSocket extends WebSocket {
  #client: Client | null = null;
  #faulty = false;

  attach(client: Client): void {
    this.#client = client;
  }

  override close(code?: number, reason?: string | Buffer): void {
    // `ws` gives no reason when it found the fault itself; an answer to the client's own close frame has one.
    const cause = code === undefined || reason !== undefined ? null : causeOf(code);
    if (cause === null || this.#client === null || this.#faulty) return super.close(code, reason);
    this.#faulty = true;
    const frame = closeFrame(cause, this.#client.id);
    this.#client.faulted(cause);
    super.close(frame.code, frame.reason);
  }
}
