/**
 * A model with a memory of its context and nothing else, in the wire formats of OpenAI (both), Anthropic and Gemini: what it can say back, the
 * agent told it. Every request is kept, so that a test can ask what reached the model.
 */
import { LLMock } from '@copilotkit/aimock';

export interface MemoryModel {
  /** The server's origin; each wire format has its own path below it. */
  readonly url: string;
  /** All that each request held, as one text, oldest first. */
  readonly requests: () => readonly string[];
  /** From now on it begins no answer; `held` resolves when one is waited for, `release` lets all go. */
  hold(): void;
  held(): Promise<void>;
  release(): void;
  close(): Promise<void>;
}

const textOf = (content: unknown): string =>
  typeof content === 'string'
    ? content
    : Array.isArray(content)
      ? content.map((part) => (typeof part === 'string' ? part : ((part as { text?: string } | null)?.text ?? ''))).join('\n')
      : '';

const SAID = /What is the (?<asked>[a-z ]+)\?|(?:Answer with|Reply) OK/g;

/**
 * The answer to the last thing that was asked or told, wherever in the conversation it stands: agents put messages of their own after the
 * user's, and prompts that were interrupted in front of the next one. What it can say stands in `context`.
 */
export function answerTo(userWords: string, context: string): string {
  const asked = [...userWords.matchAll(SAID)].at(-1)?.groups?.['asked'];
  if (asked === undefined) return 'OK';
  return new RegExp(`the ${asked} is ([a-z]+-\\d+)`, 'i').exec(context)?.[1] ?? 'I do not know.';
}

export async function startMemoryModel(): Promise<MemoryModel> {
  const mock = new LLMock({ host: '127.0.0.1', port: 0 });
  const requests: string[] = [];
  let gate: { readonly asked: PromiseWithResolvers<void>; readonly open: PromiseWithResolvers<void> } | null = null;
  mock.on({ predicate: () => true }, async (request) => {
    const all = request.messages.map((message) => textOf(message.content)).join('\n');
    requests.push(all);
    gate?.asked.resolve();
    await gate?.open.promise;
    const asked = request.messages.filter(({ role }) => role === 'user').map((message) => textOf(message.content));
    return { content: answerTo(asked.join('\n'), all) };
  });
  await mock.start();
  return {
    url: mock.url,
    requests: () => requests,
    hold() {
      gate = { asked: Promise.withResolvers<void>(), open: Promise.withResolvers<void>() };
    },
    held: () => gate?.asked.promise ?? Promise.resolve(),
    release() {
      gate?.open.resolve();
      gate = null;
    },
    async close() {
      gate?.open.resolve();
      await mock.stop();
    },
  };
}
