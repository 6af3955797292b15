/** `--permission`: what is asked, what the answer is, and what is said of it, also of requests that no agent should send. */
import { PassThrough } from 'node:stream';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createOutput } from '../../../src/cli/output.ts';
import { parse } from '../../../src/cli/parse.ts';
import { permissionAsker } from '../../../src/cli/turn.ts';
import type { Host } from '../../../src/engine/index.ts';
import type { SessionEvent } from '../../../src/engine/types.ts';

const event = (kind: SessionEvent['kind'], payload: unknown): SessionEvent =>
  ({ seq: 1, turnId: 't', at: 0, kind, origin: 'agent', payload }) as SessionEvent;
const requested = (toolCall: unknown, options: unknown) => event('permission_requested', { requestId: 'r', toolCall, options });
const resolved = (optionId: string | null, by: 'person' | 'rule' | 'end' = 'rule') =>
  event('permission_resolved', { requestId: 'r', optionId, by });

function call(...argv: string[]) {
  const parsed = parse(['prompt', ...argv, 'hi', '--', 'agent']);
  if (parsed.kind !== 'call') throw new Error('no call');
  return parsed.call;
}

/** An asker, what it said, and what the host was answered. */
function asking(argv: string[], answers: string[] = []) {
  const stderr = new PassThrough();
  const given: (string | null)[] = [];
  const questions: string[] = [];
  const host = {
    respondPermission: async (_session: string, _request: string, optionId: string | null) => void given.push(optionId),
  } as unknown as Host;
  const asker = permissionAsker(call(...argv), host, 'main', createOutput({ stdout: new PassThrough(), stderr }), () => ({
    async question(question) {
      questions.push(question);
      return answers.shift() ?? '';
    },
    close: () => undefined,
  }));
  return {
    asker,
    given,
    questions,
    said: () =>
      String(stderr.read() ?? '')
        .split('\n')
        .slice(0, -1),
  };
}
const settled = () => new Promise((resolve) => setImmediate(resolve));

const YES = { optionId: 'y', name: 'Yes', kind: 'allow_once' };
const NO = { optionId: 'n', name: 'No', kind: 'reject_once' };

describe('without asking: what is said is what was answered', () => {
  const cases: readonly (readonly [rule: 'allow' | 'reject', options: readonly unknown[], answer: SessionEvent, words: string])[] = [
    ['allow', [YES, NO], resolved('y'), 'allowed'],
    ['reject', [YES, NO], resolved('n'), 'rejected'],
    ['allow', [], resolved(null), 'cancelled, as the agent offers no way to allow it'],
    ['allow', [NO], resolved(null), 'cancelled, as the agent offers no way to allow it'],
    ['reject', [YES], resolved(null), 'cancelled, as the agent offers no way to reject it'],
    ['allow', [{ optionId: 'y' }], resolved(null), 'cancelled, as the agent offers no way to allow it'],
    ['allow', [YES, NO], resolved(null, 'end'), 'cancelled before it was answered'],
    ['allow', [YES, NO], resolved('n', 'person'), 'rejected'],
    ['allow', [{ optionId: 'later', name: 'Ask\nlater' }], resolved('later', 'person'), 'answered “Ask later”'],
  ];
  it.each(cases)('--permission %s, %j', (rule, options, answer, words) => {
    const { asker, said } = asking(['--permission', rule]);
    asker.event(requested({ title: 'Write\nnotes' }, options));
    expect(said()).toEqual([]);
    asker.event(answer);
    expect(said()).toEqual([`permission for “Write notes”: ${words}`]);
  });

  it('an answer to a question that was not seen is not told', () => {
    const { asker, said } = asking(['--permission', 'allow']);
    asker.event(resolved('y'));
    expect(said()).toEqual([]);
  });
});

describe('on a terminal', () => {
  const streams = [process.stdin, process.stderr];
  const were = streams.map((stream) => Object.getOwnPropertyDescriptor(stream, 'isTTY'));
  beforeEach(() => {
    for (const stream of streams) Object.defineProperty(stream, 'isTTY', { value: true, configurable: true });
  });
  afterEach(() => {
    for (const [index, stream] of streams.entries())
      Object.defineProperty(stream, 'isTTY', were[index] ?? { value: undefined, configurable: true });
  });

  const cases: readonly (readonly [
    name: string,
    toolCall: unknown,
    options: readonly unknown[],
    answers: string[],
    said: readonly string[],
    given: string | null,
  ])[] = [
    ['as it should be', { title: 'go' }, [YES, NO], ['1'], ['The agent asks: go', '  1  Yes', '  2  No'], 'y'],
    ['refused', { title: 'go' }, [YES, NO], [''], ['The agent asks: go', '  1  Yes', '  2  No'], 'n'],
    ['a wrong answer is asked again', { title: 'go' }, [YES, NO], ['3', 'yes', '2'], ['The agent asks: go', '  1  Yes', '  2  No'], 'n'],
    [
      'no kinds',
      { title: 'go' },
      [
        { optionId: 'y', name: 'Yes' },
        { optionId: 'n', name: 'No' },
      ],
      ['1'],
      ['The agent asks: go', '  1  Yes', '  2  No'],
      'y',
    ],
    [
      'no kinds, refused',
      { title: 'go' },
      [
        { optionId: 'y', name: 'Yes' },
        { optionId: 'n', name: 'No', kind: 5 },
      ],
      [''],
      ['The agent asks: go', '  1  Yes', '  2  No'],
      null,
    ],
    [
      'no names',
      { title: 'go' },
      [
        { optionId: 'y', kind: 'allow_once' },
        { optionId: 'n\nn', name: ['No'], kind: 'reject_once' },
      ],
      ['2'],
      ['The agent asks: go', '  1  y', '  2  n n'],
      'n\nn',
    ],
    ['a title that is none', { title: ['go'] }, [YES], [''], ['The agent asks: something', '  1  Yes'], null],
    ['no tool call', undefined, [YES], ['1'], ['The agent asks: something', '  1  Yes'], 'y'],
    ['nothing to choose from', { title: 'go' }, [], ['1', ''], ['The agent asks: go'], null],
  ];
  it.each(cases)('%s', async (_name, toolCall, options, answers, words, optionId) => {
    const { asker, given, said } = asking([], answers);
    asker.event(requested(toolCall, options));
    await settled();
    expect([said(), given]).toEqual([words, [optionId]]);
  });

  it('refusing is always offered', async () => {
    for (const [options, question] of [
      [[YES, NO], '1-2, or Enter to refuse: '],
      [[YES], '1, or Enter to refuse: '],
      [[], 'Enter to refuse: '],
    ] as const) {
      const { asker, questions } = asking([]);
      asker.event(requested({ title: 'go' }, options));
      await settled();
      expect(questions).toEqual([question]);
    }
  });

  it('whatever is asked, it can be answered, and is told a line for the question and one for each option', async () => {
    const json = fc.jsonValue();
    const option = fc.record({ optionId: fc.string(), name: json, kind: json }, { requiredKeys: ['optionId'] });
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(json, fc.record({ title: json })),
        fc.array(option, { maxLength: 4 }),
        fc.nat(4),
        async (toolCall, options, choice) => {
          const { asker, given, said } = asking([], choice > 0 && choice <= options.length ? [String(choice)] : ['']);
          asker.event(requested(toolCall, options));
          await settled();
          expect(said()).toHaveLength(1 + options.length);
          const refusal = options.find(({ kind }) => typeof kind === 'string' && kind.startsWith('reject'))?.optionId ?? null;
          expect(given).toEqual([options[choice - 1]?.optionId ?? refusal]);
        },
      ),
    );
  });
});
