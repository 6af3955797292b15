import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createLiveFilter, type LiveFilterOptions } from '../../../src/engine/resume/match-live.ts';
import type { ContentBlock, SessionUpdate } from '../../../src/engine/types.ts';
import { buildPreamble } from '../../../src/engine/transcript/preamble.ts';
import { agent, thought, tool, user } from './replay.ts';

const text = (words: string): ContentBlock => ({ type: 'text', text: words });
const image: ContentBlock = { type: 'image', data: 'AAAA', mimeType: 'image/png' };

/** What is stored of these updates, in words. */
function stored(options: Partial<LiveFilterOptions>, updates: readonly SessionUpdate[]): string[] {
  const filter = createLiveFilter({ prompt: [text('What now?')], ...options });
  const kept = [...updates.flatMap((update) => filter.push(update)), ...filter.end()];
  return kept.map(({ update }) => {
    const { content, toolCallId } = update as { content?: { text?: string; type?: string }; toolCallId?: string };
    return `${update.sessionUpdate.replace(/_(message_)?chunk$/, '')}:${content?.text ?? toolCallId ?? content?.type ?? ''}`;
  });
}
const owed = (...next: [side: 'user' | 'agent', text: string][]): Partial<LiveFilterOptions> => ({
  next: next.map(([side, text]) => ({ side, text, messageId: null, isCertain: true })),
});

describe('the echo of the running prompt is no new message', () => {
  it.each([
    ['whole', [user('What now?'), agent('Rest.')]],
    ['in chunks', [user('Wh'), user('at '), user('now?'), agent('Rest.')]],
    ['in other white space', [user('What\nnow?\n'), agent('Rest.')]],
    ['at the end of the turn', [agent('Rest.'), user('What now?')]],
    ['twice', [user('What now?'), thought('hm'), user('What now?'), agent('Rest.')]],
  ])('%s', (_, updates) => {
    expect(stored({}, updates).filter((line) => line !== 'agent_thought:hm')).toEqual(['agent:Rest.']);
  });

  it('of several blocks, attachments and a preamble', () => {
    const options = { prompt: [text('Look'), image, text('please')], preamble: [text('RECORD\n\n')] };
    for (const echo of [
      [user('Look'), { sessionUpdate: 'user_message_chunk', content: image } as SessionUpdate, user('please')],
      [user('Look\nplease')],
      [user('RECORD Look please')],
      [user('RECORD\n\n'), user('Look'), user('please')],
      [user('please')],
      [{ sessionUpdate: 'user_message_chunk', content: image } as SessionUpdate],
    ]) {
      expect(stored(options, [...echo, agent('ok')])).toEqual(['agent:ok']);
    }
  });

  it('of a preamble, however the agent joins and wraps its blocks', () => {
    const transcript = '# Before\n\nuser: My cat is called Ada.\nagent: Noted.\n';
    const preamble = buildPreamble(transcript, 'resource');
    const head = (preamble[0] as { text: string }).text;
    const options = { prompt: [text('What now?')], preamble };
    for (const echo of [
      [user(`${head}${transcript}What now?`)],
      [user(`<context>${head}</context><file uri="x">${transcript}</file>\n\nWhat now?`)],
      [user(head.slice(0, 30)), user(head.slice(30)), user(transcript), user('What now?')],
      [user(`[1] ${head}`), thought('hm'), user('What now?')],
    ]) {
      expect(stored(options, [...echo, agent('ok')]).filter((line) => line !== 'agent_thought:hm')).toEqual(['agent:ok']);
    }
    // Without a preamble in this turn these words are somebody's.
    expect(stored({ prompt: [text('What now?')] }, [user(`${head}!`), agent('ok')])).toEqual([`user:${head}!`, 'agent:ok']);
  });

  it('with its secrets or without', () => {
    const redact = (words: string) => words.replaceAll('canary-1', '[secret K]');
    for (const echo of [[user('use canary-1')], [user('use can'), user('ary-1')], [user('use [secret K]')]]) {
      expect(stored({ prompt: [text('use canary-1')], redact }, [...echo, agent('ok')])).toEqual(['agent:ok']);
    }
  });

  it.each([
    ['other words', [user('Something else'), agent('x')], ['user:Something else', 'agent:x']],
    ['only its beginning', [user('What'), agent('x')], ['user:What', 'agent:x']],
    ['more than it', [user('What now? And then?'), agent('x')], ['user:What now? And then?', 'agent:x']],
    ['its words, said by the agent', [agent('What now?')], ['agent:What now?']],
    ['another image', [{ sessionUpdate: 'user_message_chunk', content: { ...image, data: 'BBBB' } } as SessionUpdate], ['user:image']],
  ])('what is not the echo is kept: %s', (_, updates, kept) => {
    expect(stored({}, updates as SessionUpdate[])).toEqual(kept);
  });

  it('what is not the echo is kept: its words, whole, with another image', () => {
    const whole = { sessionUpdate: 'user_message', messageId: 'u', content: [text('What now?'), image] } as unknown as SessionUpdate;
    expect(createLiveFilter({ prompt: [text('What now?')] }).push(whole)).toHaveLength(1);
  });

  it('an answer under the id of an owed question of the user’s is the live one', () => {
    const options = { next: [{ side: 'user', text: 'What then?', messageId: 'turn-1', isCertain: true }] } as const;
    const answer = { ...agent('What then?'), messageId: 'turn-1' } as SessionUpdate;
    expect(createLiveFilter({ prompt: [text('What now?')], ...options }).push(answer)).toHaveLength(1);
  });

  it('a message of the user’s behind the echo is kept', () => {
    expect(stored({}, [user('What now?'), user('/command output'), agent('x')])).toEqual(['user:/command output', 'agent:x']);
  });
});

describe('I3: a replay that goes on after the prompt was sent', () => {
  const late = owed(['agent', 'Old answer'], ['user', 'Old question'], ['agent', 'Older words']);

  it('is dropped message by message, and what is live is kept', () => {
    expect(
      stored(late, [agent('Old '), agent('answer'), user('Old question'), agent('Older words'), user('What now?'), agent('New')]),
    ).toEqual(['agent:New']);
  });

  it('… also with the tool calls and thoughts of its answers', () => {
    const options = { ...late, nextToolCalls: new Set(['k']) };
    expect(
      stored(options, [
        thought('t'),
        agent('Old '),
        tool('k'),
        agent('answer'),
        user('Old question'),
        thought('t2'),
        agent('Older words'),
        user('What now?'),
        tool('live'),
        agent('New'),
      ]),
    ).toEqual(['tool_call:live', 'agent:New']);
  });

  it('without an echo the live answer begins where it differs', () => {
    expect(stored(owed(['user', 'Old question'], ['agent', 'Old answer']), [agent('New')])).toEqual(['agent:New']);
    expect(stored(late, [agent('Old '), agent('news')])).toEqual(['agent:Old ', 'agent:news']);
  });

  it('an owed question and its answer in chunks without ids, and the live answer after them', () => {
    const options = owed(['user', 'Old question'], ['agent', 'Old answer']);
    const updates = [user('Old question'), agent('Old '), agent('answer'), agent('New'), agent(' words')];
    expect(stored(options, updates)).toEqual(['agent:New', 'agent: words']);
  });

  describe('while the live answer streams', () => {
    const options = owed(['user', 'Old question'], ['agent', 'Old answer'], ['user', 'Next question'], ['agent', 'Older words']);
    const replayed = [user('Old '), user('question'), agent('Old answer'), user('Next question'), agent('Older '), agent('words')];
    it.each([
      ['an owed question is told by its text, and so is its answer', replayed, []],
      ['a question alone', [user('Next question')], []],
      ['an answer that differs is kept', [user('Old question'), agent('Old news')], ['agent:Old news']],
      ['an answer without its question is kept', [agent('Older words')], ['agent:Older words']],
      ['a thought is kept', [user('Old question'), thought('t'), agent('Old answer')], ['agent_thought:t']],
      ['other words of the user’s are kept', [user('Old questions')], ['user:Old questions']],
    ])('%s', (_, late_, kept) => {
      const live = [user('What now?'), agent('Ne'), ...late_, agent('w'), agent(' words')];
      expect(stored(options, live)).toEqual(['agent:Ne', ...kept, 'agent:w', 'agent: words']);
    });
  });

  it('a later question with its answer, where the replay leaves out those before it', () => {
    const options = owed(['user', 'First'], ['agent', 'One'], ['user', 'Second'], ['agent', 'Two']);
    expect(stored(options, [user('Second'), agent('Two'), user('What now?'), agent('New')])).toEqual(['agent:New']);
    expect(stored(options, [agent('Two'), agent('New')])).toEqual(['agent:Two', 'agent:New']);
  });

  it('I10: twenty thousand chunks of one message that the replay owed are compared once', () => {
    const chunks = Array.from({ length: 20_000 }, (_, i) => `word ${i} `);
    const options = owed(['agent', chunks.join('')]);
    expect(stored(options, [...chunks.map((one) => agent(one)), user('What now?'), agent('New')])).toEqual(['agent:New']);
    expect(stored({ prompt: [text(chunks.join(''))] }, [...chunks.map((one) => user(one)), agent('New')])).toEqual(['agent:New']);
  });

  describe('with an id that the log has', () => {
    const byId = (isCertain: boolean): Partial<LiveFilterOptions> => ({
      next: [{ side: 'agent', text: 'Noted.Old', messageId: 'old', isCertain }],
    });
    const commands = { sessionUpdate: 'available_commands_update', availableCommands: [] } as SessionUpdate;
    const whole = agent('Noted. Old', 'old');
    it.each([
      ['before the live answer', [whole, agent('Noted. New', 'new')], ['agent:Noted. New']],
      ['in chunks', [agent('Noted. ', 'old'), agent('Old', 'old'), agent('New', 'new')], ['agent:New']],
      [
        'in the middle of a live answer that begins like it',
        [agent('Noted. ', 'new'), whole, agent('New', 'new')],
        ['agent:Noted. ', 'agent:New'],
      ],
      [
        '… and something between',
        [agent('Noted. ', 'new'), commands, whole, agent('New', 'new')],
        ['agent:Noted. ', 'available_commands_update:', 'agent:New'],
      ],
      ['in the middle of any other', [agent('Well, ', 'new'), whole, agent('New', 'new')], ['agent:Well, ', 'agent:New']],
      ['at the end', [agent('New', 'new'), whole], ['agent:New']],
    ])('is dropped, of a turn that ended or was cut off: %s', (_, updates, kept) => {
      for (const isCertain of [true, false]) expect(stored(byId(isCertain), updates as SessionUpdate[])).toEqual(kept);
    });
    it.each([
      ['other words under its id', [agent('Other', 'old')], ['agent:Other']],
      ['more than it', [agent('Noted. Old', 'old'), agent('er', 'old')], ['agent:Noted. Old', 'agent:er']],
      ['less than it', [agent('Noted.', 'old'), agent('New', 'new')], ['agent:Noted.', 'agent:New']],
      ['the only answer there is', [whole], ['agent:Noted. Old']],
    ])('nothing live is swallowed: %s', (_, updates, kept) => {
      for (const isCertain of [true, false]) expect(stored(byId(isCertain), updates as SessionUpdate[])).toEqual(kept);
    });
    it('half an answer without one is no proof: the live one may begin like it', () => {
      expect(
        stored({ next: [{ side: 'agent', text: 'Noted.', messageId: null, isCertain: false }] }, [agent('Noted.'), user('x')]),
      ).toEqual(['agent:Noted.', 'user:x']);
    });
  });

  it.each([
    ['an answer that begins like the owed one', [agent('Old answer'), agent(' and more')], ['agent:Old answer', 'agent: and more']],
    ['an answer that is the owed one, word for word', [agent('Old answer')], ['agent:Old answer']],
    ['… with thoughts before it', [thought('t'), agent('Old answer')], ['agent_thought:t', 'agent:Old answer']],
    [
      'a tool call nobody owed',
      [tool('new'), agent('Old answer'), agent(' in full'), user('Another question')],
      ['tool_call:new', 'agent:Old answer', 'agent: in full', 'user:Another question'],
    ],
    ['an owed tool call, used again live', [tool('k'), agent('Different')], ['tool_call:k', 'agent:Different']],
    ['other updates', [{ sessionUpdate: 'plan', entries: [] } as SessionUpdate, agent('x')], ['plan:', 'agent:x']],
    [
      'a thought before the echo of an attachment',
      [thought('t'), { sessionUpdate: 'user_message_chunk', content: image } as SessionUpdate, agent('New')],
      ['agent_thought:t', 'agent:New'],
    ],
    [
      'after the first live word an owed answer, where its question did not come',
      [agent('New'), agent('Old answer'), user('Another question'), agent('Older words')],
      ['agent:New', 'agent:Old answer', 'user:Another question', 'agent:Older words'],
    ],
  ])('nothing live is swallowed: %s', (_, updates, kept) => {
    const options = { ...late, prompt: [text('What now?'), image], nextToolCalls: new Set(['k']) };
    expect(stored(options, updates)).toEqual(kept);
  });
});

describe('for any updates', () => {
  const words = fc.constantFrom('a', 'b', 'ab', 'What now?', 'What', ' now?', '');
  const ids = fc.constantFrom('m', 'n', 'o', undefined);
  const update = fc.oneof(
    words.map((one) => user(one)),
    fc.tuple(words, ids).map(([one, id]) => agent(one, id)),
    words.map(thought),
    fc.constantFrom(tool('k'), tool('l'), { sessionUpdate: 'plan', entries: [] } as SessionUpdate),
  );
  const next = fc.array(
    fc.record({
      side: fc.constantFrom('user' as const, 'agent' as const),
      text: fc.constantFrom('a', 'ab', 'b'),
      messageId: fc.constantFrom('m', 'n', null),
      isCertain: fc.boolean(),
    }),
    { maxLength: 3 },
  );

  it('what is given out is what came, in order, and nothing is kept back at the end', () => {
    fc.assert(
      fc.property(fc.array(update, { maxLength: 25 }), next, (updates, owing) => {
        const filter = createLiveFilter({ prompt: [text('What now?')], next: owing, nextToolCalls: new Set(['k']) });
        const out = [...updates.flatMap((one) => filter.push(one)), ...filter.end()].map((item) => item.update);
        let from = 0;
        for (const one of out) {
          const at = updates.indexOf(one, from);
          expect(at).toBeGreaterThanOrEqual(from);
          from = at + 1;
        }
        expect(filter.end()).toEqual([]);
      }),
      { numRuns: 2_000 },
    );
  });

  it('with nothing owed only echoes go: everything the agent says is kept', () => {
    fc.assert(
      fc.property(fc.array(update, { maxLength: 25 }), (updates) => {
        const filter = createLiveFilter({ prompt: [text('What now?')] });
        const out = [...updates.flatMap((one) => filter.push(one)), ...filter.end()].map((item) => item.update);
        const ofAgent = (list: readonly SessionUpdate[]) => list.filter((one) => one.sessionUpdate !== 'user_message_chunk');
        expect(ofAgent(out)).toEqual(ofAgent(updates));
      }),
      { numRuns: 2_000 },
    );
  });

  it('I11: after words of the user’s that nobody knows (a command that the agent spelt out) the answer is given out at once, in its turn', () => {
    const filter = createLiveFilter({ prompt: [text('/fix')], hasMore: true });
    expect(filter.push(user('Repair what fails.'))).toEqual([]);
    const { next } = owed(['user', 'Before'], ['agent', 'Long ago']);
    expect(filter.know({ next })).toEqual([{ update: user('Repair what fails.') }]);
    for (const one of [agent('Sure.'), thought('t'), agent('Done.')]) expect(filter.push(one)).toEqual([{ update: one }]);
  });

  it('empty words of the user’s are nothing', () => {
    const empty = { sessionUpdate: 'user_message', messageId: 'x', content: [] } as unknown as SessionUpdate;
    expect(stored({}, [user('What now?'), empty, user(''), agent('Live')])).toEqual(['agent:Live']);
  });

  it('with nothing owed, what the agent says is given out at once', () => {
    const filter = createLiveFilter({ prompt: [text('What now?')] });
    for (const one of [agent('a'), thought('t'), tool('x'), agent('b')]) expect(filter.push(one)).toEqual([{ update: one }]);
  });
});
