/** `--permission`: who answers an agent that asks. */
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import type { Host } from '../engine/index.ts';
import type { PermissionRequested, SessionEvent } from '../engine/types.ts';
import { RehydrateError } from '../engine/errors.ts';
import { one } from './parse.ts';
import type { Call } from './parse.ts';
import type { Output } from './output.ts';
import { oneLine } from './words.ts';

/** `ask` needs somebody to ask: a terminal to read from and one to write to. */
export function permissionRule(call: Call): 'ask' | 'allow' | 'reject' {
  const rule = (one(call, 'permission') ?? 'ask') as 'ask' | 'allow' | 'reject';
  return rule === 'ask' && !canAsk() ? 'reject' : rule;
}

function canAsk(): boolean {
  return process.stdin.isTTY === true && process.stderr.isTTY === true;
}

export interface PermissionAsker {
  event(event: SessionEvent): void;
  stop(): void;
}

/** What a person says who only presses Enter, and what stands for one who has left. */
export const REFUSED = '';

/** Puts a question to the person and resolves to the answer, `REFUSED` at the end of the input; rejects when the signal aborts. */
export type Question = (question: string, signal: AbortSignal) => Promise<string>;

/** Asks on the terminal, one question after the other, and says what was decided without asking. */
export function permissionAsker(call: Call, host: Host, sessionId: string, output: Output, question: Question = askOnStderr): PermissionAsker {
  const open = new Map<string, AbortController>();
  let queue = Promise.resolve();
  const rule = permissionRule(call);
  return {
    event(event) {
      if (event.kind === 'permission_resolved') open.get(event.payload.requestId)?.abort();
      if (event.kind !== 'permission_requested') return;
      const title = oneLine(event.payload.toolCall?.title ?? 'something', 100);
      if (rule !== 'ask') {
        const why = rule === 'reject' && one(call, 'permission') !== 'reject' ? ' (there is no terminal to ask on; --permission allow or reject decides)' : '';
        return output.note(`permission for “${title}”: ${rule === 'allow' ? 'allowed' : 'rejected'}${why}`);
      }
      const abort = new AbortController();
      open.set(event.payload.requestId, abort);
      queue = queue.then(() => ask(host, sessionId, event.payload, title, abort.signal, output, question));
    },
    stop() {
      for (const abort of open.values()) abort.abort();
    },
  };
}

async function ask(host: Host, sessionId: string, request: PermissionRequested, title: string, signal: AbortSignal, output: Output, question: Question): Promise<void> {
  if (signal.aborted) return;
  try {
    output.note(`The agent asks: ${title}`);
    for (const [index, option] of request.options.entries()) output.note(`  ${index + 1}  ${oneLine(option.name, 80)}`);
    for (;;) {
      const answer = (await question(`1-${request.options.length}, or Enter to refuse: `, signal)).trim();
      const optionId = answer === REFUSED ? refusal(request) : request.options[Number(answer) - 1]?.optionId;
      if (optionId !== undefined) return await host.respondPermission(sessionId, request.requestId, optionId);
    }
  } catch (error) {
    const settled = (error as Error).name === 'AbortError' || (RehydrateError.is(error) && error.code === 'invalid_argument');
    if (!settled) output.note(`the answer could not be given: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** Asks with a line editor of its own for every question. */
export function askOn(input: Readable, output: Writable): Question {
  return (question, signal) => {
    if (signal.aborted) return Promise.reject(signal.reason as Error);
    // An input that is over says so once; a line editor that is opened on it would wait for ever.
    if (input.readableEnded || input.destroyed) return Promise.resolve(REFUSED);
    return new Promise((resolve, reject) => {
      const terminal = createInterface({ input, output });
      const abort = () => {
        reject(signal.reason as Error);
        terminal.close();
      };
      signal.addEventListener('abort', abort, { once: true });
      // A raw terminal delivers Ctrl-C as a key; it means the same here as everywhere.
      terminal.on('SIGINT', () => process.kill(process.pid, 'SIGINT'));
      // Behind an answer this says nothing; without one the input has ended, by Ctrl-D say.
      terminal.on('close', () => {
        signal.removeEventListener('abort', abort);
        resolve(REFUSED);
      });
      terminal.question(question, (answer) => {
        resolve(answer);
        terminal.close();
      });
    });
  };
}

const askOnStderr: Question = (question, signal) => askOn(process.stdin, process.stderr)(question, signal);

function refusal(request: PermissionRequested): string | null {
  return request.options.find((option) => option.kind.startsWith('reject'))?.optionId ?? null;
}
