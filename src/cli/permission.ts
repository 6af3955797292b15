/** `--permission`: who answers an agent that asks, what a person is asked, and what is said of the answer. */
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { RehydrateError } from '../engine/errors.ts';
import type { Host } from '../engine/index.ts';
import { fieldsOf, readToolCall, stringOf } from '../engine/protocol/updates.ts';
import type { PermissionRequested, PermissionResolved, SessionEvent } from '../engine/types.ts';
import { oneLine } from './format.ts';
import type { Output } from './output.ts';
import { one } from './parse.ts';
import type { Call } from './parse.ts';
import { messageOf } from './tell.ts';

/** `ask` needs somebody to ask: a terminal to read from and one to write to. */
export function permissionRule(call: Call): 'ask' | 'allow' | 'reject' {
  const rule = (one(call, 'permission') ?? 'ask') as 'ask' | 'allow' | 'reject';
  return rule === 'ask' && !(process.stdin.isTTY && process.stderr.isTTY) ? 'reject' : rule;
}

/** A permission request as a person is asked it. What the agent wrote into it is untrusted. */
interface PermissionPrompt {
  readonly title: string;
  readonly options: readonly {
    readonly optionId: string;
    /** Its id when it has no name. */
    readonly name: string;
    /** An option without a kind can be chosen, and means neither. */
    readonly means: 'allow' | 'reject' | 'neither';
  }[];
}

function permissionPrompt({ toolCall, options }: PermissionRequested): PermissionPrompt {
  return {
    title: oneLine(readToolCall(toolCall).title ?? '', 100) || 'something',
    options: options.map((option) => {
      const { name, kind } = fieldsOf(option);
      const means = stringOf(kind).startsWith('allow') ? 'allow' : stringOf(kind).startsWith('reject') ? 'reject' : 'neither';
      return { optionId: option.optionId, name: oneLine(stringOf(name), 80) || oneLine(option.optionId, 80), means };
    }),
  };
}

/** How a request was answered under a rule. */
function answerWords({ options }: PermissionPrompt, { optionId, by }: PermissionResolved, rule: 'allow' | 'reject'): string {
  if (optionId === null) return by === 'end' ? 'cancelled before it was answered' : `cancelled, as the agent offers no way to ${rule} it`;
  const option = options.find((each) => each.optionId === optionId);
  if (option?.means === 'allow') return 'allowed';
  return option?.means === 'reject' ? 'rejected' : `answered “${option?.name ?? oneLine(optionId, 80)}”`;
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
  question: Question = (text, signal) => askOn(process.stdin, process.stderr)(text, signal),
): PermissionAsker {
  /** Questions without an answer. */
  const open = new Map<string, { readonly prompt: PermissionPrompt; readonly abort: AbortController }>();
  let queue = Promise.resolve();
  const rule = permissionRule(call);
  const why =
    rule === 'reject' && one(call, 'permission') !== 'reject'
      ? ' (there is no terminal to ask on; --permission allow or reject decides)'
      : '';
  const ask = async (requestId: string, { title, options }: PermissionPrompt, signal: AbortSignal) => {
    if (signal.aborted) return;
    const choices = options.length === 0 ? '' : options.length === 1 ? '1, or ' : `1-${options.length}, or `;
    try {
      output.note(`The agent asks: ${title}`);
      for (const [index, { name }] of options.entries()) output.note(`  ${index + 1}  ${name}`);
      for (;;) {
        const answer = (await question(`${choices}Enter to refuse: `, signal)).trim();
        // Null cancels the request, where the agent offers no way to refuse it.
        const refusal = options.find(({ means }) => means === 'reject')?.optionId ?? null;
        const optionId = answer === REFUSED ? refusal : options[Number(answer) - 1]?.optionId;
        if (optionId !== undefined) return await host.respondPermission(sessionId, requestId, optionId);
      }
    } catch (error) {
      const settled =
        (error as Error).name === 'AbortError' || (RehydrateError.is(error) && /^(invalid_argument|host_closed)$/.test(error.code));
      if (!settled) output.note(`the answer could not be given: ${messageOf(error)}`);
    }
  };
  return {
    event(event) {
      if (event.kind === 'permission_requested') {
        const { requestId } = event.payload;
        const prompt = permissionPrompt(event.payload);
        const abort = new AbortController();
        open.set(requestId, { prompt, abort });
        if (rule === 'ask') queue = queue.then(() => ask(requestId, prompt, abort.signal));
      } else if (event.kind === 'permission_resolved') {
        const known = open.get(event.payload.requestId);
        open.delete(event.payload.requestId);
        known?.abort.abort();
        // Not before: a rule finds no answer among odd options, and a turn may end first.
        if (known && rule !== 'ask')
          output.note(`permission for “${known.prompt.title}”: ${answerWords(known.prompt, event.payload, rule)}${why}`);
      }
    },
    stop() {
      for (const { abort } of open.values()) abort.abort();
    },
  };
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
      // After an answer this says nothing; without one the input has ended, by Ctrl-D say.
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
