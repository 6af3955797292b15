/** A client of v1 in front of an agent side that is asked for v2: what holds in both versions is tested in the words of v1, once with each. */
import type { AnyMessage } from '@agentclientprotocol/sdk';
import type { MessageStream } from '../../src/engine/ports.ts';
import { modesAmong, readConfigOptions } from '../../src/engine/protocol/reported-state.ts';
import { createWire } from '../../src/engine/protocol/v2-agent-side.ts';
import { capabilitiesV1 } from '../../src/engine/protocol/v2-in-v1.ts';
import { expectV2 } from './v2-schema.ts';
import { IN_V2 } from './protocol.ts';

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- raw JSON
type Json = any;

/** The stream as it is, or spoken to in v2 where that is the version of this run. */
export const inVersion = (stream: MessageStream): MessageStream => (IN_V2 ? spokenToInV2(stream) : stream);

function spokenToInV2(stream: MessageStream): MessageStream {
  /** What the client asked, by the ids of its requests. */
  const asked = new Map<unknown, Json>();
  /** The prompts that were inserted and whose turn is not over, by session. */
  const running = new Map<string, unknown>();
  /** The sessions whose prompts it cancelled last. */
  const cancelled = new Set<string>();
  let toClient!: TransformStreamDefaultController<AnyMessage>;
  // It tells the updates of v2 in v1.
  const words = createWire((message) => toClient.enqueue(message as AnyMessage));

  const outward = new TransformStream<Json, Json>({
    transform(message, controller) {
      const { id, method, params } = message;
      if (method !== undefined && id !== undefined) asked.set(id, message);
      const as = (name: string, changed: object) => controller.enqueue({ ...message, method: name, params: changed });
      switch (method) {
        case 'initialize': {
          const { clientCapabilities: capabilities, ...rest } = params;
          return as(method, { ...rest, protocolVersion: 2, info: { name: 'a raw client', version: '1' }, capabilities });
        }
        case 'session/load':
          return as('session/resume', { ...params, replayFrom: { type: 'start' } });
        case 'session/set_mode':
          return as('session/set_config_option', { sessionId: params.sessionId, configId: 'mode', type: 'id', value: params.modeId });
        case 'session/prompt':
        case 'session/cancel':
          cancelled[method === 'session/cancel' ? 'add' : 'delete'](params.sessionId);
          return controller.enqueue(message);
        default:
          return controller.enqueue(message);
      }
    },
  });

  const inward = new TransformStream<Json, AnyMessage>({
    start: (controller) => void (toClient = controller),
    transform(message) {
      const { id, method, params, result, error } = message;
      expectV2([message]);
      if (method === 'session/update') return update(message);
      if (method === 'session/request_permission') {
        const { sessionId, subject, options } = params;
        return words.fromAgent({ ...message, params: { sessionId, toolCall: subject.toolCall, options } });
      }
      if (method !== undefined) return words.fromAgent(message);
      const { method: was, params: given } = asked.get(id) ?? {};
      asked.delete(id);
      // What was not inserted has no turn that could end.
      if (was === 'session/prompt' && error?.code === -32800 && cancelled.has(given.sessionId))
        return words.fromAgent({ id, result: { stopReason: 'cancelled' } });
      if (error !== undefined || typeof result !== 'object') return words.fromAgent(message);
      if (was === 'session/prompt') return void running.set(given.sessionId, id);
      words.fromAgent({ id, result: was === 'initialize' ? helloV1(result) : settingsV1(result) });
    },
  });

  function update(message: Json): void {
    const { sessionId, update: said, _meta } = message.params;
    // A client of v1 knows what it said itself.
    if (said.sessionUpdate === 'user_message') return;
    if (said.sessionUpdate !== 'state_update') return words.fromAgent(message);
    const { state, stopReason, error, sessionUpdate: _kind, ...rest } = said;
    if (_meta?.rehydrate?.turn)
      return words.fromAgent({
        method: 'session/update',
        params: { sessionId, update: { sessionUpdate: 'session_info_update' }, _meta },
      });
    if (state !== 'idle' || !running.has(sessionId)) return;
    const id = running.get(sessionId) as number;
    running.delete(sessionId);
    words.fromAgent(stopReason === 'error' ? { id, error } : { id, result: { stopReason, ...rest } });
  }

  stream.readable.pipeThrough(inward as unknown as TransformStream<AnyMessage, AnyMessage>);
  outward.readable.pipeTo(stream.writable).catch(() => undefined);
  return { readable: inward.readable, writable: outward.writable };
}

function helloV1({ info, capabilities, protocolVersion, ...rest }: Json): object {
  const { sessionCapabilities, ...others } = capabilitiesV1(capabilities) as Json;
  // What every agent of v2 can.
  const every = { list: {}, resume: {}, close: {} };
  return {
    ...rest,
    protocolVersion: protocolVersion - 1,
    agentInfo: info,
    agentCapabilities: { ...others, loadSession: true, sessionCapabilities: { ...sessionCapabilities, ...every } },
  };
}

function settingsV1({ configOptions, ...rest }: Json): object {
  if (configOptions === undefined) return rest;
  const modes = modesAmong(configOptions);
  return {
    ...rest,
    ...(modes ? { modes } : {}),
    configOptions: readConfigOptions(configOptions)?.filter(({ category }) => category !== 'mode'),
  };
}
