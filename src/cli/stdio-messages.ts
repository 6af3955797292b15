/** Our own standard input and output as a stream of ACP messages, with backpressure both ways. */
import { once } from 'node:events';
import type { Readable, Writable } from 'node:stream';
import type { AnyMessage } from '@agentclientprotocol/sdk';
import { STDIO_LIMITS } from '../adapters/stdio/limits.ts';
import { corker, messageLine, parseMessage, readLines } from '../adapters/stdio/lines.ts';
import { RehydrateError } from '../engine/errors.ts';
import { DEFAULT_LIMITS } from '../engine/limits.ts';
import type { MessageStream } from '../engine/ports.ts';

/** How long a client whose input has ended still gets answers: an agent that is told to cancel has its grace, and a bit more. */
export const ANSWERS_MS = DEFAULT_LIMITS.cancelGraceMs + 5_000;

/**
 * `readable` ends with the input. It fails at a line longer than `messageBytes`, which `broken` is told of. A line that is not a message is
 * passed on as its text, so that the receiver can refuse it.
 */
export function stdioMessages(
  input: Readable,
  output: Writable,
  messageBytes: number,
  broken: (error: RehydrateError) => void = () => undefined,
): MessageStream {
  input.on('error', () => undefined); // 'close' follows
  const readable = readLines(input, { ...STDIO_LIMITS, messageBytes }, (line) => parseMessage(line) ?? (line.toString('utf8') as never), {
    tooLong: ({ limit }) => {
      input.destroy();
      const error = tooLarge(limit);
      broken(error);
      return error;
    },
    left: () => {
      input.destroy();
    },
  });
  const gather = corker(output);
  const closed = new Promise<void>((resolve) => output.once('close', resolve));
  const writable = new WritableStream<AnyMessage>(
    {
      start: (controller) => void output.on('error', (error) => controller.error(error)),
      async write(message) {
        gather();
        if (!output.write(`${messageLine(message)}\n`)) await Promise.race([once(output, 'drain'), closed]);
      },
    },
    { highWaterMark: 64 },
  );
  return { readable, writable };
}

/** Passes messages on, but ends only when `answered` resolves, so that the client still gets its last answers. */
export function answeredToTheEnd(messages: ReadableStream<AnyMessage>, answered: () => Promise<unknown>): ReadableStream<AnyMessage> {
  return messages.pipeThrough(
    new TransformStream<AnyMessage, AnyMessage>({
      async flush() {
        // Lets the last message be read first.
        await new Promise(setImmediate);
        await answered();
      },
    }),
  );
}

export function tooLarge(limit: number): RehydrateError {
  return new RehydrateError(
    'limit_exceeded',
    `A message of the client is larger than the limit messageBytes (${limit} bytes), and nothing after it was read. Start the client again, and name a file instead of its content.`,
    { limit: 'messageBytes', allowed: limit },
  );
}
