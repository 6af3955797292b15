/** Reads the conversation from an agent's updates, and compares a replay with what was said. Pure. */
import { blocksOf, messageIdOf, messageText, replacesMessage, roleOf, textOf } from '../../engine/protocol/updates.ts';

export interface Message {
  readonly role: 'user' | 'agent';
  readonly text: string;
}

/**
 * The whole messages in updates: adjacent text chunks of one role are joined. Where a message id changes or is missing, another message begins
 * (it may be a remark beside the reply). Notices are left out.
 */
export function messagesIn(updates: readonly unknown[]): Message[] {
  const messages: { role: Message['role']; text: string; id: string | null }[] = [];
  for (const update of updates) {
    const role = roleOf(update);
    const blocks = blocksOf(update);
    if ((role !== 'user' && role !== 'agent') || blocks.length === 0 || !blocks.some((block) => textOf(block) !== null)) continue;
    const text = messageText(update);
    const id = messageIdOf(update);
    const last = messages.at(-1);
    if (last?.role === role && last.id === id && replacesMessage(update)) last.text = '';
    // Some agents give each content block of a prompt its own id.
    if (last?.role === role && (role === 'user' || last.id === id)) last.text += text;
    else messages.push({ role, text, id });
  }
  return messages.map(({ role, text }) => ({ role, text }));
}

const plain = (text: string): string => text.replace(/\s+/g, ' ').trim();

/** Whether a replayed message has the wanted text. An agent may add its own context around it. */
const holds = (found: Message, wanted: Message): boolean => found.role === wanted.role && plain(found.text).includes(plain(wanted.text));

export function compare(said: readonly Message[], replayed: readonly Message[]) {
  const places = placesOf(said, replayed);
  const lost = said.filter((_, index) => places[index] === -1);
  const beside = lost.filter((message) => message.role === 'agent' && repliedOtherwise(said.indexOf(message), said, places));
  const missing = lost.find((message) => !beside.includes(message)) ?? null;
  const used = new Set(places);
  const matched = said.length - lost.length;
  return {
    expected: said.length - beside.length,
    /** How many of the expected messages came in order. */
    matched,
    /** The first of them that did not. */
    missing,
    /** Whether that one came at another place. */
    outOfOrder: missing !== null && replayed.some((message, index) => !used.has(index) && holds(message, missing)),
    /** Lost messages beside a reply that did come, such as a warning: they are not part of the conversation. */
    beside,
    /** Replayed messages that have more than was said; what was said is shown as “…”. */
    longer: said.flatMap((message, index) => {
      const came = plain(replayed[places[index]!]?.text ?? '');
      const wanted = plain(message.text);
      return came === '' || came === wanted ? [] : [came.replace(wanted, () => '…')];
    }),
    /** How many replayed messages were not expected, repeats included. */
    extra: replayed.length - matched,
  };
}

/**
 * The place of each message in the replay, in order; −1 if it is missing. The user's messages, which all differ, are placed first, and then the
 * replies between them, because the same reply may have been given in another turn, too.
 */
function placesOf(said: readonly Message[], replayed: readonly Message[]): number[] {
  const places = said.map(() => -1);
  for (const role of ['user', 'agent'] as const) {
    let from = 0;
    for (const [index, message] of said.entries()) {
      if (message.role === role) {
        const end = places.slice(index + 1).find((place) => place >= 0) ?? replayed.length;
        places[index] = replayed.findIndex((found, at) => at >= from && at < end && holds(found, message));
      }
      from = Math.max(from, (places[index] ?? -1) + 1);
    }
  }
  return places;
}

/** Whether another message of the same reply did come. */
function repliedOtherwise(index: number, said: readonly Message[], places: readonly number[]): boolean {
  const sameReply = (step: 1 | -1): boolean => {
    for (let i = index + step; said[i]?.role === 'agent'; i += step) if (places[i] !== -1) return true;
    return false;
  };
  return sameReply(1) || sameReply(-1);
}
