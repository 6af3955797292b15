/** I3 for any order in which an agent replays our turns, and for what was said elsewhere behind them. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ReplayResult } from '../../../src/engine/resume/match.ts';
import { squeeze } from '../../../src/engine/resume/match-messages.ts';
import type { SessionUpdate } from '../../../src/engine/types.ts';
import { log, type LogBuilder } from '../transcript/log.ts';
import { agent, match, said, store, tool, user } from './replay.ts';

interface Turn {
  readonly asks: string;
  readonly answers: string;
  readonly call: boolean;
}

/** Few words, so that messages repeat, begin alike and contain each other. */
const word = fc.constantFrom(
  'yes',
  'ok',
  'go on',
  'continue',
  'the file',
  'a',
  'done.',
  '漢字',
  'turn 1',
  'turn 12',
  'a rather longer text',
);
const words = fc.array(word, { minLength: 1, maxLength: 3 }).map((list) => list.join(' '));
const answered = fc.record<Turn>({ asks: words, answers: words, call: fc.boolean() });
const listOf = (turn: fc.Arbitrary<Turn>) => fc.array(turn, { minLength: 1, maxLength: 9 });
const permuted = (turn: fc.Arbitrary<Turn>) =>
  listOf(turn).chain((ours) => fc.tuple(fc.constant(ours), fc.shuffledSubarray(ours, { minLength: ours.length })));
/** Not said twice over, which may be an agent’s way to say it once. */
const isOnce = ({ asks, answers }: Turn): boolean => [asks, answers].every((text) => !/^(.+)\1$/s.test(squeeze(text)));
const foreign = fc.array(answered.filter(isOnce), { minLength: 1, maxLength: 4 });

type Ids = 'none' | 'message';
const scheme = fc.constantFrom<Ids>('none', 'message');

const logOf = (turns: readonly Turn[]): LogBuilder =>
  turns.reduce((built, { asks, answers, call }, i) => {
    built.user(asks);
    if (call) built.tool(`call-${i}`, 'x');
    return built.agent(answers).end();
  }, log());
const replay = (turns: readonly Turn[], ids: Ids, from = 0): SessionUpdate[] =>
  turns.flatMap(({ asks, answers, call }, i) => {
    const id = (role: string) => (ids === 'none' ? undefined : `${role}${from + i}`);
    return [user(asks, id('u')), ...(call ? [tool(`replayed-${from + i}`)] : []), agent(answers, id('a'))];
  });
const messagesOf = (turns: readonly Turn[]): string[] => turns.flatMap(({ asks, answers }) => [`user ${asks}`, `agent ${answers}`]);
/** One line a message: chunks are whole messages here. */
const importedBy = (result: ReplayResult): string[] =>
  result.imported.flatMap(({ update }) => {
    if (update.sessionUpdate !== 'user_message_chunk' && update.sessionUpdate !== 'agent_message_chunk') return [];
    return [`${update.sessionUpdate === 'user_message_chunk' ? 'user' : 'agent'} ${(update.content as { text: string }).text}`];
  });
/** What `list` has more often than `of` has. */
function beyond(list: readonly string[], of: readonly string[]): string[] {
  const left = [...of];
  return list.filter((one) => {
    const at = left.indexOf(one);
    if (at >= 0) left.splice(at, 1);
    return at < 0;
  });
}

/** `RUNS=20000` searches as long as you like. */
const RUNS = { numRuns: Number(process.env['RUNS'] ?? 200) };
const TIME = 600_000;

describe('I3: any order of our turns', () => {
  it('adds nothing', { timeout: TIME }, async () => {
    await fc.assert(
      fc.asyncProperty(permuted(answered), scheme, async ([ours, theirs], ids) => {
        const result = await match(logOf(ours), replay(theirs, ids));
        expect(said(result)).toEqual([]);
        expect(result.received).toBeGreaterThanOrEqual(result.matched);
      }),
      RUNS,
    );
  });

  it('adds nothing where some do not come', { timeout: TIME }, async () => {
    await fc.assert(
      fc.asyncProperty(permuted(answered), fc.nat(8), scheme, async ([ours, theirs], skip, ids) => {
        expect(said(await match(logOf(ours), replay(theirs.slice(skip), ids)))).toEqual([]);
      }),
      RUNS,
    );
  });
});

describe('what is foreign', () => {
  it('behind any order of our turns: no more than that, and each once', { timeout: TIME }, async () => {
    await fc.assert(
      fc.asyncProperty(permuted(answered), foreign, scheme, async ([ours, theirs], more, ids) => {
        const built = logOf(ours);
        const all = () => replay([...theirs, ...more], ids);
        const result = await match(built, all());
        expect(beyond(importedBy(result), messagesOf(more))).toEqual([]);
        store(built, result);
        expect(importedBy(await match(built, all()))).toEqual([]);
      }),
      RUNS,
    );
  });

  it('behind our turns in their order, whatever its words: exactly that', { timeout: TIME }, async () => {
    await fc.assert(
      fc.asyncProperty(listOf(answered), foreign, async (ours, more) => {
        const result = await match(logOf(ours), replay([...ours, ...more], 'message'));
        expect(importedBy(result)).toEqual(messagesOf(more));
        expect(result.importedMessages).toBe(2 * more.length);
      }),
      RUNS,
    );
  });
});
