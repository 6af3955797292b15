/** Agents of another launcher, seen from the host: what they are sent, and how many of them are not gone yet. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { AnyMessage, ContentBlock } from '@agentclientprotocol/sdk';
import type { AgentLauncher } from '../../../src/engine/index.ts';

export interface SentMessage {
  readonly method: string;
  readonly params: Readonly<Record<string, unknown>>;
}

export interface WatchedLauncher extends AgentLauncher {
  /** Every request and notification that was sent to an agent, in order. */
  readonly sent: readonly SentMessage[];
  /** The blocks of every prompt that was sent. */
  readonly prompts: readonly (readonly ContentBlock[])[];
  readonly launched: number;
  /** How many agents were launched and are not gone: where an end is waited for, it is 0 behind it. */
  readonly running: number;
}

export interface WatchOptions {
  /** Runs when a message was sent, and the agent does not have it before it is through. */
  readonly onSent?: (message: SentMessage) => Promise<void>;
  /** An end takes as long as that of a real process tree, so that who does not wait for it returns before it. */
  readonly lingerMs?: number;
}

export function watched(launcher: AgentLauncher, { onSent, lingerMs = 0 }: WatchOptions = {}): WatchedLauncher {
  const sent: SentMessage[] = [];
  let launched = 0;
  let running = 0;
  return {
    sent,
    get prompts() {
      return sent.filter(({ method }) => method === 'session/prompt').map(({ params }) => params['prompt'] as ContentBlock[]);
    },
    get launched() {
      return launched;
    },
    get running() {
      return running;
    },
    async launch(spec, options) {
      const agent = await launcher.launch(spec, options);
      launched += 1;
      running += 1;
      const exited = agent.exited.then(async (exit) => {
        if (lingerMs > 0) await sleep(lingerMs);
        running -= 1;
        return exit;
      });
      const writer = agent.stream.writable.getWriter();
      const writable = new WritableStream<AnyMessage>({
        async write(message) {
          if ('method' in message) {
            const seen = { method: message.method, params: message.params as SentMessage['params'] };
            sent.push(seen);
            await onSent?.(seen);
          }
          await writer.write(message);
        },
        close: () => writer.close(),
        abort: (reason) => writer.abort(reason),
      });
      return {
        stream: { readable: agent.stream.readable, writable },
        exited,
        async end(how) {
          await agent.end(how);
          return exited;
        },
        diagnostics: () => agent.diagnostics(),
      };
    },
  };
}

/** The last words of every prompt that was sent: what the user said, without a preamble. */
export const wordsSent = ({ prompts }: WatchedLauncher): string[] => prompts.map((blocks) => (blocks.at(-1) as { text: string }).text);
