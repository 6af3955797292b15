/** Agent to client: stdout lines become frames, and a client that does not read stops the agent. */
import type { Socket } from 'node:net';
import type { RunningProcess } from '../adapters/stdio/agent-process.ts';
import { LineCutter, LineTooLong } from '../adapters/stdio/lines.ts';
import { corker } from './cork.ts';
import { framesOf } from './frames.ts';

export interface OutboundOptions {
  readonly running: RunningProcess;
  /** The raw connection: frames are written whole, so they never mix with the WebSocket layer's own. */
  readonly socket: Socket;
  /** Whether frames may still be sent: none may follow a close frame. */
  readonly open: () => boolean;
  readonly messageBytes: number;
  readonly bufferedBytes: number;
  /** Called with the number of messages of each block. */
  readonly onMessages: (count: number) => void;
  /** The agent wrote a line over `messageBytes`. */
  readonly onTooLong: () => void;
}

/** Pumps until the agent's output ends; resolves then. Bytes that are not JSON-RPC go to the agent's diagnostics. */
export function pumpOut(options: OutboundOptions): Promise<void> {
  const { running, socket } = options;
  const { stdout } = running;
  const cutter = new LineCutter(options.messageBytes);
  const note = (line: Buffer): void => running.note(line);
  const cork = corker(socket);
  let stopped = false;
  /** Until the agent's first message. */
  let opening = true;
  let full = false;
  const send = (block: Buffer): void => {
    const out = framesOf(block, note, opening);
    if (out === null) return;
    opening = false;
    options.onMessages(out.messages);
    if (!options.open()) return;
    cork();
    socket.write(out.frames);
    if (socket.writableLength > options.bufferedBytes && !full) {
      full = true;
      stdout.pause();
      socket.once('drain', () => {
        full = false;
        stdout.resume();
      });
    }
  };
  return new Promise((resolve) => {
    stdout.on('data', (chunk: Buffer) => {
      if (stopped) return;
      try {
        const block = cutter.push(chunk);
        if (block !== null) send(block);
      } catch (error) {
        if (!(error instanceof LineTooLong)) throw error;
        stopped = true;
        options.onTooLong();
      }
    });
    const end = (): void => {
      const rest = stopped ? null : cutter.rest();
      stopped = true;
      if (rest !== null) send(rest);
      resolve();
    };
    stdout.once('end', end);
    stdout.once('close', end);
    // A client that went while it was behind never drains: read on, so that the agent can end.
    socket.once('close', () => {
      stopped = true;
      stdout.resume();
    });
  });
}
