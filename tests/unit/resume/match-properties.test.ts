import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createReplayMatcher } from '../../../src/engine/resume/match.ts';
import type { SessionUpdate } from '../../../src/engine/types.ts';
import { log, type LogBuilder } from '../transcript/log.ts';
import { agent, match, said, store, thought, tool, user } from './replay.ts';

/** Few words, so that messages repeat, begin alike and contain each other. */
const words = fc
  .array(fc.constantFrom('ok', 'yes', 'go on', 'fix', 'the file', 'a', 'b', 'done.', '漢字', 'turn 1', 'turn 12'), {
    minLength: 1,
    maxLength: 4,
  })
  .map((list) => list.join(' '));
const turn = fc.record({ asks: words, answers: words, tool: fc.boolean() });
type Turn = { asks: string; answers: string; tool: boolean };
const turns = fc.array(turn, { minLength: 1, maxLength: 12 });

const cuts = fc.infiniteStream(fc.integer({ min: 1, max: 9 }));
/** The text in chunks of any length, no matter how it streamed. */
function cut(text: string, sizes: Iterator<number>): string[] {
  const out: string[] = [];
  for (let at = 0; at < text.length;) {
    const size = sizes.next().value as number;
    out.push(text.slice(at, at + size));
    at += size;
  }
  return out;
}

type Ids = 'none' | 'message' | 'turn';
function replay(said: readonly Turn[], sizes: Iterator<number>, ids: Ids, noise: boolean, from = 0): SessionUpdate[] {
  return said.flatMap(({ asks, answers, tool: used }, i) => {
    const id = (role: string) => (ids === 'none' ? undefined : ids === 'turn' ? `t${i + from}` : `${role}${i + from}`);
    return [
      ...cut(asks, sizes).map((text) => user(text, id('u'))),
      ...(noise ? [thought('hm')] : []),
      ...(used ? [tool(`call-${i + from}`)] : []),
      ...cut(answers, sizes).map((text) => agent(text, id('a'))),
    ];
  });
}
function logOf(said: readonly Turn[], sizes: Iterator<number>): LogBuilder {
  const built = log();
  for (const [i, { asks, answers, tool: used }] of said.entries()) {
    built.user(asks).agent(...cut(answers, sizes));
    if (used) built.tool(`call-${i}`, 'x');
    built.end();
  }
  return built;
}
const ids = fc.constantFrom<Ids>('none', 'message', 'turn');
const stream = () => cuts.map((s) => s[Symbol.iterator]());
/** `RUNS=20000` searches as long as you like. */
const RUNS = { numRuns: Number(process.env['RUNS'] ?? 150) };

describe('I3: for any log and any way to replay it', () => {
  it('a whole replay matches whole and adds nothing', async () => {
    await fc.assert(
      fc.asyncProperty(turns, stream(), ids, fc.boolean(), async (said_, sizes, scheme, noise) => {
        const result = await match(logOf(said_, sizes), replay(said_, sizes, scheme, noise));
        expect(result).toMatchObject({ verified: 'replay-matched', missing: 0, imported: [], reachedEnd: true });
      }),
      RUNS,
    );
  }, 600_000);

  it('a replay sent again, whole or in part, adds nothing', async () => {
    await fc.assert(
      fc.asyncProperty(turns, stream(), ids, fc.nat(12), async (said_, sizes, scheme, part) => {
        const once = replay(said_, sizes, scheme, false);
        const again = [...once, ...replay(said_.slice(0, part), sizes, scheme, false)];
        expect((await match(logOf(said_, sizes), again)).imported).toEqual([]);
        expect((await match(logOf(said_, sizes), [...once, ...once])).imported).toEqual([]);
      }),
      RUNS,
    );
  }, 600_000);

  it('a capped replay adds nothing, and what is older is missing', async () => {
    await fc.assert(
      fc.asyncProperty(turns, stream(), ids, fc.nat(11), async (said_, sizes, scheme, skip) => {
        const kept = said_.slice(Math.min(skip, said_.length - 1));
        const result = await match(logOf(said_, sizes), replay(kept, sizes, scheme, true, said_.length - kept.length));
        expect(result.imported).toEqual([]);
        expect(result.reachedEnd).toBe(true);
        expect([result.matched, result.missing]).toEqual([2 * kept.length, 2 * (said_.length - kept.length)]);
      }),
      RUNS,
    );
  }, 600_000);

  it('a replay with any messages left out or changed adds none of ours', async () => {
    await fc.assert(
      fc.asyncProperty(
        turns,
        stream(),
        fc.array(fc.constantFrom('keep', 'keep', 'keep', 'no question', 'no answer', 'other answer'), { minLength: 12, maxLength: 12 }),
        async (said_, sizes, fates) => {
          // Numbered: where answers are lost, two prompts come as one, which may be word for word an earlier one.
          const numbered = said_.map((one, i) => ({ ...one, asks: `${i}. ${one.asks}` }));
          const updates = numbered.flatMap((one, i) => {
            const [asked, answered] = [
              cut(one.asks, sizes).map((text) => user(text, `u${i}`)),
              cut(one.answers, sizes).map((text) => agent(text, `a${i}`)),
            ];
            if (fates[i] === 'no question') return answered;
            if (fates[i] === 'no answer') return asked;
            return [...asked, ...(fates[i] === 'other answer' ? [agent('something else entirely', `a${i}`)] : answered)];
          });
          expect((await match(logOf(numbered, sizes), updates)).imported).toEqual([]);
        },
      ),
      RUNS,
    );
  }, 600_000);
});

describe('for any log, what is foreign', () => {
  const foreign = fc.array(
    fc.record({ asks: words.map((text) => `elsewhere: ${text}`), answers: words.map((text) => `there: ${text}`), tool: fc.boolean() }),
    { minLength: 1, maxLength: 4 },
  );

  it('comes in exactly once, behind whole and capped replays, however often it is replayed', async () => {
    await fc.assert(
      fc.asyncProperty(turns, foreign, stream(), ids, fc.nat(5), async (ours, theirs, sizes, scheme, skip) => {
        const built = logOf(ours, sizes);
        const kept = ours.slice(Math.min(skip, ours.length - 1));
        const all = () => replay([...kept, ...theirs], sizes, scheme, false, 100);
        const result = await match(built, all());
        expect(said(result)).toEqual(
          theirs.flatMap(({ asks, answers, tool: used }, i) => [
            `user ${asks}`,
            ...(used ? [`tool_call call-${100 + kept.length + i}`] : []),
            `agent ${answers}`,
          ]),
        );
        expect(result.importedMessages).toBe(2 * theirs.length);
        store(built, result);
        expect((await match(built, all())).imported).toEqual([]);
      }),
      RUNS,
    );
  }, 600_000);

  it('… also behind a turn that was cut off anywhere, whose remainder comes with it', async () => {
    await fc.assert(
      fc.asyncProperty(turns, turn, foreign, stream(), ids, fc.nat(30), async (ours, last, theirs, sizes, scheme, came) => {
        const built = logOf(ours, sizes).user(last.asks);
        const had = last.answers.slice(0, came);
        if (had !== '') built.agent(...cut(had, sizes));
        built.end({ state: 'interrupted' });
        const all = () => replay([...ours, { ...last, tool: false }, ...theirs], sizes, scheme, false);
        const result = await match(built, all());
        const name = `t${ours.length + 1}`;
        const rest = result.imported
          .filter(({ turnId }) => turnId === name)
          .map(({ update }) => (update as { content: { text: string } }).content.text)
          .join('');
        expect((had + rest).replace(/\s+/g, '')).toBe(last.answers.replace(/\s+/g, ''));
        expect(result.imported.filter(({ turnId }) => turnId === null).length).toBeGreaterThan(0);
        expect(said({ ...result, imported: result.imported.filter(({ turnId }) => turnId === null) })[0]).toBe(`user ${theirs[0]?.asks}`);
        store(built, result);
        expect((await match(built, all())).imported).toEqual([]);
      }),
      RUNS,
    );
  }, 600_000);

  it('another conversation brings nothing', async () => {
    await fc.assert(
      fc.asyncProperty(turns, foreign, stream(), async (ours, theirs, sizes) => {
        const result = await match(logOf(ours, sizes), replay(theirs, sizes, 'none', false));
        expect(result).toMatchObject({ verified: 'replay-mismatch', matched: 0, imported: [] });
      }),
      RUNS,
    );
  }, 600_000);
});

describe('any updates at all', () => {
  it('are taken without an error, and the same ones twice bring no more than once', async () => {
    const any = fc.oneof(
      words.map((text) => user(text)),
      words.map((text) => agent(text)),
      fc.tuple(words, fc.constantFrom('1', '2')).map(([text, id]) => agent(text, id)),
      words.map(thought),
      fc.constantFrom(tool('1'), tool('2', 'in_progress')),
      fc.record({
        sessionUpdate: fc.constantFrom('plan', 'zzz', 'user_message_chunk', 'agent_message_chunk'),
        content: fc.anything(),
      }) as fc.Arbitrary<SessionUpdate>,
    );
    await fc.assert(
      fc.asyncProperty(turns, fc.array(any, { maxLength: 30 }), stream(), async (ours, updates, sizes) => {
        const built = logOf(ours, sizes);
        const first = await match(built, updates);
        expect(first.imported.length).toBeLessThanOrEqual(updates.length);
        store(built, first);
        expect((await match(built, updates)).imported).toEqual([]);
      }),
      RUNS,
    );
  }, 600_000);
});

describe('bounded work', () => {
  const many = (count: number) =>
    Array.from({ length: count }, (_, i) => ({ asks: `question ${i} `.repeat(3), answers: `answer ${i} `.repeat(10), tool: false }));
  const pages = (built: LogBuilder) => {
    let read = 0;
    return {
      log: (function* () {
        for (const page of built.newestFirst(256)) {
          read += page.length;
          yield page;
        }
      })(),
      read: () => read,
    };
  };

  it('a replay of the newest messages reads the newest part of the log', async () => {
    const sizes = (function* () {
      for (;;) yield 500;
    })();
    const ours = many(5_000);
    const { log: newestFirst, read } = pages(logOf(ours, sizes));
    let asked = 0;
    const matcher = createReplayMatcher({ log: newestFirst, countBefore: (seq) => Promise.resolve((asked = seq) && 2 * (5_000 - 60)) });
    for (const update of replay(ours.slice(-60), sizes, 'none', false, 4_940)) matcher.take(update);
    const result = await matcher.end();
    expect(result).toMatchObject({ verified: 'replay-partial', matched: 120, reachedEnd: true, imported: [] });
    expect(result.missing).toBeGreaterThanOrEqual(2 * (5_000 - 60));
    expect(asked).toBeGreaterThan(1);
    expect(read()).toBeLessThan(1_000);
  });

  it('I10: a replay without end is kept in bounded memory: what is older is still matched, and not imported', async () => {
    const sizes = (function* () {
      for (;;) yield 500;
    })();
    const ours = many(300);
    const all = replay(ours, sizes, 'message', false);
    const options = { maxChars: 20_000 };
    expect(await match(logOf(ours, sizes), all, options)).toMatchObject({
      verified: 'replay-matched',
      matched: 600,
      missing: 0,
      imported: [],
    });
    // What was let go and comes again is still known.
    expect(await match(logOf(ours, sizes), [...all, ...all], options)).toMatchObject({ matched: 600, imported: [] });
    const few = await match(logOf(ours.slice(0, 1), sizes), all, options);
    expect(few.imported.length).toBeGreaterThan(0);
    expect(few.imported.length).toBeLessThan(200);
  });

  it('I10: while a large replay is read, others run', async () => {
    const text = 'word '.repeat(4_000);
    const matcher = createReplayMatcher({ log: [] });
    for (let i = 0; i < 1_000; i++) matcher.take(i % 2 ? agent(`${text}${i}`) : user(`${text}${i}`));
    let ran = 0;
    const others = setInterval(() => ran++, 1);
    await matcher.end();
    clearInterval(others);
    expect(ran).toBeGreaterThan(3);
  });

  it.each<[string, (i: number) => string | undefined, (i: number) => string]>([
    ['one id', () => 'a', (i) => `word ${i} `],
    ['no id', () => undefined, (i) => `word ${i} `],
    ['two ids by turns', (i) => `a${i % 2}`, (i) => `word ${i} `],
    ['two ids by turns, with the same words', (i) => `a${i % 2}`, () => 'tick '],
    ['a thousand ids', (i) => `a${i % 1_000}`, (i) => `word ${i} `],
    ['an id for each', (i) => `a${i}`, (i) => `word ${i} `],
  ])('I10: twenty thousand chunks of an answer are matched in one go: %s', async (_, id, text) => {
    const chunks = Array.from({ length: 20_000 }, (__, i) => agent(text(i), id(i)));
    const whole = new Map<string | undefined, string>();
    for (const [i] of chunks.entries()) whole.set(id(i), (whole.get(id(i)) ?? '') + text(i));
    const messages = [...whole].map(([messageId, words]) => agent(words, messageId));
    const recorded = (updates: readonly SessionUpdate[]) => {
      const built = log().user('Tell me all');
      for (const update of updates) built.update(update as unknown as Record<string, unknown>);
      return built.end();
    };
    for (const [ours, theirs] of [
      [chunks, chunks],
      [chunks, messages],
      [messages, chunks],
    ] as const) {
      const result = await match(recorded(ours), [user('Tell me all', 'u'), ...theirs]);
      expect(result).toMatchObject({ verified: 'replay-matched', received: 2, matched: 2, missing: 0, imported: [] });
    }
  });

  it('a replay of ten thousand messages, each the same, is matched', async () => {
    const sizes = (function* () {
      for (;;) yield 500;
    })();
    const same = Array.from({ length: 5_000 }, () => ({ asks: 'continue', answers: 'ok', tool: false }));
    const result = await match(logOf(same, sizes), replay(same, sizes, 'message', false));
    expect(result).toMatchObject({ verified: 'replay-matched', matched: 10_000, imported: [] });
  });
});
