/** Lets a client of either version of ACP talk to a scripted agent, which speaks v1. */
import type { AnyMessage, Stream } from '@agentclientprotocol/sdk';
import { createWire, type WireOptions } from '../../engine/protocol/v2-agent-side.ts';

type Message = Parameters<ReturnType<typeof createWire>['fromAgent']>[0];

export function answerBothVersions(client: Stream, options: WireOptions) {
  let toClient!: TransformStreamDefaultController<AnyMessage>;
  const outward = new TransformStream<AnyMessage, AnyMessage>({
    start: (controller) => void (toClient = controller),
    transform: (message) => wire.fromAgent(message as Message),
  });
  const wire = createWire((message) => toClient.enqueue(message as AnyMessage), options);
  const inward = new TransformStream<AnyMessage, AnyMessage>({
    transform(message, controller) {
      const passed = wire.fromClient(message as Message);
      if (passed) controller.enqueue(passed as AnyMessage);
    },
  });
  // A failure of a stream is noticed at its other side.
  client.readable.pipeTo(inward.writable).catch(() => undefined);
  outward.readable.pipeTo(client.writable).catch(() => undefined);
  return {
    stream: { readable: inward.readable, writable: outward.writable },
    /** The version that the client speaks. */
    get version() {
      return wire.version;
    },
  };
}
