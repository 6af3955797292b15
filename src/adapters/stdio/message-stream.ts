/** An agent's lines as web streams of messages, with backpressure both ways. */
import type { AnyMessage } from '@agentclientprotocol/sdk';
import { RehydrateError } from '../../engine/errors.ts';
import type { MessageStream } from '../../engine/ports.ts';
import type { RunningProcess } from './agent-process.ts';
import type { StdioLimits } from './limits.ts';
import { type BlockReader, corker, eachLine, findInLine, LineTooLong, messageLine, readBlocks } from './lines.ts';
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
  /** Until its first message. */
  let opening = true;
  let size = 0;
  /** Until it failed or nobody reads it any more: then there is nothing to close. */
  let open = true;
  let blocks: BlockReader;
  return new ReadableStream<AnyMessage>(
    {
      start(controller) {
        blocks = readBlocks(stdout, limits.messageBytes, {
          block: (block) => {
            eachLine(block, (start, end) => {
              const line = block.subarray(start, end);
              const found = findInLine(line, opening);
              if (found === null) return running.note(line);
              if (found.start > 0) running.note(line.subarray(0, found.start));
              opening = false;
              size = line.length;
              controller.enqueue(found.message);
            });
            if ((controller.desiredSize ?? 1) <= 0) stdout.pause();
          },
          failed: (error) => {
            open = false;
            controller.error(error instanceof LineTooLong ? tooLarge(agent, 'from', error.limit) : error);
          },
          end: () => {
            if (open) controller.close();
          },
        });
        stdout.pause();
      },
      pull() {
        stdout.resume();
      },
      cancel() {
        // Nobody listens any more; reading on lets the agent see the end of its stdin instead of a full pipe.
        open = false;
        blocks.stop();
        stdout.resume();
      },
    },
    // A message counts as its bytes, and as its part of the number that may wait.
    { highWaterMark: limits.queuedBytes, size: () => Math.max(size, limits.queuedBytes / limits.queuedMessages) },
  );
}

function writeMessages(agent: string, running: RunningProcess, limits: StdioLimits): WritableStream<AnyMessage> {
  const { stdin } = running;
  const cork = corker(stdin);
  const gone = (): RehydrateError =>
    new RehydrateError('agent_exited', `The agent '${agent}' no longer reads its input: it has exited or closed it.`, { agent });
  return new WritableStream<AnyMessage>(
    {
      async write(message) {
        const line = `${messageLine(message)}\n`;
        if (exceeds(limits.messageBytes, line)) throw tooLarge(agent, 'to', limits.messageBytes);
        if (!stdin.writable) throw gone();
        cork();
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
