/**
 * A second client of the session, as an editor is one: it speaks ACP to the host's agent side, over a stream in memory, and
 * knows nothing else of the page. What the page asks and allows before a prompt holds for its prompts, too.
 */
import { computed, signal } from '@preact/signals';
import type { AnyMessage } from '@agentclientprotocol/sdk';
import type { Host } from '../../src/engine/index.ts';
import { fieldsOf, type Fields } from '../../src/engine/protocol/updates.ts';
import { RehydrateError, type ErrorCode } from '../../src/engine/errors.ts';
import type { ResumePolicy, ResumeReport, SessionEvent } from '../../src/engine/types.ts';
import { serveAcp } from '../../src/server/serve-acp.ts';
import { Conversation, EMPTY_VIEW, lastReply, snapshot, type SessionView } from './conversation.ts';
import type { HostController } from './host-controller.ts';
import { codeOf, problemOf, type Notices } from './notices.ts';
import { failedResume } from './report.ts';
import type { ShownSession } from './session.ts';
import type { Fact } from './steps.ts';
import { errorWords } from './words.ts';

export interface EditorNeeds {
  readonly host: HostController;
  readonly notices: Notices;
  readonly session: ShownSession;
  readonly tell: (fact: Fact) => Promise<void>;
  /** The policy of a prompt that may be sent; rejects when it may not. */
  readonly admit: (sessionId: string) => Promise<ResumePolicy>;
}

/** Its connection to one host, with one session open. */
interface Line {
  readonly host: Host;
  readonly sessionId: string;
  request(method: string, params: object): Promise<Fields>;
  close(): void;
}

export class Editor {
  readonly draft = signal('');
  readonly prompting = signal(false);
  /** It has the session open: host and session are still those that it opened. */
  readonly here = computed(() => {
    const line = this.#line.value;
    const { host, session } = this.#needs;
    return line !== null && host.machine.value.host === 'awake' && line.host === host.host && line.sessionId === session.id.value;
  });
  /** What it has heard of the session that is shown; what it heard last, when its host is gone. */
  readonly view = computed<SessionView>(() =>
    this.#line.value?.sessionId === this.#needs.session.id.value ? this.#heard.value : EMPTY_VIEW,
  );
  readonly #needs: EditorNeeds;
  readonly #line = signal<Line | null>(null);
  readonly #heard = signal(EMPTY_VIEW);
  #conversation = new Conversation();

  constructor(needs: EditorNeeds) {
    this.#needs = needs;
  }

  /** Opens the session, as an editor does that was just started. */
  async open(): Promise<void> {
    const { notices, tell } = this.#needs;
    await notices.attempt(async () => {
      await this.#opened();
      await tell({ kind: 'opened' });
    });
  }

  /** One turn of the editor's own. A host that is gone is woken, and the session opened again. */
  async ask(text: string): Promise<void> {
    const { notices, session, tell } = this.#needs;
    if (this.prompting.value) return;
    notices.clear();
    this.prompting.value = true;
    let report: ResumeReport | null = null;
    let error: { code: ErrorCode | 'other'; message: string } | null = null;
    try {
      const line = await this.#opened();
      this.#hear({ sessionUpdate: 'user_message_chunk', content: { type: 'text', text } });
      this.draft.value = '';
      const { _meta } = await line.request('session/prompt', { sessionId: line.sessionId, prompt: [{ type: 'text', text }] });
      report = fieldsOf(fieldsOf(_meta)['rehydrate'])['report'] as ResumeReport;
    } catch (caught) {
      error = { code: codeOf(caught), message: errorWords(caught) };
      notices.problem.value = problemOf(caught);
      const failed = failedResume(caught, Date.now());
      if (failed) session.failures.value = [...session.failures.value, failed];
    }
    this.prompting.value = false;
    await session.settle();
    await tell({ kind: 'asked in the editor', text, report, reply: lastReply(this.view.value), error });
  }

  leave(): void {
    this.#line.value?.close();
    this.#line.value = null;
  }

  async #opened(): Promise<Line> {
    const { admit, host, session } = this.#needs;
    const sessionId = session.id.value;
    if (sessionId === null) throw new Error('There is no session to open in the editor yet. Send a prompt first.');
    const awake = await host.wake();
    if (this.here.value) return this.#line.value!;
    this.leave();
    const { agent, cwd } = await awake.get(sessionId);
    // The page's word on a prompt is the host's word to every client.
    const prompt: Host['prompt'] = async (id, content, options) => awake.prompt(id, content, { ...options, policy: await admit(id) });
    this.#conversation = new Conversation();
    this.#heard.value = EMPTY_VIEW;
    const { request, close } = connect({ ...awake, prompt }, agent, (update) => this.#hear(update));
    await request('initialize', { protocolVersion: 1, clientCapabilities: {} });
    await request('session/load', { sessionId, cwd, mcpServers: [] });
    return (this.#line.value = { host: awake, sessionId, request, close });
  }

  #hear(update: Fields): void {
    const seq = this.#conversation.lastSeq + 1;
    this.#conversation.add([
      { seq, turnId: null, at: Date.now(), kind: 'update', origin: 'agent', payload: update } as unknown as SessionEvent,
    ]);
    this.#heard.value = snapshot(this.#conversation, null);
  }
}

/** The client's end of a stream in memory. What the agent asks is left to the page: the first answer counts. */
function connect(host: Host, agent: string, hear: (update: Fields) => void): Pick<Line, 'request' | 'close'> {
  const there = new TransformStream<AnyMessage, AnyMessage>();
  const back = new TransformStream<AnyMessage, AnyMessage>();
  const serving = serveAcp(host, { readable: there.readable, writable: back.writable }, { agent });
  const writer = there.writable.getWriter();
  const waiting = new Map<unknown, PromiseWithResolvers<Fields>>();
  let asked = 0;
  const listener = new WritableStream<AnyMessage>({
    write(message) {
      const { id, method, params, result, error } = fieldsOf(message);
      if (method === 'session/update') hear(fieldsOf(fieldsOf(params)['update']));
      if (method !== undefined) return;
      if (error === undefined) waiting.get(id)?.resolve(fieldsOf(result));
      else waiting.get(id)?.reject(failure(fieldsOf(error)));
      waiting.delete(id);
    },
  });
  const ended = () => waiting.forEach(({ reject }) => reject(new Error('The host is gone. Ask again: that wakes it.')));
  void back.readable.pipeTo(listener).then(ended, ended);
  return {
    async request(method, params) {
      const answer = Promise.withResolvers<Fields>();
      waiting.set(++asked, answer);
      await writer.write({ jsonrpc: '2.0', id: asked, method, params } as AnyMessage);
      return answer.promise;
    },
    close: () => serving.close(),
  };
}

/** What the host's agent side answers with is the library's error, over the wire. */
function failure({ message, data }: Fields): Error {
  const { code, ...more } = fieldsOf(data);
  return typeof code === 'string' ? new RehydrateError(code as ErrorCode, String(message), more) : new Error(String(message));
}
