/** I11: a live answer that begins like a message the replay still owed is the live answer. Found by the model test. */
import { describe, expect, it } from 'vitest';
import { createLiveFilter } from '../../../src/engine/resume/match-live.ts';
import type { SessionUpdate } from '../../../src/engine/index.ts';
import { log } from '../transcript/log.ts';
import { match, user } from './replay.ts';

const chunk = (text: string, messageId?: string): SessionUpdate => ({
  sessionUpdate: 'agent_message_chunk',
  content: { type: 'text', text },
  ...(messageId ? { messageId } : {}),
});
const heard = (next: readonly string[], chunks: readonly SessionUpdate[]): string => {
  const filter = createLiveFilter({
    prompt: [{ type: 'text', text: 'again' }],
    next: next.map((text) => ({ role: 'agent' as const, text, messageId: null, byText: true })),
  });
  const items = [...chunks.flatMap((update) => filter.push(update)), ...filter.end()];
  return items.map(({ update }) => (update as { content: { text: string } }).content.text).join('');
};

describe('I11: an owed “Noted.” and a live answer that begins with it', () => {
  it.each([
    ['in one message, by its id', [chunk('Noted.', 'm1'), chunk(' Your dog: Rex.', 'm1')], 'Noted. Your dog: Rex.'],
    ['without ids', [chunk('Noted.'), chunk(' Your dog: Rex.')], 'Noted. Your dog: Rex.'],
    ['in smaller chunks', [chunk('No', 'm1'), chunk('ted.', 'm1'), chunk(' Your dog: Rex.', 'm1')], 'Noted. Your dog: Rex.'],
    [
      'and, under another id, the late replay of it before',
      [chunk('Noted.', 'm0'), chunk('Noted. Your dog: Rex.', 'm1')],
      'Noted. Your dog: Rex.',
    ],
  ])('%s: all of it is kept', (_, chunks, expected) => {
    expect(heard(['Noted.'], chunks)).toBe(expected);
  });

  it('of a turn that was cut off only the question is owed, not the half of its answer', async () => {
    const result = await match(
      log().user('My dog is Rex.').agent('Noted.').end().user('My cat is Tom.').agent('Noted. Your').end({ state: 'interrupted' }),
      [user('My dog is Rex.')],
    );
    expect(result.next.map(({ role, text }) => `${role} ${text}`)).toEqual(['agent Noted.', 'user MycatisTom.']);
  });
});
