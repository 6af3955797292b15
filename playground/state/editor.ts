/** A second client, as an editor is one: it speaks ACP over a stream in memory. What the page asks and allows before a prompt holds for its prompts, too. */
import { computed, signal } from '@preact/signals';
import type { AnyMessage } from '@agentclientprotocol/sdk';
import { RehydrateError, type ErrorCode, type Host, type ResumeReport, type SessionEvent } from '../../src/engine/index.ts';
import { createPeer, type RpcError } from '../../src/engine/protocol/json-rpc.ts';
import { fieldsOf, type Fields } from '../../src/engine/objects.ts';
import type { Page } from './page.ts';
import { Conversation, EMPTY_VIEW, lastReply } from './session.ts';
import type { Turns } from './turns.ts';

export type Editor = ReturnType<typeof createEditor>;

interface Line extends Awaited<ReturnType<typeof connect>> {
  readonly host: Host;
  readonly sessionId: string;
  hear(update: Fields): void;
}

export function createEditor(page: Page, turns: Turns) {
  const { host, lesson, notices, sending, session } = page;
  const draft = signal('');
  const prompting = signal(false);
  const line = signal<Line | null>(null);
  const heard = signal(EMPTY_VIEW);
  /** It has had this session open. */
  const opened = computed(() => line.value !== null && line.value.sessionId === session.id.value);
  /** What it heard last stays when its host is gone. */
  const view = computed(() => (opened.value ? heard.value : EMPTY_VIEW));
  /** It has the session open now. */
  const here = computed(() => opened.value && host.machine.value.host === 'awake' && line.value?.host === host.host);
  page.ends.push(() => line.value?.close());

  async function open(): Promise<Line> {
    const sessionId = session.id.value;
    if (sessionId === null) throw new Error('There is no session to open in the editor yet. Send a prompt first.');
    const awake = await host.wake();
    if (line.value && here.value) return line.value;
    line.value?.close();
    const { agent, cwd } = await awake.get(sessionId);
    // What the page allows holds for every client.
    const prompt: Host['prompt'] = async (id, content, options) => awake.prompt(id, content, { ...options, policy: await turns.admit(id) });
    const conversation = new Conversation();
    const hear = (payload: Fields) => {
      const seq = conversation.lastSeq + 1;
      conversation.add([{ seq, turnId: null, at: Date.now(), kind: 'update', origin: 'agent', payload } as unknown as SessionEvent]);
      heard.value = conversation.view();
    };
    heard.value = EMPTY_VIEW;
    const { request, close } = await connect({ ...awake, prompt }, agent, hear);
    await request('initialize', { protocolVersion: 1, clientCapabilities: {} });
    await request('session/load', { sessionId, cwd, mcpServers: [] });
    return (line.value = { host: awake, sessionId, hear, request, close });
  }

  return {
    draft,
    prompting,
    opened,
    here,
    view,

    open: () =>
      notices.attempt(async () => {
        await open();
        await lesson.tell({ kind: 'open' });
      }),

    async ask(text: string): Promise<void> {
      if (sending.value) return;
      prompting.value = true;
      const run = async (): Promise<ResumeReport> => {
        const { hear, request, sessionId } = await open();
        const words = { type: 'text', text };
        hear({ sessionUpdate: 'user_message_chunk', content: words });
        draft.value = '';
        const { _meta } = await request('session/prompt', { sessionId, prompt: [words] });
        return fieldsOf(fieldsOf(_meta)['rehydrate'])['report'] as ResumeReport;
      };
      await turns.take(
        'ask',
        text,
        () => run().finally(() => (prompting.value = false)),
        () => lastReply(view.value),
      );
    },
  };
}

/** The page answers what the agent asks. The agent side is loaded on demand: few need it. */
async function connect(host: Host, agent: string, hear: (update: Fields) => void) {
  const { serveAcp } = await import('../../src/server/serve-acp.ts');
  const there = new TransformStream<AnyMessage, AnyMessage>();
  const back = new TransformStream<AnyMessage, AnyMessage>();
  const serving = serveAcp(host, { readable: there.readable, writable: back.writable }, { agent });
  const peer = createPeer(
    { readable: back.readable, writable: there.writable },
    {
      onNotification: (method, params) => method === 'session/update' && hear(fieldsOf(params['update'])),
      onRequest: () => new Promise(() => undefined),
      room: () => null,
      // Our own agent side makes none.
      onNoise: () => undefined,
    },
  );
  return {
    request(method: string, params: object): Promise<Fields> {
      const { promise, resolve, reject } = Promise.withResolvers<Fields>();
      peer.request(method, params, (answer) => {
        if (answer === null) reject(new Error('The host is gone. Ask again: that wakes it.'));
        else if ('error' in answer) reject(failure(answer.error));
        else resolve(fieldsOf(answer.result));
      });
      return promise;
    },
    close: () => serving.close(),
  };
}

function failure({ message, data }: RpcError): Error {
  const { code, ...more } = fieldsOf(data);
  return typeof code === 'string' ? new RehydrateError(code as ErrorCode, message, more) : new Error(message);
}
