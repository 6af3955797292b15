/** An agent that says exactly what a test has it say, whether or not that is the protocol. */
import type { AgentExit, AgentLauncher } from '../../../src/engine/index.ts';

export interface Heard {
  readonly id?: number;
  readonly method?: string;
  readonly params?: Readonly<Record<string, unknown>>;
  readonly result?: unknown;
  readonly error?: { readonly code: number };
}

export interface RawAgent {
  /** Puts messages on the wire as they are. */
  say(...messages: unknown[]): void;
  /** How many of them the host has read. */
  readonly read: number;
}

export interface RawLauncher extends AgentLauncher {
  readonly heard: Heard[];
  readonly last: RawAgent | null;
}

/** The answers of an agent that does all right. */
export function ordinary(message: Heard, capabilities: object = {}): unknown {
  const result = (value: unknown) => ({ jsonrpc: '2.0', id: message.id, result: value });
  switch (message.method) {
    case 'initialize':
      return result({ protocolVersion: 1, agentCapabilities: { promptCapabilities: { embeddedContext: true }, ...capabilities } });
    case 'session/new':
      return result({ sessionId: 'raw-1' });
    case 'session/load':
    case 'session/resume':
      return result({});
    default:
      return result({ stopReason: 'end_turn' });
  }
}

export const update = (payload: unknown, extra: object = {}): unknown => ({
  jsonrpc: '2.0',
  method: 'session/update',
  params: { sessionId: 'raw-1', update: payload, ...extra },
});
export const words = (text: string, messageId?: string): unknown =>
  update({ sessionUpdate: 'agent_message_chunk', content: { type: 'text', text }, ...(messageId ? { messageId } : {}) });

/** `answer` sees every message the host sends, and says what it likes. */
export function rawAgents(answer: (message: Heard, agent: RawAgent) => void): RawLauncher {
  const heard: Heard[] = [];
  let last: RawAgent | null = null;
  return {
    heard,
    get last() {
      return last;
    },
    async launch() {
      const queue: unknown[] = [];
      let read = 0;
      let wake: (() => void) | null = null;
      let over = false;
      let exit!: (exit: AgentExit) => void;
      const exited = new Promise<AgentExit>((resolve) => (exit = resolve));
      const agent: RawAgent = {
        say(...messages) {
          queue.push(...messages);
          wake?.();
        },
        get read() {
          return read;
        },
      };
      last = agent;
      return {
        stream: {
          readable: new ReadableStream(
            {
              async pull(controller) {
                while (queue.length === 0 && !over) await new Promise<void>((resolve) => (wake = resolve));
                if (queue.length === 0) return controller.close();
                read++;
                controller.enqueue(queue.shift() as never);
              },
            },
            { highWaterMark: 0 },
          ),
          writable: new WritableStream({
            write(message) {
              heard.push(message as Heard);
              answer(message as Heard, agent);
            },
          }),
        },
        exited,
        async end(how) {
          over = true;
          wake?.();
          exit(how === 'ask' ? { kind: 'ended', code: 0, signal: null } : { kind: 'killed', code: null, signal: 'SIGKILL' });
          return exited;
        },
        diagnostics: () => '',
      };
    },
  };
}
