/** I11: an agent may put anything where a text belongs. It is kept as sent, and stops nothing. */
import { describe, expect, it } from 'vitest';
import { learn, NOTHING_REPORTED } from '../../../src/engine/protocol/reported-state.ts';
import { renderTranscript, type SessionEvent, type SessionUpdate } from '../../../src/engine/index.ts';
import { createReplayMatcher } from '../../../src/engine/resume/match.ts';
import { createLiveFilter } from '../../../src/engine/resume/match-live.ts';
import { eventSize, extendRun, startRun } from '../../../src/engine/storage/chunks.ts';
import type { NewEvent } from '../../../src/engine/storage/statements.ts';

/** What JSON can hold and nothing can make a string of. */
const NO_TEXT: unknown = JSON.parse('{"toString": 1, "valueOf": 1}');
const FIELDS = [
  'sessionUpdate',
  'messageId',
  'content',
  'title',
  'status',
  'kind',
  'toolCallId',
  'entries',
  'availableCommands',
  'currentModeId',
  'configOptions',
  'rawOutput',
  'locations',
];
const KINDS = [
  'user_message_chunk',
  'agent_message_chunk',
  'agent_thought_chunk',
  'tool_call',
  'tool_call_update',
  'plan',
  'available_commands_update',
  'current_mode_update',
  'config_option_update',
  'session_info_update',
  'usage_update',
  'unheard_of',
];

const values: [string, unknown][] = [
  ['an object that is no text', NO_TEXT],
  ['a list of them', [NO_TEXT, [NO_TEXT], null]],
  ['a block with them', { type: NO_TEXT, text: NO_TEXT, data: NO_TEXT, mimeType: NO_TEXT, uri: NO_TEXT, content: NO_TEXT }],
  ['a text block with them', { type: 'text', text: NO_TEXT }],
  ['a number', 7],
  ['null', null],
];
const updates = (value: unknown): SessionUpdate[] =>
  KINDS.flatMap((kind) =>
    FIELDS.map(
      (field) =>
        ({ sessionUpdate: kind, content: { type: 'text', text: 'hello' }, toolCallId: 't', [field]: value }) as unknown as SessionUpdate,
    ),
  );

describe.each(values)('%s in any field of any update', (_name, value) => {
  it('is taken, recorded and replayed', async () => {
    const filter = createLiveFilter({ prompt: [{ type: 'text', text: 'go' }] });
    const matcher = createReplayMatcher({
      log: (async function* () {})(),
      fromSeq: 0,
      preamble: [],
      redact: (text) => text,
      countBefore: async () => 0,
    });
    let passed = 0;
    for (const update of updates(value)) {
      learn(NOTHING_REPORTED, update as unknown as Record<string, unknown>);
      const event: NewEvent = { kind: 'update', turnId: null, at: 0, origin: 'agent', payload: update };
      expect(eventSize(event)).toBeGreaterThan(0);
      const run = startRun(event);
      if (run) extendRun(run, event);
      matcher.take(update);
      passed += filter.push(update).length;
    }
    passed += filter.end().length;
    expect(passed).toBe(updates(value).length);
    expect((await matcher.end()).imported).toEqual([]);
  });

  it('can be rendered', async () => {
    const events = updates(value).map((payload, index): SessionEvent => ({
      seq: index + 1,
      turnId: null,
      at: 0,
      kind: 'update',
      origin: 'agent',
      payload,
    }));
    expect(await renderTranscript([events.toReversed()])).toContain('hello');
  });
});

it.each([{}, { state: 'unheard of' }, { state: 'failed', error: { message: 3 } }])(
  'a transcript survives an end that a file had: %j',
  async (end) => {
    const told = { sessionUpdate: 'user_message_chunk', content: { type: 'text', text: 'hello' } };
    const events = [
      { seq: 1, turnId: 't', at: 0, kind: 'update', origin: 'host', payload: told },
      { seq: 2, turnId: 't', at: 0, kind: 'turn_ended', origin: 'host', payload: end },
    ] as SessionEvent[];
    expect(await renderTranscript([events.toReversed()])).toContain('hello');
  },
);
