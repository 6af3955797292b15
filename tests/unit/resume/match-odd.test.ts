/** I3, I11: replays that no agent was seen to send. Nothing of ours is stored twice, and no word of the user's is lost. */
import { describe, expect, it } from 'vitest';
import type { ReplayMatcherOptions } from '../../../src/engine/resume/match.ts';
import type { SessionUpdate } from '../../../src/engine/types.ts';
import { log, type LogBuilder } from '../transcript/log.ts';
import { agent, match, said, store, thought, tool, user } from './replay.ts';

const two = () => log().user('Remember blue').agent('OK, blue.').end().user('Which colour?').agent('Blue').end();
const replayOfTwo = [user('Remember blue'), agent('OK, blue.'), user('Which colour?'), agent('Blue')];
const foreign = [user('From elsewhere'), agent('Understood')];
const imported = ['user From elsewhere', 'agent Understood'];
const withIds = (updates: readonly SessionUpdate[], of: string): SessionUpdate[] =>
  updates.map((update, i) => ({ ...update, messageId: `${of}${i}` }) as SessionUpdate);
const silent = () => log().user('Write the file').tool('k1', 'x').end().user('And the other').tool('k2', 'x').end();
const cutOff = (text: string) => two().user(text).end({ state: 'interrupted' });
const whole = (text: string | null, messageId: string) =>
  ({ sessionUpdate: 'agent_message', messageId, content: text === null ? [] : [{ type: 'text', text }] }) as unknown as SessionUpdate;
const usersOnly = (updates: readonly SessionUpdate[]) => withIds(updates, 'u').map((update, i) => (i % 2 === 0 ? update : updates[i]!));
const agentsOnly = (updates: readonly SessionUpdate[]) => withIds(updates, 'a').map((update, i) => (i % 2 === 1 ? update : updates[i]!));

type Odd = [string, () => LogBuilder, readonly SessionUpdate[], readonly string[], Partial<ReplayMatcherOptions>?];

it.each<Odd>([
  [
    'turns answered by tool calls alone, which come without them',
    silent,
    [user('Write the file'), user('And the other'), user('A third'), tool('k3')],
    ['user A third', 'tool_call k3'],
  ],
  [
    'turns answered by tool calls alone, which come with them',
    silent,
    [user('Write the file'), tool('k1'), user('And the other'), tool('k2'), user('A third'), tool('k3')],
    ['user A third', 'tool_call k3'],
  ],
  ['empty messages of the user’s', two, [user(''), ...replayOfTwo, user(' \n'), agent(''), ...foreign], imported],
  ['each turn twice', two, [0, 2].flatMap((i) => [0, 1].flatMap(() => replayOfTwo.slice(i, i + 2))).concat(foreign, foreign), imported],
  ...(
    [
      ['the user’s messages', usersOnly],
      ['the answers', agentsOnly],
    ] as const
  ).map(([which, named]): Odd => {
    const all = named([...replayOfTwo, user('ok'), agent('Understood')]);
    return [`all of it twice, ${which} with ids, without some on the way`, two, [...all, ...all.slice(2)], ['user ok', 'agent Understood']];
  }),
  ['one id for everything', two, [...replayOfTwo, ...foreign].map((one) => ({ ...one, messageId: 'x' })) as SessionUpdate[], imported],
  [
    'an answer that is taken back whole',
    two,
    [...replayOfTwo, user('From elsewhere'), whole('draft', 'q'), whole(null, 'q'), whole('Understood', 'q')],
    imported,
  ],
  [
    'an answer that is taken back, and nothing in its place',
    two,
    [...replayOfTwo, user('From elsewhere'), whole('draft', 'q'), whole(null, 'q')],
    ['user From elsewhere'],
  ],
  [
    'a prompt that was cut off comes wrapped, with its answer',
    () => cutOff('Please summarise the file'),
    [...replayOfTwo, user('<env/>Please summarise the file'), thought('hm'), agent('It says hello'), ...foreign],
    ['agent_thought_chunk@t3 hm', 'agent@t3 It says hello', ...imported],
  ],
  [
    'an answer that was cut off comes whole, in chunks that are answers of other turns',
    () =>
      log()
        .user('Read it')
        .agent('The file')
        .end()
        .user('So?')
        .agent('is here')
        .end()
        .user('Again')
        .agent('The file is')
        .end({ state: 'interrupted' }),
    [
      ...[user('Read it'), agent('The file'), user('So?'), agent('is here'), user('Again'), agent('The file'), agent(' is here')],
      ...foreign,
    ],
    ['agent@t3  here', ...imported],
  ],
  [
    'two turns of the same words, of which one comes',
    () => log().user('yes').agent('ok').end().user('yes').agent('ok').end(),
    [user('yes'), agent('ok'), ...foreign],
    imported,
  ],
  [
    'adopted, all of it twice',
    log,
    [...replayOfTwo, ...replayOfTwo],
    ['user Remember blue', 'agent OK, blue.', 'user Which colour?', 'agent Blue'],
    { isAdopted: true },
  ],
  ['adopted, each chunk twice', log, withIds(foreign, 'm').flatMap((one) => [one, one]), imported, { isAdopted: true }],
  ['adopted, the agent speaks first', log, [agent('Welcome'), ...foreign], ['agent Welcome', ...imported], { isAdopted: true }],
])('%s', async (_, record, updates, expected, options = {}) => {
  const built = record();
  const result = await match(built, updates, options);
  expect(said(result)).toEqual(expected);
  expect(result.verified).toMatch(/replay-(?:matched|partial)/);
  store(built, result);
  expect(said(await match(built, updates, options))).toEqual([]);
});

describe('what is missing', () => {
  it('is counted right where only the newest part of the log is read', async () => {
    const built = log();
    for (let i = 0; i < 400; i++) built.user(`Question ${i}`).agent(`Answer ${i}`).end();
    for (let page = 1; page < 12; page++) {
      const countBefore = (seq: number) =>
        Promise.resolve(2 * built.events.filter((event) => event.kind === 'turn_started' && event.seq < seq).length);
      const result = await match(built, [user('Question 399'), agent('Answer 399')], { log: built.newestFirst(page), countBefore });
      expect(result).toMatchObject({ matched: 2, missing: 798 });
    }
  });
});
