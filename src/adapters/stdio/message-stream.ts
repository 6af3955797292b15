/** ACP's stdio framing: one JSON-RPC message a line, over web streams, with backpressure both ways. */
import type { AnyMessage } from '@agentclientprotocol/sdk';
import { RehydrateError } from '../../engine/errors.ts';
import type { MessageStream } from '../../engine/ports.ts';
import type { RunningProcess } from './agent-process.ts';
import { findInLine, messageLine } from './json-rpc.ts';
import type { StdioLimits } from './limits.ts';
import { eachLine, LineCutter, LineTooLong } from './lines.ts';
import { exceeds } from '../../engine/exceeds.ts';

/**
 * The agent's messages. Lines that are not JSON-RPC go to its diagnostics. A line over `messageBytes`
 * errors the readable side; a message over it errors the writable side.
 */
export function messageStream(agent: string, running: RunningProcess, limits: StdioLimits): MessageStream {
  return { readable: readMessages(agent, running, limits), writable: writeMessages(agent, running, limits) };
}

function tooLarge(agent: string, direction: string, limit: number): RehydrateError {
  return new RehydrateError(
    'limit_exceeded',
    `A message ${direction} the agent '${agent}' is larger than the limit messageBytes (${limit} bytes).`,
    {
      agent,
      limit: 'messageBytes',
      value: limit,
    },
  );
}

function readMessages(agent: string, running: RunningProcess, limits: StdioLimits): ReadableStream<AnyMessage> {
  const { stdout } = running;
  const cutter = new LineCutter(limits.messageBytes);
  let open = true;
  /** Until its first message. */
  let opening = true;
  let size = 0;
  return new ReadableStream<AnyMessage>(
    {
      start(controller) {
        const deliver = (block: Buffer): void =>
          eachLine(block, (start, end) => {
            const line = block.subarray(start, end);
            const found = findInLine(line, opening);
            if (found === null) return running.note(line);
            if (found.start > 0) running.note(line.subarray(0, found.start));
            opening = false;
            size = line.length;
            controller.enqueue(found.message);
          });
        const finish = (): void => {
          if (!open) return;
          open = false;
          const rest = cutter.rest();
          if (rest !== null) deliver(rest);
          controller.close();
        };
        stdout.on('data', (chunk: Buffer) => {
          if (!open) return;
          try {
            const block = cutter.push(chunk);
            if (block !== null) deliver(block);
          } catch (error) {
            open = false;
            controller.error(error instanceof LineTooLong ? tooLarge(agent, 'from', error.limit) : error);
            return;
          }
          if ((controller.desiredSize ?? 1) <= 0) stdout.pause();
        });
        stdout.once('end', finish);
        stdout.once('close', finish);
        stdout.pause();
      },
      pull() {
        stdout.resume();
      },
      cancel() {
        // Nobody listens any more; reading on lets the agent see the end of its stdin instead of a full pipe.
        open = false;
        stdout.resume();
      },
    },
    // A message counts as its bytes, and as its part of the number that may wait.
    { highWaterMark: limits.queuedBytes, size: () => Math.max(size, limits.queuedBytes / limits.queuedMessages) },
  );
}

function writeMessages(agent: string, running: RunningProcess, limits: StdioLimits): WritableStream<AnyMessage> {
  const { stdin } = running;
  let corked = false;
  const gone = (): RehydrateError =>
    new RehydrateError('agent_exited', `The agent '${agent}' no longer reads its input: it has exited or closed it.`, { agent });
  return new WritableStream<AnyMessage>(
    {
      async write(message) {
        const line = `${messageLine(message)}\n`;
        if (exceeds(limits.messageBytes, line)) throw tooLarge(agent, 'to', limits.messageBytes);
        if (!stdin.writable) throw gone();
        // Messages written in one turn of the event loop reach the agent in one system call.
        if (!corked) {
          corked = true;
          stdin.cork();
          process.nextTick(() => {
            corked = false;
            stdin.uncork();
          });
        }
        if (stdin.write(line)) return;
        await new Promise<void>((resolve, reject) => {
          const done = (settle: () => void) => () => {
            stdin.off('drain', drained);
            stdin.off('close', closed);
            settle();
          };
          const drained = done(resolve);
          const closed = done(() => reject(gone()));
          stdin.once('drain', drained);
          stdin.once('close', closed);
        });
      },
      close() {
        stdin.end();
      },
      abort() {
        stdin.destroy();
      },
    },
    { highWaterMark: 1 },
  );
}
