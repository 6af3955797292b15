/** A client that speaks raw JSON-RPC over a message stream: it sees all that an agent sends, in order. */
import type { AnyMessage } from '@agentclientprotocol/sdk';
import type { MessageStream } from '../../../src/engine/ports.ts';

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- raw JSON, looked into by assertions
type Json = any;

export interface RawClient {
  /** Everything received, in order. */
  readonly seen: Json[];
  request(method: string, params: unknown): Promise<Json>;
  notify(method: string, params: unknown): Promise<void>;
  /** Puts a message on the wire, with an id of the test's own. */
  send(message: object): Promise<void>;
  /** Answers to the agent's requests; without an answer the agent gets −32601. */
  readonly answers: Map<string, (params: Json) => unknown>;
  updates(kind?: string): Json[];
  /** The text of all agent message chunks. */
  said(): string;
  readonly ended: Promise<void>;
  /** Closes the way to the agent. */
  leave(): Promise<void>;
}

export function rawClient(stream: MessageStream): RawClient {
  const seen: Json[] = [];
  const waiting = new Map<number, (message: Json) => void>();
  const answers = new Map<string, (params: Json) => unknown>();
  const writer = stream.writable.getWriter();
  let id = 0;
  const answer = async (message: Json) => {
    const handler = answers.get(message.method);
    const body = handler
      ? { result: await handler(message.params) }
      : { error: { code: -32601, message: `"Method not found": ${message.method}` } };
    await writer.write({ jsonrpc: '2.0', id: message.id, ...body } as AnyMessage);
  };
  const ended = (async () => {
    for await (const message of stream.readable as unknown as AsyncIterable<Json>) {
      seen.push(message);
      if ('method' in message) {
        if ('id' in message) void answer(message);
      } else {
        waiting.get(message.id)?.(message);
      }
    }
  })();
  const updates = (kind?: string) =>
    seen
      .filter((message) => message.method === 'session/update')
      .map((message) => message.params.update)
      .filter((update) => kind === undefined || update.sessionUpdate === kind);
  return {
    seen,
    answers,
    updates,
    ended,
    leave: () => writer.close(),
    said: () =>
      updates('agent_message_chunk')
        .map((update) => update.content.text)
        .join(''),
    async request(method, params) {
      id += 1;
      const mine = id;
      const response = new Promise<Json>((resolve) => waiting.set(mine, resolve));
      await writer.write({ jsonrpc: '2.0', id: mine, method, params } as AnyMessage);
      return response;
    },
    send: (message) => writer.write({ jsonrpc: '2.0', ...message } as AnyMessage),
    notify: (method, params) => writer.write({ jsonrpc: '2.0', method, params } as AnyMessage),
  };
}

export const INITIALIZE = { protocolVersion: 1, clientCapabilities: { fs: { readTextFile: true, writeTextFile: true } } };
export const PLACE = { cwd: '/project', mcpServers: [] };
export const text = (words: string) => [{ type: 'text', text: words }];
