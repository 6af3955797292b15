/** I3 for an agent that replays every message twice, behind a turn that was cut off. Found by the model test. */
import { describe, expect, it } from 'vitest';
import { log } from '../transcript/log.ts';
import { agent, match, said, user } from './replay.ts';

const cutOff = (...answer: string[]) => {
  const record = log().user('My dog is Rex.').agent('Noted.').end().user('My cat is called Tom.');
  return (answer.length > 0 ? record.agent(...answer) : record).end({ state: 'interrupted' });
};
const twice = [
  user('My dog is Rex.', 'u1'),
  agent('Noted.', 'a1'),
  user('My cat is called Tom.', 'u2'),
  agent('Noted. Your cat: Tom.', 'a2'),
].flatMap((update) => [update, update]);

describe('I3: every message is replayed twice, with its id, and the last turn was cut off', () => {
  it('before its answer: the answer is imported once', async () => {
    expect(said(await match(cutOff(), twice))).toEqual(['agent@t2 Noted. Your cat: Tom.']);
  });

  it('in the middle of its answer: the rest is imported once', async () => {
    expect(said(await match(cutOff('Noted. Your '), twice))).toEqual(['agent@t2 cat: Tom.']);
  });

  it('at the end of its answer: nothing is imported', async () => {
    expect(said(await match(cutOff('Noted. Your cat: Tom.'), twice))).toEqual([]);
  });
});

it('I3: an earlier answer that comes again is not the rest of one that begins alike and was cut off', async () => {
  const record = log().user('My dog is Rex.').agent('Noted. Your dog: Rex.').end();
  const cut = record.user('My cat is called Tom.').agent('Noted. Your ').end({ state: 'interrupted' });
  const once = [user('My dog is Rex.', 'u1'), agent('Noted. Your dog: Rex.', 'a1'), user('My cat is called Tom.', 'u2')];
  expect((await match(cut, [...once, ...once])).imported).toEqual([]);
});
