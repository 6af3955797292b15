/** The conversation in an agent's updates, so that a replay can be held against what was said. */

export interface Message {
  readonly role: 'user' | 'agent';
  readonly text: string;
}

const ROLES: Readonly<Record<string, Message['role']>> = { user_message_chunk: 'user', agent_message_chunk: 'agent' };

/** Kinds of update that are part of a conversation; the others tell a session's state and may come at any time. */
const CONVERSATION = new Set(['user_message_chunk', 'agent_message_chunk', 'agent_thought_chunk', 'tool_call', 'tool_call_update', 'plan']);

type Update = Readonly<Record<string, unknown>>;

export const isConversation = (update: Update): boolean => CONVERSATION.has(String(update['sessionUpdate']));

/** Whole messages: adjacent text chunks of one role joined, whatever their chunking and ids. */
export function messagesIn(updates: readonly Update[]): Message[] {
  const messages: { role: Message['role']; text: string }[] = [];
  for (const update of updates) {
    const role = ROLES[String(update['sessionUpdate'])];
    const content = update['content'] as { type?: unknown; text?: unknown } | undefined;
    if (!role || content?.type !== 'text' || typeof content.text !== 'string') continue;
    const last = messages.at(-1);
    if (last?.role === role) last.text += content.text;
    else messages.push({ role, text: content.text });
  }
  return messages;
}

export interface Comparison {
  readonly expected: number;
  /** How many of the expected came, in order. */
  readonly matched: number;
  /** The first that did not. */
  readonly missing: Message | null;
  /** True when what is missing did come, but at another place. */
  readonly outOfOrder: boolean;
  /** Messages that came and were not expected, repeats among them. */
  readonly extra: number;
}

const plain = (text: string): string => text.replace(/\s+/g, ' ').trim();

/** An agent may put something around a user's words (its own context), but not lose them. */
const holds = (found: Message, wanted: Message): boolean => found.role === wanted.role && plain(found.text).includes(plain(wanted.text));

/** Holds a replay against what was said. */
export function compare(expected: readonly Message[], replayed: readonly Message[]): Comparison {
  let at = 0;
  let matched = 0;
  let missing: Message | null = null;
  for (const wanted of expected) {
    const found = replayed.findIndex((message, index) => index >= at && holds(message, wanted));
    if (found < 0) {
      missing ??= wanted;
      continue;
    }
    matched += 1;
    at = found + 1;
  }
  const outOfOrder = missing !== null && replayed.some((message) => holds(message, missing as Message));
  return { expected: expected.length, matched, missing, outOfOrder, extra: replayed.length - matched };
}
