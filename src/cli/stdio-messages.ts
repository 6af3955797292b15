/** Our own standard input and output as a stream of ACP messages, with backpressure both ways. */
import type { Readable, Writable } from 'node:stream';
import type { AnyMessage } from '@agentclientprotocol/sdk';
import { messageLine, parseMessage } from '../adapters/stdio/lines.ts';
import { eachLine, LineCutter } from '../adapters/stdio/lines.ts';
import type { MessageStream } from '../engine/ports.ts';

/** `readable` ends with the input, and breaks when a line is longer than `messageBytes`. A line that is no message is passed on as null. */
export function stdioMessages(input: Readable, output: Writable, messageBytes: number): MessageStream {
  const cutter = new LineCutter(messageBytes);
  const readable = new ReadableStream<AnyMessage>(
    {
      start(controller) {
        let open = true;
        const stop = (end: () => void) => {
          if (!open) return;
          open = false;
          end();
          input.pause();
        };
        const deliver = (block: Buffer) =>
          eachLine(block, (start, end) => controller.enqueue(parseMessage(block.subarray(start, end)) as AnyMessage));
        input.on('data', (chunk: Buffer) => {
          if (!open) return;
          try {
            const block = cutter.push(chunk);
            if (block !== null) deliver(block);
          } catch (error) {
            return stop(() => controller.error(error));
          }
          if ((controller.desiredSize ?? 1) <= 0) input.pause();
        });
        const finish = () =>
          stop(() => {
            const rest = cutter.rest();
            if (rest !== null) deliver(rest);
            controller.close();
          });
        input.once('end', finish);
        input.once('close', finish);
        input.once('error', (error) => stop(() => controller.error(error)));
        input.pause();
      },
      pull() {
        input.resume();
      },
      cancel() {
        input.destroy();
      },
    },
    { highWaterMark: 64 },
  );
  const writable = new WritableStream<AnyMessage>(
    {
      write(message) {
        return new Promise((resolve, reject) => {
          output.write(`${messageLine(message)}\n`, (error) => (error ? reject(error) : resolve()));
        });
      },
    },
    { highWaterMark: 64 },
  );
  return { readable, writable };
}
