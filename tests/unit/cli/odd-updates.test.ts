/** What agents send is stored as it came, so whatever it is must be shown: nothing here throws, and one event is one line. */
import { PassThrough } from 'node:stream';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createOutput } from '../../../src/cli/output.ts';
import { jsonPrinter, textPrinter } from '../../../src/cli/turn.ts';
import { eventLine, describeEvent, toolLine } from '../../../src/cli/format.ts';
import type { PromptResult, SessionEvent } from '../../../src/engine/types.ts';

const event = (kind: SessionEvent['kind'], payload: unknown): SessionEvent =>
  ({ seq: 1, turnId: 't', at: 0, kind, origin: 'agent', payload }) as SessionEvent;
const update = (payload: unknown) => event('update', payload);

/** What `prompt` writes for these events. */
function printed(events: readonly SessionEvent[], json = false): { stdout: string; stderr: string } {
  const stdout = new PassThrough();
  const stderr = new PassThrough();
  const output = createOutput({ stdout, stderr });
  const printer = json ? jsonPrinter(output) : textPrinter(output, { between: false });
  for (const each of events) printer.event(each);
  printer.end();
  return { stdout: String(stdout.read() ?? ''), stderr: String(stderr.read() ?? '') };
}

describe('history, of updates no agent should send', () => {
  const cases: readonly (readonly [payload: unknown, words: string])[] = [
    [{ sessionUpdate: 'agent_message_chunk' }, 'agent: nothing'],
    [{ sessionUpdate: 'agent_message_chunk', content: null }, 'agent: null'],
    [{ sessionUpdate: 'agent_message_chunk', content: { type: 'text' } }, 'agent: {"type":"text"}'],
    [{ sessionUpdate: 'user_message_chunk', content: { type: 'text', text: 5 } }, 'user: {"type":"text","text":5}'],
    [{ sessionUpdate: 'agent_thought_chunk', content: { type: 'image', data: 'x' } }, 'thought: [image]'],
    [{ sessionUpdate: 'agent_message_chunk', content: { type: 'a\nb' } }, 'agent: [a b]'],
    [{ sessionUpdate: 'tool_call', toolCallId: 't', title: { a: 1 }, status: 'completed' }, 'tool call: t (completed)'],
    [{ sessionUpdate: 'tool_call', toolCallId: 7, title: ['x'], status: {} }, 'tool call: without a title'],
    [{ sessionUpdate: 'tool_call_update', toolCallId: 'a\nb', status: 'in\nvain' }, 'tool call update: a b (in vain)'],
    [{ sessionUpdate: 'plan' }, 'plan'],
    [{ sessionUpdate: 'plan', entries: [null, { content: 'look', status: 'pending' }] }, 'plan'],
    [{ sessionUpdate: 'current_mode_update', currentModeId: 'brief' }, 'current mode update: brief'],
    [{ sessionUpdate: 'current_mode_update', currentModeId: { id: 'a' } }, 'current mode update'],
    [
      { sessionUpdate: 'session_info_update', title: 'a\u0000b\nc', updatedAt: '2026', messages: 7 },
      'session info update: a\u0000b c, 2026',
    ],
    [{ sessionUpdate: 'session_info_update', title: { toString: 1 } }, 'session info update'],
    [{ sessionUpdate: 'available_commands_update', availableCommands: [null, 5] }, 'available commands update'],
    [{ sessionUpdate: 'hinted_at\nsomething' }, 'hinted at something'],
    [{ sessionUpdate: '' }, 'update {"sessionUpdate":""}'],
    [{ sessionUpdate: 5 }, 'update {"sessionUpdate":5}'],
    [{ sessionUpdate: { toString: 1 } }, 'update {"sessionUpdate":{"toString":1}}'],
    [{}, 'update {}'],
    [null, 'update null'],
    ['text', 'update text'],
  ];
  it.each(cases)('%j', (payload, words) => {
    expect(describeEvent(update(payload))).toBe(words);
  });

  it.each([
    [Number.MAX_SAFE_INTEGER, '+275760-09-13 00:00'],
    [-Number.MAX_SAFE_INTEGER, '-271821-04-20 00:00'],
  ])('of a moment that is no date: %d', (at, words) => {
    expect(eventLine({ ...update({}), at })).toContain(words);
  });

  it('of permission requests, too', () => {
    for (const toolCall of [undefined, null, 5, { title: ['go'] }, { title: '' }]) {
      expect(describeEvent(event('permission_requested', { requestId: 'r', toolCall, options: [] }))).toBe('permission requested: r');
    }
    expect(describeEvent(event('permission_requested', { requestId: 'r', toolCall: { title: 'Write\nnotes' }, options: [] }))).toBe(
      'permission requested: Write notes',
    );
    expect(describeEvent(event('permission_resolved', { requestId: 'r', optionId: 'a\nb', by: 'person' }))).toBe(
      'permission answered: a b, by person',
    );
  });

  it('what is known is told as it was', () => {
    expect(describeEvent(update({ sessionUpdate: 'agent_message_chunk', content: { type: 'text', text: 'two\nlines' } }))).toBe(
      'agent: two lines',
    );
    expect(describeEvent(update({ sessionUpdate: 'tool_call', toolCallId: 't', title: 'Read\nnotes', status: 'pending' }))).toBe(
      'tool call: Read notes (pending)',
    );
    expect(describeEvent(update({ sessionUpdate: 'plan', entries: [{ content: 'look', status: 'pending', priority: 'low' }] }))).toBe(
      'plan',
    );
    expect(describeEvent(update({ sessionUpdate: 'session_info_update', title: null }))).toBe('session info update');
    expect(describeEvent(update({ sessionUpdate: '_new_kind', sky: 'clear\nblue', degrees: [12] }))).toBe('new kind: clear blue');
    expect(describeEvent(event('turn_ended', { state: 'completed', stopReason: 'end\nturn' }))).toBe('turn completed (end turn)');
  });
});

describe('a turn, of updates no agent should send', () => {
  const said = (text: string) => update({ sessionUpdate: 'agent_message_chunk', content: { type: 'text', text } });
  it.each([
    [{ sessionUpdate: 'agent_message_chunk' }],
    [{ sessionUpdate: 'agent_message_chunk', content: { type: 'text' } }],
    [{ sessionUpdate: 'agent_message_chunk', content: { type: 'text', text: 5 } }],
    [{ sessionUpdate: 'plan', entries: [null] }],
    [{ sessionUpdate: { toString: 1 } }],
    [null],
  ])('%j: the rest of the reply is there', (payload) => {
    expect(printed([said('before '), update(payload), said('after')])).toEqual({ stdout: 'before after\n', stderr: '' });
  });

  it('a tool call is told by its id when its title is none, and as what it is when it has neither', () => {
    const titles = new Map<string, string>();
    expect(toolLine({ sessionUpdate: 'tool_call', toolCallId: 't', title: { a: 1 }, status: 'completed' }, titles)).toBe('✓ t');
    expect(toolLine({ sessionUpdate: 'tool_call', title: ['x'], status: 5 }, titles)).toBe('· a tool call');
    expect(toolLine({ sessionUpdate: 'tool_call_update', toolCallId: 'a\nb', title: null, status: 'failed' }, titles)).toBe('✗ a b');
  });

  it('a stop reason of the agent’s own is shown on one line', () => {
    const stderr = new PassThrough();
    textPrinter(createOutput({ stdout: new PassThrough(), stderr }), { between: false }).result({
      turnId: 't',
      stopReason: 'odd\nreason',
    } as unknown as PromptResult);
    expect(String(stderr.read())).toBe('the turn ended with odd reason, which ACP does not have\n');
  });
});

describe('for any JSON', () => {
  const KINDS = [
    'user_message_chunk',
    'agent_message_chunk',
    'agent_thought_chunk',
    'tool_call',
    'tool_call_update',
    'plan',
    'current_mode_update',
    'session_info_update',
    'available_commands_update',
  ];
  const FIELDS = ['content', 'title', 'status', 'toolCallId', 'entries', 'currentModeId', 'type', 'text', 'toString'];
  const lines = fc
    .array(fc.constantFrom('a', ' ', '\n', '\r', '\u2028', '🚀', '\u001b[2J', 'text'), { maxLength: 6 })
    .map((parts) => parts.join(''));
  /** Any JSON, but with the names that the readers look for. */
  const { json } = fc.letrec<{ json: unknown }>((tie) => ({
    json: fc.oneof(
      { maxDepth: 4 },
      lines,
      fc.jsonValue(),
      fc.array(tie('json'), { maxLength: 3 }),
      fc.dictionary(fc.constantFrom(...FIELDS), tie('json'), { maxKeys: 4 }),
      fc.record({ type: fc.constant('text'), text: tie('json') }),
    ),
  }));
  const kind = fc.oneof({ weight: 8, arbitrary: fc.constantFrom<unknown>(...KINDS) }, { weight: 2, arbitrary: json });
  const payload = fc.oneof(
    { weight: 1, arbitrary: json },
    {
      weight: 9,
      arbitrary: fc
        .tuple(kind, fc.dictionary(fc.constantFrom(...FIELDS), json, { maxKeys: 5 }))
        .map(([sessionUpdate, fields]) => ({ ...fields, sessionUpdate })),
    },
  );
  const question = fc.record({
    requestId: fc.constant('r'),
    toolCall: json,
    options: fc.array(fc.record({ optionId: lines, name: json, kind: json }, { requiredKeys: ['optionId'] })),
  });
  const answer = fc.record({ requestId: fc.constant('r'), optionId: lines, by: fc.constant('person') });
  const ending = fc.record({ state: fc.constant('completed'), stopReason: lines });
  const events = fc.oneof(
    { weight: 6, arbitrary: payload.map(update) },
    { weight: 1, arbitrary: question.map((asked) => event('permission_requested', asked)) },
    { weight: 1, arbitrary: answer.map((answered) => event('permission_resolved', answered)) },
    { weight: 1, arbitrary: ending.map((ended) => event('turn_ended', ended)) },
  );
  /** `RUNS=20000` searches as long as you like. */
  const RUNS = { numRuns: Number(process.env['RUNS'] ?? 1_000) };

  it('history has one line for an event', () => {
    fc.assert(
      fc.property(events, (each) => {
        expect(eventLine(each)).toMatch(/^ {4}1 {2}1970-01-01 00:00:00 {2}\S.*$/u);
      }),
      RUNS,
    );
  });

  it('a turn is printed to its end, as text and as JSON lines', () => {
    fc.assert(
      fc.property(fc.array(events, { maxLength: 6 }), (turn) => {
        // Every tool call is one line.
        const calls = printed(turn).stderr.split('\n').slice(0, -1);
        for (const line of calls) expect(line).toMatch(/^[·✓✗] \S.*$/u);
        expect(
          printed(turn, true)
            .stdout.split('\n')
            .slice(0, -1)
            .map((line) => (JSON.parse(line) as { event: SessionEvent }).event),
        ).toEqual(
          JSON.parse(JSON.stringify(turn)).map(({ seq, turnId, at, kind, origin, payload }: SessionEvent) => ({
            seq,
            turnId,
            at,
            kind,
            origin,
            payload,
          })),
        );
      }),
      RUNS,
    );
  });
});
