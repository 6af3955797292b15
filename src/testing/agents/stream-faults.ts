/** Misbehaviour that the SDK cannot produce, so it is applied to the agent's stream. */
import type { AnyMessage, Stream } from '@agentclientprotocol/sdk';
import type { Surroundings } from './surroundings.ts';
import type { Behaviour } from './variants.ts';

/** What `garbage` agents print; the second looks like JSON, the third like JSON-RPC cut short. */
const RUBBISH = ['Loading plugins… done (3)', '{"level":"info","msg":"not a message"}', '{"jsonrpc":"2.0","id":', '[1,2,3]'];

export function withStreamFaults(stream: Stream, behaviour: Behaviour, around: Surroundings): Stream {
  const { garbage, answersTwice, nullLoad } = behaviour;
  if (garbage === 'no' && !answersTwice && !nullLoad) return stream;
  const loads = new Set<unknown>();
  const inward = new TransformStream<AnyMessage, AnyMessage>({
    transform(message, controller) {
      if (garbage === 'only') return;
      if (nullLoad && 'method' in message && /^session\/(load|resume)$/.test(message.method) && 'id' in message) loads.add(message.id);
      controller.enqueue(message);
    },
  });
  const outward = new TransformStream<AnyMessage, AnyMessage>({
    transform(message, controller) {
      const response = !('method' in message);
      const sent = response && loads.delete(message.id) && 'result' in message ? ({ ...message, result: null } as AnyMessage) : message;
      if (garbage !== 'no') around.print(RUBBISH[printed++ % RUBBISH.length] ?? '');
      controller.enqueue(sent);
      if (answersTwice && response) controller.enqueue(sent);
    },
  });
  let printed = 0;
  if (garbage !== 'no') for (const line of RUBBISH) around.print(line);
  stream.readable.pipeTo(inward.writable).catch((error: unknown) => around.log(`the input broke: ${String(error)}`));
  outward.readable.pipeTo(stream.writable).catch((error: unknown) => around.log(`the output broke: ${String(error)}`));
  return { readable: inward.readable, writable: outward.writable };
}
