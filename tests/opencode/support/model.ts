/**
 * A model server that answers as it is told: the part of the OpenAI chat completions API that OpenCode
 * uses, streaming, on 127.0.0.1. Every request is kept, so that a test can ask what the model was told.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** One thing the model does in answer to a request. */
export type ModelStep =
  | { readonly text: string; readonly chunks?: number; readonly delayMs?: number }
  | { readonly tool: string; readonly args: Readonly<Record<string, unknown>> }
  /** Says nothing more and keeps the answer open until the client goes away. */
  | { readonly hang: true };

export interface ModelMessage {
  readonly role: string;
  readonly content: unknown;
  readonly tool_calls?: unknown;
}

export interface ModelRequest {
  readonly messages: readonly ModelMessage[];
  readonly tools: readonly string[];
  readonly raw: Readonly<Record<string, unknown>>;
}

export type ModelScript = (request: ModelRequest, nth: number) => readonly ModelStep[];

export interface ModelServer {
  readonly baseUrl: string;
  /** The requests of conversations, oldest first; OpenCode's own requests for a title are left out. */
  readonly requests: readonly ModelRequest[];
  /** Sets what the model does from now on. */
  script(script: ModelScript): void;
  /** Resolves when the given number of conversation requests has come. */
  received(count: number): Promise<void>;
  close(): Promise<void>;
}

/** A message's text, whether it came as a string or as parts. */
export function textOf(message: ModelMessage | undefined): string {
  if (!message) return '';
  if (typeof message.content === 'string') return message.content;
  if (!Array.isArray(message.content)) return '';
  return message.content.map((part: { text?: string }) => part.text ?? '').join('\n');
}

/** Everything the user side said in a request, joined. */
export const userText = (request: ModelRequest): string =>
  request.messages
    .filter((message) => message.role === 'user')
    .map(textOf)
    .join('\n');

const isTitleRequest = (request: ModelRequest): boolean =>
  request.messages.some((message) => message.role === 'system' && /title generator/i.test(textOf(message)));

export async function startModel(): Promise<ModelServer> {
  const requests: ModelRequest[] = [];
  const waiting: { count: number; resolve: () => void }[] = [];
  let calls = 0;
  let script: ModelScript = (_request, nth) => [{ text: `This is answer ${nth}.` }];

  const server = createServer((request, response) => void answer(request, response));

  async function answer(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const body: Buffer[] = [];
    for await (const chunk of incoming) body.push(chunk as Buffer);
    const raw = JSON.parse(Buffer.concat(body).toString('utf8') || '{}') as Record<string, unknown>;
    const request: ModelRequest = {
      messages: (raw.messages as ModelMessage[] | undefined) ?? [],
      tools: ((raw.tools as { function: { name: string } }[] | undefined) ?? []).map((tool) => tool.function.name),
      raw,
    };
    if (isTitleRequest(request)) {
      await stream(response, [{ text: 'A title' }], () => 0);
      return;
    }
    const nth = requests.push(request);
    const steps = script(request, nth);
    for (const waiter of waiting.filter((one) => requests.length >= one.count)) waiter.resolve();
    await stream(response, steps, () => ++calls);
  }

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    requests,
    script: (next) => {
      script = next;
    },
    received: (count) => (requests.length >= count ? Promise.resolve() : new Promise((resolve) => waiting.push({ count, resolve }))),
    close: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
    },
  };
}

async function stream(response: ServerResponse, steps: readonly ModelStep[], nextCall: () => number): Promise<void> {
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' });
  const send = (delta: unknown, finish: string | null = null): void => {
    const choice = { index: 0, delta, finish_reason: finish };
    response.write(
      `data: ${JSON.stringify({ id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1, model: 'mock', choices: [choice] })}\n\n`,
    );
  };
  send({ role: 'assistant', content: '' });
  let calls = 0;
  for (const step of steps) {
    if ('hang' in step) {
      await new Promise<void>((resolve) => response.once('close', resolve));
      return;
    }
    if ('tool' in step) {
      send({
        tool_calls: [
          {
            index: calls,
            id: `call_mock${nextCall()}`,
            type: 'function',
            function: { name: step.tool, arguments: JSON.stringify(step.args) },
          },
        ],
      });
      calls += 1;
      continue;
    }
    const size = Math.max(1, Math.ceil(step.text.length / (step.chunks ?? 3)));
    for (let at = 0; at < step.text.length && !response.destroyed; at += size) {
      send({ content: step.text.slice(at, at + size) });
      if (step.delayMs) await new Promise((resolve) => setTimeout(resolve, step.delayMs));
    }
  }
  send({}, calls > 0 ? 'tool_calls' : 'stop');
  response.write(
    `data: ${JSON.stringify({ id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1, model: 'mock', choices: [], usage: { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 } })}\n\n`,
  );
  response.end('data: [DONE]\n\n');
}
