/** Our own standard input and output as a stream of ACP messages, with backpressure both ways. */
import { once } from 'node:events';
import type { Readable, Writable } from 'node:stream';
import type { AnyMessage } from '@agentclientprotocol/sdk';
import { STDIO_LIMITS } from '../adapters/stdio/limits.ts';
import { corker, messageLine, parseMessage, readLines } from '../adapters/stdio/lines.ts';
import type { MessageStream } from '../engine/ports.ts';

/** `readable` ends with the input, and breaks when a line is longer than `messageBytes`. A line that is no message is passed on as null. */
export function stdioMessages(input: Readable, output: Writable, messageBytes: number): MessageStream {
  input.on('error', () => undefined); // 'close' follows
  const readable = readLines(input, { ...STDIO_LIMITS, messageBytes }, (line) => parseMessage(line) as AnyMessage, {
    tooLong: (error) => {
      input.destroy();
      return error;
    },
    left: () => void input.destroy(),
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
