/** I3 for agents that replay in another order than was said, in other accents, or with words of their own around ours: nothing is imported twice. */
import { describe, expect, it } from 'vitest';
import { createReplayMatcher } from '../../../src/engine/resume/match.ts';
import type { SessionUpdate } from '../../../src/engine/types.ts';
import { log, type LogBuilder } from '../transcript/log.ts';
import { agent, match, said, store, thought, tool, user } from './replay.ts';

type Turn = readonly [asks: string, answers: string];
const turnsOf = (count: number): Turn[] =>
  Array.from({ length: count }, (_, i) => [`Question ${i + 1}?`, `This is the answer to question ${i + 1}.`]);
const logOf = (turns: readonly Turn[]): LogBuilder =>
  turns.reduce((built, [asks, answers]) => built.user(asks).agent(answers).end(), log());
const replay = (turns: readonly Turn[], withIds = false): SessionUpdate[] =>
  turns.flatMap(([asks, answers], i) => [user(asks, withIds ? `u${i}` : undefined), agent(answers, withIds ? `a${i}` : undefined)]);
const pick = (turns: readonly Turn[], ...at: number[]): Turn[] => at.map((i) => turns[i - 1] as Turn);

const eleven = turnsOf(11);
const byName = [...eleven.keys()].map((i) => i + 1).sort((a, b) => (String(a) < String(b) ? -1 : 1));
const yes: Turn = ['yes', 'ok'];
const [a, b, c] = turnsOf(3) as [Turn, Turn, Turn];
const f: Turn = ['From elsewhere', 'Understood'];
const g: Turn = ['More from elsewhere', 'Understood, too'];

describe('I3: our own turns in another order are counted, and not stored again', () => {
  it.each([
    ['by name, as a file for each turn is listed', eleven, pick(eleven, ...byName), 18],
    ['the first one last', eleven, pick(eleven, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 1), 20],
    ['newest first', eleven, [...eleven].reverse(), 2],
    ['the short one last, of several that say it', [a, yes, b, yes, c], [a, b, yes, c, yes], 8],
    ['all the same, in order', [yes, yes, yes], [yes, yes, yes], 6],
  ] as [string, Turn[], Turn[], number][])('%s', async (_, ours, theirs, matched) => {
    for (const withIds of [false, true]) {
      const all = 2 * ours.length;
      const result = await match(logOf(ours), replay(theirs, withIds));
      expect(said(result)).toEqual([]);
      expect(result).toMatchObject({ received: all, matched, missing: all - matched });
    }
  });

  it.each([
    ['capped, newest first', eleven, pick(eleven, 11, 10, 9)],
    ['without some, the first one last', eleven, pick(eleven, 2, 3, 7, 1)],
    ['all of it twice', [a, b], [b, a, b, a]],
    ['three of them twice', [a, b, c], [c, b, a, c, b, a]],
    ['with a foreign turn twice', [a, b, f], [a, b, f, a, b, f]],
  ] as [string, Turn[], Turn[]][])('%s', async (_, ours, theirs) => {
    expect((await match(logOf(ours), replay(theirs))).imported).toEqual([]);
  });

  it('all of the log is asked before a message is imported, and only then', async () => {
    const ours = turnsOf(400);
    const built = logOf(ours);
    let read = 0;
    const wake = async (theirs: readonly Turn[]) => {
      read = 0;
      const pages = (function* () {
        for (const page of built.newestFirst(64)) {
          read += page.length;
          yield page;
        }
      })();
      const matcher = createReplayMatcher({ log: pages, countBefore: (seq) => Promise.resolve(Math.floor(seq / 2)) });
      for (const update of replay(theirs)) matcher.take(update);
      return matcher.end();
    };
    expect(said(await wake(pick(ours, 395, 396, 397, 398, 399, 400, 1)))).toEqual([]);
    expect(read).toBe(built.events.length);
    const result = await wake([...pick(ours, 399, 400), f]);
    expect(said(result)).toEqual(['user From elsewhere', 'agent Understood']);
    store(built, result);
    expect((await wake([...pick(ours, 399, 400), f])).imported).toEqual([]);
    expect(read).toBeLessThan(200);
  });

  it('turns without an answer, which come as one with what is asked next', async () => {
    const built = log()
      .user('One')
      .end({ state: 'interrupted' })
      .user('Two')
      .end({ state: 'interrupted' })
      .user('Three')
      .agent('The answer to three')
      .end()
      .user('Four')
      .agent('The answer to four')
      .end();
    const [one, two, three, four] = [
      [user('One')],
      [user('Two')],
      [user('Three'), agent('The answer to three')],
      [user('Four'), agent('The answer to four')],
    ];
    for (const order of [
      [four, two, one, three],
      [three, four, one, two],
      [two, three, four, one],
      [three, two, four, one],
      [four, three, two, one],
      [one, three, two, four],
    ]) {
      expect(said(await match(built, (order as SessionUpdate[][]).flat()))).toEqual([]);
    }
  });

  it('the rest of the last turn, cut off, is still told, and nothing else', async () => {
    const built = logOf([a, b]).user('Tell me').agent('Once upon').end({ state: 'interrupted' });
    expect(said(await match(built, [...replay([b]), user('Tell me'), agent('Once upon a time.'), ...replay([a])]))).toEqual([
      'agent@t3  a time.',
    ]);
    const silent = logOf([a, b]).user('Tell me').end({ state: 'interrupted' });
    expect(said(await match(silent, [...replay([b]), user('Tell me'), agent('Once.'), ...replay([a])]))).toEqual(['agent@t3 Once.']);
    const twice = [...replay([a, b]), user('Tell me'), agent('Once.')];
    expect(said(await match(silent, [...twice, ...twice]))).toEqual(['agent@t3 Once.']);
  });
});

describe('what is foreign is still imported', () => {
  it.each([
    ['behind a reordered turn', [a, b, c], [b, c, a, f], ['user From elsewhere', 'agent Understood']],
    ['in front of a reordered turn', [a, b, c], [b, c, f, a], ['user From elsewhere', 'agent Understood']],
    [
      'around a reordered turn',
      [a, b, c],
      [b, c, f, a, g],
      ['user From elsewhere', 'agent Understood', 'user More from elsewhere', 'agent Understood, too'],
    ],
    [
      '“yes” said twice more',
      [a, yes, b],
      [a, yes, b, yes, c, yes],
      ['user yes', 'agent ok', `user ${c[0]}`, `agent ${c[1]}`, 'user yes', 'agent ok'],
    ],
    ['a short turn said twice', [a, b], [a, b, ['Go on', 'OK'], ['Go on', 'OK']], ['user Go on', 'agent OK', 'user Go on', 'agent OK']],
    ['nor what may be told again: the same twice in a row', [a, b], [a, b, f, f], ['user From elsewhere', 'agent Understood']],
    [
      'with words that the part before a capped replay has',
      [['continue', 'Done.'], ['go on', 'Fine.'], a, b],
      [a, b, ['continue', 'The tests pass now.'], ['Rename it', 'Done.']],
      ['user continue', 'agent The tests pass now.', 'user Rename it', 'agent Done.'],
    ],
    [
      'an answer of ours to their question',
      [['What is the capital of France?', 'The capital is Paris.'], a, b],
      [a, b, ['And again, please', 'The capital is Paris.']],
      ['user And again, please', 'agent The capital is Paris.'],
    ],
    [
      'another answer to our question',
      [['What is the weather like?', 'It is raining here.'], a, b],
      [a, b, ['What is the weather like?', 'Now the sun is out.']],
      ['user What is the weather like?', 'agent Now the sun is out.'],
    ],
  ] as [string, Turn[], Turn[], string[]][])('%s', async (_, ours, theirs, imported) => {
    const built = logOf(ours);
    const result = await match(built, replay(theirs));
    expect(said(result)).toEqual(imported);
    expect(result.importedMessages).toBe(imported.length);
    store(built, result);
    expect(said(await match(built, replay(theirs)))).toEqual([]);
  });

  it('a question at one wake, its answer at the next', async () => {
    const built = logOf([a, b]);
    store(built, await match(built, [...replay([a, b]), user('From elsewhere')]));
    const answered = await match(built, [...replay([a, b]), user('From elsewhere'), thought('hm'), agent('Understood')]);
    expect(said(answered)).toEqual(['agent_thought_chunk hm', 'agent Understood']);
    store(built, answered);
    expect((await match(built, replay([a, b, f]))).imported).toEqual([]);
  });

  it('behind our whole replay when all of it comes twice', async () => {
    const all = replay([a, b, f]);
    expect(said(await match(logOf([a, b]), [...all, ...all]))).toEqual(['user From elsewhere', 'agent Understood']);
  });

  it('with its thought, also where the import before it had one', async () => {
    const built = logOf([a]);
    const first = [...replay([a]), user(f[0]), thought('Hm.'), agent(f[1])];
    store(built, await match(built, first));
    expect(said(await match(built, [...first, user('More?'), thought('Well.'), agent('More.')]))).toEqual([
      'user More?',
      'agent_thought_chunk Well.',
      'agent More.',
    ]);
  });

  it('with its thoughts and tool calls, but for the tool calls we have', async () => {
    const built = log().user('Please run all of the tests').agent('Two fail.').tool('k1', 'x').end().user(a[0]).agent(a[1]).end();
    const again = [user('Please run all of the tests'), thought('hm'), tool('k1'), tool('k2'), agent('None of them fails now.')];
    expect(said(await match(built, [...replay([a]), ...again]))).toEqual([
      'user Please run all of the tests',
      'agent_thought_chunk hm',
      'tool_call k2',
      'agent None of them fails now.',
    ]);
    expect(
      said(await match(built, [...replay([a]), user('Please run all of the tests'), thought('hm'), tool('k1'), agent('Two fail.')])),
    ).toEqual([]);
  });
});

describe('I3: the same text in another Unicode form', () => {
  const turns: Turn[] = [
    ['Ça va, l’été ?', 'Voilà l’été — Ångström'],
    ['한국어로 말해 줘', '네, 알겠습니다.'],
    ['Tiếng Việt?', 'Được, tôi hiểu.'],
  ];
  const to = (form: string) => turns.map(([asks, answers]): Turn => [asks.normalize(form), answers.normalize(form)]);

  it.each([
    ['NFC', 'NFD'],
    ['NFD', 'NFC'],
    ['NFC', 'NFC'],
    ['NFD', 'NFD'],
  ])('a log in %s, a replay in %s', async (ours, theirs) => {
    expect(await match(logOf(to(ours)), replay(to(theirs)))).toMatchObject({ verified: 'replay-matched', matched: 6, imported: [] });
    const letters = to(theirs).flatMap(([asks, answers]) => [
      ...[...asks].map((one) => user(one)),
      ...[...answers].map((one) => agent(one)),
    ]);
    expect(await match(logOf(to(ours)), letters)).toMatchObject({ verified: 'replay-matched', matched: 6, imported: [] });
  });

  it('the rest of an answer begins where it was cut off, and is stored as it came', async () => {
    const full = 'Voilà l’été, où ça va.';
    for (const [ours, theirs] of [
      ['NFC', 'NFD'],
      ['NFD', 'NFC'],
    ] as const) {
      for (let had = 1; had < full.normalize(ours).length; had++) {
        const begun = full.normalize(ours).slice(0, had);
        const built = logOf([a]).user('Tell me').agent(begun).end({ state: 'interrupted' });
        const result = await match(built, [...replay([a]), user('Tell me'), agent(full.normalize(theirs))]);
        const rest = said(result).join('').replace('agent@t2 ', '');
        expect((begun + rest).normalize('NFC').replace(/\s+/g, '')).toBe(full.replace(/\s+/g, ''));
        store(built, result);
        expect((await match(built, [...replay([a]), user('Tell me'), agent(full.normalize(theirs))])).imported).toEqual([]);
      }
    }
    const result = await match(logOf([a]), replay([a, ['Ça va ?'.normalize('NFD'), 'Bien sûr'.normalize('NFD')]]));
    expect(said(result)).toEqual([`user ${'Ça va ?'.normalize('NFD')}`, `agent ${'Bien sûr'.normalize('NFD')}`]);
  });
});

describe('I3: a replay that stamps the messages and leaves out the last answer', () => {
  it.each([
    ['the user’s', (asks: string, i: number) => (i > 0 ? `[12:0${i}] ${asks}` : asks), (answers: string) => answers],
    ['all but the first', (asks: string, i: number) => (i > 0 ? `[12:0${i}] ${asks}` : asks), (answers: string) => `[x] ${answers}`],
    ['all', (asks: string, i: number) => `[12:0${i}] ${asks}`, (answers: string) => `[x] ${answers}`],
  ])('%s: nothing is imported, at any wake', async (_, stamp, sign) => {
    for (const words of ['p', 'A longer question, number ']) {
      for (let count = 1; count < 7; count++) {
        const ours = Array.from({ length: count }, (_, i): Turn => [`${words}${i}`, `ok ${i}`]);
        const updates = ours.flatMap(([asks, answers], i) => [user(stamp(asks, i)), ...(i < count - 1 ? [agent(sign(answers))] : [])]);
        expect(said(await match(logOf(ours), updates))).toEqual([]);
      }
    }
  });

  it('and a foreign question in that place is imported only where nothing of ours is missing before it', async () => {
    const updates = [...replay([a]), user('From elsewhere')];
    expect(said(await match(logOf([a]), updates))).toEqual(['user From elsewhere']);
    for (const more of [[], [agent('Understood')]]) {
      const result = await match(logOf([a, b]), [...updates, ...more]);
      expect(result).toMatchObject({ imported: [], matched: 2, missing: 2, reachedEnd: false });
    }
  });

  it('but a word of ours in what was said elsewhere makes it no rendering', async () => {
    const built = logOf([a]).user('so').end({ state: 'interrupted' });
    const result = await match(built, replay([a, ['Is it so, or not?', 'It is.']]));
    expect(said(result)).toEqual(['user Is it so, or not?', 'agent It is.']);
  });

  it('and another conversation that shares a word with ours brings nothing', async () => {
    const theirs: Turn[] = [
      ['Bake a cake', 'Which one?'],
      ['yes', 'Chocolate, then.'],
      ['Sugar?', 'Lots.'],
    ];
    expect(said(await match(logOf([a, yes, b]), replay(theirs)))).toEqual([]);
    expect(said(await match(logOf([['yes', 'All right.']]), replay(theirs)))).toEqual([]);
  });
});
