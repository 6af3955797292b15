/** I11: a live answer that begins like a message the replay still owed is the live answer. Found by the model test. */
import { describe, expect, it } from 'vitest';
import { createLiveFilter, type LiveFilterOptions } from '../../../src/engine/resume/match-live.ts';
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
    next: next.map((text) => ({ side: 'agent' as const, text, messageId: null, isCertain: true })),
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

  it.each([
    ['its echo has an id of its own', 'u2', ['usage_update', 'agent_message_chunk', 'notice']],
    ['its echo has none', undefined, ['usage_update', 'agent_message_chunk', 'notice']],
    ['what comes is the old one, by its id', 'u1', ['usage_update', 'notice']],
  ])('the same question and the same answer once more after a wake: %s', (_, id, kept) => {
    const filter = createLiveFilter({
      prompt: [{ type: 'text', text: 'again' }],
      next: [
        { side: 'user', text: 'again', messageId: 'u1', isCertain: true },
        { side: 'agent', text: 'Noted.', messageId: 'a1', isCertain: true },
      ],
    });
    const echo = { sessionUpdate: 'user_message_chunk', content: { type: 'text', text: 'again' }, ...(id ? { messageId: id } : {}) };
    const said = [
      echo,
      { sessionUpdate: 'usage_update', used: 0, size: 1 },
      chunk('Noted.', 'a2'),
      { sessionUpdate: 'notice', title: 'Beside' },
    ];
    const items = [...said.flatMap((update) => filter.push(update as SessionUpdate)), ...filter.end()];
    expect(items.map(({ update }) => update.sessionUpdate)).toEqual(kept);
  });

  it.each([
    ['after its own question', [user('My dog is Rex.'), chunk('Noted.')], []],
    ['without it, it may be the live one', [chunk('Noted.', 'a1')], ['Noted.']],
  ])('an old answer with which a turn ends: %s', (_, said, kept) => {
    const filter = createLiveFilter({
      prompt: [{ type: 'text', text: 'again' }],
      next: [
        { side: 'user', text: 'My dog is Rex.', messageId: null, isCertain: true },
        { side: 'agent', text: 'Noted.', messageId: 'a1', isCertain: true },
      ].slice(said.length === 1 ? 1 : 0) as LiveFilterOptions['next'] & object,
    });
    const items = [...said.flatMap((update) => filter.push(update)), ...filter.end()];
    expect(items.map(({ update }) => (update as { content: { text: string } }).content.text)).toEqual(kept);
  });

  it.each([
    ['a prompt that nothing answered stands before the next', '', ['My cat is Tom.', 'Noted: Tom.']],
    ['an answer that was cut off comes whole', 'Noted. Your', ['My dog is Rex.', 'Noted. Your', 'My cat is Tom.', 'Noted: Tom.']],
    ['an answer that was cut off comes in part', 'Noted. Your', ['My dog is Rex.', 'Noted.', 'My cat is Tom.', 'Noted: Tom.']],
    ['and not at all', 'Noted. Your', ['My dog is Rex.', 'My cat is Tom.', 'Noted: Tom.']],
  ])('I3: a replay in a turn, of a session with a turn that was cut off: %s', async (_, half, replayed) => {
    const before = log().user('My dog is Rex.');
    const cutOff = (half === '' ? before : before.agent(half)).end({ state: 'interrupted' });
    const { next } = await match(cutOff.user('My cat is Tom.').agent('Noted: Tom.').end(), []);
    const filter = createLiveFilter({ prompt: [{ type: 'text', text: 'again' }], next });
    const said = [...replayed.map((text) => (text.startsWith('My') ? user(text) : chunk(text))), chunk('Live.')];
    const items = [...said.flatMap((update) => filter.push(update)), ...filter.end()];
    expect(items.map(({ update }) => (update as { content: { text: string } }).content.text)).toEqual(['Live.']);
  });

  it('of a turn that was cut off only the question is owed, not the half of its answer', async () => {
    const result = await match(
      log().user('My dog is Rex.').agent('Noted.').end().user('My cat is Tom.').agent('Noted. Your').end({ state: 'interrupted' }),
      [user('My dog is Rex.')],
    );
    const heardAfter = (...texts: string[]) => {
      const filter = createLiveFilter({ prompt: [{ type: 'text', text: 'again' }], next: result.next });
      const items = [...[chunk('Noted.'), user('My cat is Tom.'), ...texts.map((text) => chunk(text))].flatMap((one) => filter.push(one))];
      return [...items, ...filter.end()].map(({ update }) => (update as { content: { text: string } }).content.text).join('');
    };
    expect(heardAfter('Noted.', ' Your')).toBe('Noted. Your');
    expect(heardAfter('Noted. Your', ' dog: Rex.')).toBe('Noted. Your dog: Rex.');
  });
});
