/** `--permission`: who answers an agent that asks. */
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import type { Host } from '../engine/index.ts';
import type { SessionEvent } from '../engine/types.ts';
import { RehydrateError } from '../engine/errors.ts';
import { answerWords, asked, refusal } from './asked.ts';
import type { Asked } from './asked.ts';
import { one } from './parse.ts';
import type { Call } from './parse.ts';
import type { Output } from './output.ts';

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
export function permissionAsker(
  call: Call,
  host: Host,
  sessionId: string,
  output: Output,
  question: Question = askOnStderr,
): PermissionAsker {
  /** Questions without an answer. */
  const open = new Map<string, { readonly request: Asked; readonly abort: AbortController }>();
  let queue = Promise.resolve();
  const rule = permissionRule(call);
  const why =
    rule === 'reject' && one(call, 'permission') !== 'reject'
      ? ' (there is no terminal to ask on; --permission allow or reject decides)'
      : '';
  return {
    event(event) {
      if (event.kind === 'permission_requested') {
        const { requestId } = event.payload;
        const request = asked(event.payload);
        const abort = new AbortController();
        open.set(requestId, { request, abort });
        if (rule === 'ask') queue = queue.then(() => ask(host, sessionId, requestId, request, abort.signal, output, question));
      } else if (event.kind === 'permission_resolved') {
        const known = open.get(event.payload.requestId);
        open.delete(event.payload.requestId);
        known?.abort.abort();
        // Not before: a rule finds no answer among odd options, and a turn may end first.
        if (known && rule !== 'ask')
          output.note(`permission for “${known.request.title}”: ${answerWords(known.request, event.payload, rule)}${why}`);
      }
    },
    stop() {
      for (const { abort } of open.values()) abort.abort();
    },
  };
}

async function ask(
  host: Host,
  sessionId: string,
  requestId: string,
  request: Asked,
  signal: AbortSignal,
  output: Output,
  question: Question,
): Promise<void> {
  if (signal.aborted) return;
  const { title, options } = request;
  const choices = options.length === 0 ? '' : options.length === 1 ? '1, or ' : `1-${options.length}, or `;
  try {
    output.note(`The agent asks: ${title}`);
    for (const [index, { name }] of options.entries()) output.note(`  ${index + 1}  ${name}`);
    for (;;) {
      const answer = (await question(`${choices}Enter to refuse: `, signal)).trim();
      const optionId = answer === REFUSED ? refusal(request) : options[Number(answer) - 1]?.optionId;
      if (optionId !== undefined) return await host.respondPermission(sessionId, requestId, optionId);
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
