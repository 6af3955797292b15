/** How messages are compared: by role and text, whatever the white space, the form of an accent and the chunks. */
import type { ContentBlock, SessionUpdate } from '../types.ts';

export type Role = 'user' | 'agent';

/** The role of a message chunk; null for every other update, thoughts included. */
export function roleOf(update: SessionUpdate): Role | null {
  if (update.sessionUpdate === 'user_message_chunk') return 'user';
  return update.sessionUpdate === 'agent_message_chunk' ? 'agent' : null;
}

/** The id of a chunk's message, where the agent gives one. */
export function messageIdOf(update: SessionUpdate | undefined): string | null {
  const id = (update as { messageId?: unknown } | undefined)?.messageId;
  return typeof id === 'string' ? id : null;
}

/** What a chunk contributes to its message: its text, and for anything else only its kind. */
export interface ChunkText {
  readonly text: string;
  /** `image`, `resource`, …; empty for text. */
  readonly kind: string;
}

export function chunkText(update: SessionUpdate): ChunkText {
  const content = (update as { content?: unknown }).content as Partial<ContentBlock> | null | undefined;
  if (content?.type === 'text') return { text: typeof content.text === 'string' ? content.text : '', kind: '' };
  return { text: '', kind: typeof content?.type === 'string' ? content.type : 'unknown' };
}

/**
 * White space goes altogether: a prompt of several blocks comes back joined by a line break, a space or nothing.
 * What is left is compared character by character, each accent beside its letter (NFD): so a text decomposed in pieces is
 * the text decomposed whole, and what it begins with it still begins with.
 */
export function squeeze(text: string): string {
  return text.normalize('NFD').replace(/\s+/g, '');
}

const LONG = 256;

/** A message's key: equal keys are equal messages. Long ones are reduced, so that a year of them fits in memory. */
export function keyOf(role: Role, squeezed: string, kinds: readonly string[]): string {
  // Attachments are replayed as anything or nothing; they count only where there is no word beside them.
  const text = squeezed === '' ? `[${kinds.join()}]` : squeezed;
  return `${role}:${text.length <= LONG ? text : `${text.length}#${hash(text)}#${text.slice(0, 48)}`}`;
}

/** Two 32-bit FNV-style lanes over the code units: no defence against an attacker, who could only fool himself. */
function hash(text: string): string {
  let a = 0x811c9dc5;
  let b = 0x9e3779b9;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    a = Math.imul(a ^ unit, 0x01000193);
    b = Math.imul(b ^ unit, 0x85ebca6b) + 0x9e37;
  }
  return `${(a >>> 0).toString(36)}.${(b >>> 0).toString(36)}`;
}

/** What follows in `text` behind the first `count` characters of it squeezed. */
export function textAfter(text: string, count: number): string {
  let left = count;
  let at = 0;
  for (const char of text) {
    if (left === 0) break;
    at += char.length;
    const squeezed = squeeze(char);
    // The letter was there already, its accent was not.
    if (squeezed.length > left) return squeezed.slice(left) + text.slice(at);
    left -= squeezed.length;
  }
  return text.slice(at);
}

/** The text said twice over, reduced to once; null when it is not. */
export function halved(squeezed: string): string | null {
  const half = squeezed.length / 2;
  return squeezed.length > 0 && Number.isInteger(half) && squeezed.slice(0, half) === squeezed.slice(half) ? squeezed.slice(0, half) : null;
}

/** Below this a text is in many others by chance. */
const TELLING = 12;

/** An accent is no character of its own, nor is a part of a Hangul syllable. */
export const isTelling = (squeezed: string): boolean => squeezed.slice(0, 4 * TELLING).normalize('NFC').length >= TELLING;

/**
 * Whether a replayed message is an altered rendering of a logged one: wrapped in context by the agent, cut short, or
 * without its first words. Asked only of messages that stand in the same place.
 */
export function isRendering(replayed: string, logged: string): boolean {
  const shown = replayed.replace(/(?:…|\.\.\.)$/, '');
  const [short, long] = shown.length < logged.length ? [shown, logged] : [logged, shown];
  return isTelling(short) && long.includes(short);
}
