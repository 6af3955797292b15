/** One client's WebSocket: what it may send, how much it may leave unread, how long it may be silent, and how it is closed. */
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
  /** The socket below the WebSocket. Whole frames are written to it directly, so they do not mix with those of `ws` itself. */
  readonly socket: Socket;
  readonly limits: BridgeLimits;
  readonly allowMcp: boolean;
  /** For the log. Never given the contents of a frame. */
  readonly onNote: (note: string) => void;
}

export interface ClientEvents {
  /** Called with each message, also as a line. If it returns a stream, that is full, and nothing more is read until it drains. */
  readonly onMessage: (message: AnyMessage, line: string) => Drained | null;
  /** Called when the client broke a rule or exceeded a limit, for which the connection is being closed. */
  readonly onFault: () => void;
}

export interface Client {
  readonly id: string;
  /** Settles when the socket is closed. */
  readonly gone: Promise<void>;
  /** Whether frames may still be sent: no close frame was sent yet. */
  readonly open: boolean;
  /** The limit for which the connection was ended, if any. */
  readonly limit: string | undefined;
  /** Ends the connection once everything sent before was read. If there was a fault before, the client is told that cause instead. */
  close(cause: CloseCause): void;
  /** Ends the connection at once, for a fault. */
  giveUp(cause: CloseCause): void;
  /** Tells the client that the bridge is shutting down. Resolves when the socket is closed, at most `closeMs` after `end`. */
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
    // The close timer of `ws` starts with the frame, so the frame is sent when everything before it is out.
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

  /** Stops reading from the client until all full streams have drained. What was read already still comes. */
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

/** Replaces the code and reason with our own when `ws` closes a connection by itself. */
export class BridgeSocket extends WebSocket {
  #fault: ((cause: CloseCause) => CloseFrame) | null = null;

  /** `fault` is called once with a fault that `ws` found, and returns the close frame. */
  onFault(fault: (cause: CloseCause) => CloseFrame): void {
    this.#fault = fault;
  }

  override close(code?: number, reason?: string | Buffer): void {
    // `ws` gives a code without a reason when it has found a fault. Its answer to a client's close frame has a reason.
    const cause = code === undefined || reason !== undefined ? null : causeOf(code);
    const fault = this.#fault;
    if (cause === null || fault === null) return super.close(code, reason);
    this.#fault = null;
    const frame = fault(cause);
    super.close(frame.code, frame.reason);
  }
}

/** The faults for which `ws` closes with these codes by itself. */
function causeOf(code: number): CloseCause | null {
  if (code === 1009) return { kind: 'too_large' };
  return code === 1002 || code === 1007 ? { kind: 'not_json_rpc' } : null;
}
