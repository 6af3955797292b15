/** `--permission`: who answers an agent that asks. */
import { createInterface } from 'node:readline/promises';
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

/** Puts a question to the person and resolves to the answer; rejects when the signal aborts. */
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
      const optionId = answer === '' ? refusal(request) : request.options[Number(answer) - 1]?.optionId;
      if (optionId !== undefined) return await host.respondPermission(sessionId, request.requestId, optionId);
    }
  } catch (error) {
    const settled = (error as Error).name === 'AbortError' || (RehydrateError.is(error) && error.code === 'invalid_argument');
    if (!settled) output.note(`the answer could not be given: ${error instanceof Error ? error.message : String(error)}`);
  }
}

const askOnStderr: Question = async (question, signal) => {
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  // A raw terminal delivers Ctrl-C as a key; it means the same here as everywhere.
  terminal.on('SIGINT', () => process.kill(process.pid, 'SIGINT'));
  try {
    return await terminal.question(question, { signal });
  } finally {
    terminal.close();
  }
};

function refusal(request: PermissionRequested): string | null {
  return request.options.find((option) => option.kind.startsWith('reject'))?.optionId ?? null;
}
