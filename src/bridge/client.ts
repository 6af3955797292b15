/** One client's WebSocket: what may come in, how much may be unread, how long it may be silent, and how it ends. */
import type { Socket } from 'node:net';
import type { AnyMessage } from '@agentclientprotocol/sdk';
import { WebSocket } from 'ws';
import { type CloseCause, type CloseFrame, closeFrame, limitOf } from './close.ts';
import { textFrame } from './frames.ts';
import { judgeFrame } from './inbound.ts';
import type { BridgeLimits } from './limits.ts';
import { watch } from './watch.ts';

export interface Drained {
  once(event: 'drain', listener: () => void): unknown;
}

export interface ClientOptions {
  readonly id: string;
  readonly websocket: BridgeSocket;
  /** Below the WebSocket: frames are written to it whole, so they never mix with that layer's own. */
  readonly socket: Socket;
  readonly limits: BridgeLimits;
  readonly allowMcp: boolean;
  /** Told of what the client cannot see; never given a frame's content. */
  readonly onNote: (note: string) => void;
}

export interface ClientEvents {
  /** One message, also as a line. Returns a full stream: nothing more is read until it drains. */
  readonly onMessage: (message: AnyMessage, line: string) => Drained | null;
  /** The client broke a rule or exceeded a limit, and is being told. */
  readonly onFault: () => void;
}

export interface Client {
  readonly id: string;
  /** Settles when the socket is closed. */
  readonly gone: Promise<void>;
  /** Whether frames may still be sent, which is before a close frame. */
  readonly open: boolean;
  /** The limit for which the connection is ended, if any. */
  readonly limit: string | undefined;
  /** Ends the connection once everything sent before has been read. The client is told an earlier fault instead. */
  close(cause: CloseCause): void;
  /** Ends the connection at once, for a fault. */
  giveUp(cause: CloseCause): void;
  /** The bridge shuts down, and the client is told so. Resolves when the socket is closed; a client that is behind cannot delay it. */
  shutDown(end: () => Promise<unknown>): Promise<void>;
}

export function attend(options: ClientOptions & ClientEvents): Client {
  const { id, websocket, socket, limits, onNote, onMessage, onFault } = options;
  /** Full streams: while there are any, nothing more is read from the client. */
  const full = new Set<Drained>();
  let cause: CloseCause | null = null;

  const sendClose = (why: CloseCause): void => {
    if (websocket.readyState !== websocket.OPEN) return;
    const frame = closeFrame(why, id);
    // The close timer starts with the frame, so the frame waits until everything before it is sent.
    if (why.kind === 'exit' && socket.writableLength > 0) socket.write('', () => websocket.close(frame.code, frame.reason));
    else websocket.close(frame.code, frame.reason);
  };
  const faulted = (why: CloseCause): void => {
    cause ??= why;
    onFault();
  };
  const giveUp = (why: CloseCause): void => {
    faulted(why);
    sendClose(why);
  };
  const clocks = watch(websocket, socket, limits, (limit) => giveUp({ kind: 'limit', limit }));

  /** Stops reading from the client until the streams have room again. What was read already still comes. */
  const holdUntilDrained = (stream: Drained): void => {
    if (full.has(stream)) return;
    full.add(stream);
    websocket.pause();
    clocks.held(true);
    stream.once('drain', () => {
      full.delete(stream);
      if (full.size > 0) return;
      clocks.held(false);
      if (websocket.readyState === websocket.OPEN) websocket.resume();
    });
  };
  const receive = (data: Buffer, binary: boolean): void => {
    if (cause !== null) return;
    const verdict = judgeFrame(data, binary, options);
    switch (verdict.verdict) {
      case 'forward': {
        const behind = onMessage(verdict.message, verdict.line);
        if (behind !== null) holdUntilDrained(behind);
        return;
      }
      case 'answer':
        onNote(verdict.why);
        socket.write(textFrame(verdict.text));
        if (socket.writableLength > limits.bufferedBytes) holdUntilDrained(socket);
        return;
      case 'drop':
        onNote(verdict.why);
        return;
      case 'close':
        onNote(`closed for ${verdict.why}`);
        giveUp({ kind: 'not_json_rpc' });
        websocket.pause();
    }
  };

  websocket.onFault((why) => {
    faulted(why);
    return closeFrame(why, id);
  });
  websocket.on('message', (data, binary) => receive(data as Buffer, binary));
  const gone = new Promise<void>((resolve) => {
    websocket.once('close', () => {
      clocks.stop();
      resolve();
    });
  });
  return {
    id,
    gone,
    get open() {
      return websocket.readyState === websocket.OPEN && socket.writable;
    },
    get limit() {
      return cause === null ? undefined : limitOf(cause);
    },
    close: (why) => sendClose((cause ??= why)),
    giveUp,
    async shutDown(end) {
      cause ??= { kind: 'shutdown' };
      await end();
      const timer = setTimeout(() => websocket.terminate(), limits.closeMs);
      await gone;
      clearTimeout(timer);
    },
  };
}

/** Gives the contract's codes and reasons where `ws` closes by itself. */
export class BridgeSocket extends WebSocket {
  #fault: ((cause: CloseCause) => CloseFrame) | null = null;

  /** `fault` is told once of a fault that `ws` found, and returns the close frame. */
  onFault(fault: (cause: CloseCause) => CloseFrame): void {
    this.#fault = fault;
  }

  override close(code?: number, reason?: string | Buffer): void {
    // `ws` gives no reason when it found the fault itself; its answer to the client's close frame has one.
    const cause = code === undefined || reason !== undefined ? null : causeOf(code);
    const fault = this.#fault;
    if (cause === null || fault === null) return super.close(code, reason);
    this.#fault = null;
    const frame = fault(cause);
    super.close(frame.code, frame.reason);
  }
}

/** The faults behind the codes with which `ws` closes by itself. */
function causeOf(code: number): CloseCause | null {
  if (code === 1009) return { kind: 'too_large' };
  return code === 1002 || code === 1007 ? { kind: 'not_json_rpc' } : null;
}
