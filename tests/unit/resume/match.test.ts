import { describe, expect, it } from 'vitest';
import { createReplayMatcher } from '../../../src/engine/resume/match.ts';
import { buildPreamble } from '../../../src/engine/transcript/preamble.ts';
import { renderTranscript } from '../../../src/engine/transcript/render.ts';
import { log } from '../transcript/log.ts';
import { agent, match, said, store, thought, tool, user } from './replay.ts';

const two = () => log().user('Remember blue').agent('OK,', ' blue.').end().user('Which colour?').agent('Bl', 'ue').end();
const replayOfTwo = [user('Remember blue'), agent('OK, blue.'), user('Which colour?'), agent('Blue')];

describe('I3: an agent that sends each message twice', () => {
  const numbered = (updates: readonly ReturnType<typeof user>[]) =>
    updates.map((update, i) => ({ ...update, messageId: `m${i}` }) as ReturnType<typeof user>);
  const twice = (updates: readonly ReturnType<typeof user>[]) => numbered(updates).flatMap((update) => [update, update]);

  it('does so with short ones too: what is new is imported once', async () => {
    const result = await match(two(), twice([...replayOfTwo, user('And now?'), agent('Yes.'), user('Sure?'), agent('ha')]));
    expect(said(result)).toEqual(['user And now?', 'agent Yes.', 'user Sure?', 'agent ha']);
    expect(result).toMatchObject({ matched: 4, missing: 0 });
  });

  it.each([
    ['sends each once', numbered(replayOfTwo)],
    ['sent a long one once', [...numbered(replayOfTwo), user('A longer question', 'x'), ...twice([user('A longer question')])]],
  ])('but a word said twice stays one where the agent %s', async (_, before) => {
    const result = await match(two(), [...before, user('Funny?', 'q'), agent('ha', 'l'), agent('ha', 'l')]);
    expect(said(result).at(-1)).toBe('agent haha');
  });

  it('a short answer that was cut off does not go on with itself when all of it is sent twice', async () => {
    const cutOff = log().user('My cat is Tom.').agent('Noted.').end({ state: 'interrupted' });
    const once = [user('My cat is Tom.', 'u'), agent('Noted.', 'a')];
    expect((await match(cutOff, [...once, ...once])).imported).toEqual([]);
    expect(said(await match(cutOff, [...once, agent(' Your cat: Tom.', 'a')]))).toHaveLength(1);
  });

  it('a foreign answer that says twice what ours say once stays as it is', async () => {
    const updates = [...replayOfTwo, user('Twice, please'), agent('Blue'), agent('Blue')];
    expect(said(await match(two(), updates)).at(-1)).toBe('agent BlueBlue');
    const cutOff = two().user('Twice, please').end({ state: 'interrupted' });
    expect(said(await match(cutOff, updates))).toEqual(['agent@t3 BlueBlue']);
  });

  it('and no word of a message that came twice is lost', async () => {
    const result = await match(two(), [
      ...twice(replayOfTwo),
      user('Funny?', 'q'),
      user('Funny?', 'q'),
      agent('ha', 'l'),
      agent('ha', 'l'),
      agent('ha', 'l'),
      agent('ha', 'l'),
    ]);
    expect(said(result).at(-1)).toMatch(/^agent (?:ha)+$/);
  });
});

describe('I3: a replay of what we have adds nothing', () => {
  it.each([
    ['whole, in whole messages', replayOfTwo],
    [
      'in other chunks',
      [user('Remem'), user('ber blue'), agent('O'), agent('K, blue.'), user('Which colour?'), agent('B'), agent('l'), agent('ue')],
    ],
    ['with ids of its own', [user('Remember blue', 'u1'), agent('OK, blue.', 'a1'), user('Which colour?', 'u2'), agent('Blue', 'a2')]],
    ['with other white space', [user(' Remember\nblue\n'), agent('OK,  blue.\n'), user('Which colour?'), agent('\nBlue')]],
    [
      'with thoughts and tool calls in between',
      [
        user('Remember blue'),
        thought('hm'),
        tool('1'),
        agent('OK,'),
        tool('2'),
        agent(' blue.'),
        user('Which colour?'),
        thought('x'),
        agent('Blue'),
        tool('3'),
      ],
    ],
    ['sent twice without ids', [...replayOfTwo, ...replayOfTwo]],
    ['sent three times', [...replayOfTwo, ...replayOfTwo, ...replayOfTwo]],
    ['begun, and begun again', [...replayOfTwo.slice(0, 2), ...replayOfTwo]],
    ['sent, and begun again', [...replayOfTwo, ...replayOfTwo.slice(0, 2)]],
    ['every message twice', replayOfTwo.flatMap((update) => [update, update])],
    [
      'every message twice with the same id',
      replayOfTwo.flatMap(
        (update, i) =>
          [
            { ...update, messageId: `m${i}` },
            { ...update, messageId: `m${i}` },
          ] as typeof replayOfTwo,
      ),
    ],
    [
      'sent twice with the same ids',
      [0, 1].flatMap(() => replayOfTwo.map((update, i) => ({ ...update, messageId: `m${i}` }) as (typeof replayOfTwo)[number])),
    ],
    ['the last turn sent again', [...replayOfTwo, ...replayOfTwo.slice(2)]],
    [
      'the last turn sent again with its ids',
      [...replayOfTwo, ...replayOfTwo.slice(2)].map((update, i) => ({ ...update, messageId: `m${i < 4 ? i : i - 2}` }) as typeof update),
    ],
  ])('%s', async (_, updates) => {
    const result = await match(two(), updates);
    expect(said(result)).toEqual([]);
    expect(result).toMatchObject({
      verified: 'replay-matched',
      matched: 4,
      missing: 0,
      importedMessages: 0,
      reachedEnd: true,
    });
  });

  it.each([
    ['only the newest', replayOfTwo.slice(2), 2, true],
    ['only the oldest', replayOfTwo.slice(0, 2), 2, false],
    ['without one in the middle', [replayOfTwo[0], replayOfTwo[1], replayOfTwo[3]], 3, true],
    ['only the answers', [replayOfTwo[1], replayOfTwo[3]], 2, true],
    ['only the questions', [replayOfTwo[0], replayOfTwo[2]], 2, false],
  ] as const)('partial: %s', async (_, updates, matched, reachedEnd) => {
    const result = await match(two(), updates as typeof replayOfTwo);
    expect(said(result)).toEqual([]);
    expect(result).toMatchObject({ verified: 'replay-partial', matched, missing: 4 - matched, reachedEnd });
  });

  it('partial: only the newest, of messages that say the same', async () => {
    const built = log();
    for (let i = 0; i < 4; i++) built.user('continue').agent('ok').end();
    const result = await match(built, [user('continue'), agent('ok'), user('continue'), agent('ok')]);
    expect(result).toMatchObject({ verified: 'replay-partial', matched: 4, missing: 4, imported: [], reachedEnd: true });
  });

  it('empty', async () => {
    expect(await match(two(), [])).toMatchObject({
      verified: 'replay-empty',
      received: 0,
      matched: 0,
      missing: 4,
      imported: [],
      reachedEnd: false,
    });
    expect(await match(two(), [tool('1'), thought('x')])).toMatchObject({ verified: 'replay-empty', imported: [] });
  });

  it('another conversation: nothing matched imports nothing', async () => {
    expect(await match(two(), [user('Hello'), agent('Hi there')])).toMatchObject({
      verified: 'replay-mismatch',
      received: 2,
      matched: 0,
      missing: 4,
      imported: [],
    });
  });

  it('nothing logged and nothing replayed is well; something replayed is not ours', async () => {
    expect(await match(log(), [])).toMatchObject({ verified: 'replay-matched', reachedEnd: true });
    expect(await match(log(), [user('Hello')])).toMatchObject({ verified: 'replay-mismatch', imported: [] });
  });

  it('a message in the middle that we do not have is counted, not imported', async () => {
    const result = await match(two(), [
      replayOfTwo[0],
      replayOfTwo[1],
      user('/compact'),
      agent('done'),
      replayOfTwo[2],
      replayOfTwo[3],
    ] as typeof replayOfTwo);
    expect(result).toMatchObject({ verified: 'replay-matched', received: 6, matched: 4, imported: [] });
  });

  it('a message the agent wraps in context of its own is the same message', async () => {
    const built = log().user('Please summarise the file').agent('It says hello').end();
    const result = await match(built, [user('<environment>cwd /x</environment>Please summarise the file'), agent('It says hello')]);
    expect(result).toMatchObject({ verified: 'replay-matched', matched: 2, imported: [] });
    const interrupted = log().user('hi').agent('ho').end().user('Please summarise the file').end({ state: 'interrupted' });
    expect((await match(interrupted, [user('hi'), agent('ho'), user('<env/>Please summarise the file')])).imported).toEqual([]);
  });

  it('attachments may be replayed as anything', async () => {
    const image = { type: 'image', data: 'AAAA', mimeType: 'image/png' } as const;
    const built = log().user('What is this?', image).agent('A cat').end().user(image).agent('A dog').end();
    expect(
      await match(built, [user('What is this?'), agent('A cat'), { sessionUpdate: 'user_message_chunk', content: image }, agent('A dog')]),
    ).toMatchObject({ verified: 'replay-matched', imported: [] });
    expect(await match(built, [user('What is this?[image]'), agent('A cat'), user('[image]'), agent('A dog')])).toMatchObject({
      imported: [],
    });
  });

  it('a turn that never reached the agent is not missed', async () => {
    const built = two().user('And now?').end({ state: 'interrupted' });
    expect(await match(built, replayOfTwo)).toMatchObject({ verified: 'replay-matched', missing: 0, reachedEnd: true });
    const refused = two()
      .user('And now?')
      .end({ state: 'failed', error: { code: 'agent_protocol_error', message: 'x' } });
    expect(await match(refused, replayOfTwo)).toMatchObject({ verified: 'replay-matched', missing: 0 });
  });

  it('two prompts without an answer between them may come back as one message, or only the second', async () => {
    const built = log().user('first').end({ state: 'interrupted' }).user('second').agent('answer').end();
    for (const updates of [
      [user('first'), user('second'), agent('answer')],
      [user('firstsecond'), agent('answer')],
      [user('second'), agent('answer')],
      [user('first', '1'), user('second', '2'), agent('answer', '3')],
    ]) {
      expect(await match(built, updates)).toMatchObject({ verified: 'replay-matched', matched: 2, imported: [] });
    }
  });

  it('what is no part of a conversation is left to the caller', () => {
    const matcher = createReplayMatcher({ log: [] });
    expect(matcher.take({ sessionUpdate: 'available_commands_update', availableCommands: [] })).toBe(false);
    expect(matcher.take({ sessionUpdate: 'current_mode_update', currentModeId: 'x' })).toBe(false);
    expect(matcher.take({ sessionUpdate: 'something_new' } as never)).toBe(true);
  });
});

describe('what happened in another client is imported once', () => {
  const foreign = [user('From elsewhere'), thought('hmm'), tool('t9'), agent('Under'), agent('stood')];

  it.each([
    ['behind a whole replay', [...replayOfTwo, ...foreign]],
    ['behind a capped replay', [...replayOfTwo.slice(3), ...foreign]],
    ['behind a doubled replay', [...replayOfTwo, ...replayOfTwo, ...foreign]],
    ['with ids', [...replayOfTwo, ...foreign].map((update, i) => ({ ...update, messageId: `m${i < 5 ? i : 9}` }))],
  ])('%s', async (_, updates) => {
    const built = two();
    const result = await match(built, updates as typeof replayOfTwo);
    expect(said(result)).toEqual(['user From elsewhere', 'agent_thought_chunk hmm', 'tool_call t9', 'agent Understood']);
    expect(result).toMatchObject({ importedMessages: 2, verified: updates.length === 6 ? 'replay-partial' : 'replay-matched' });
    store(built, result);
    expect((await match(built, updates as typeof replayOfTwo)).imported).toEqual([]);
  });

  it('not where the end of the log did not come: then nobody can tell what is new, and it is counted', async () => {
    const built = two().user('Lost turn').agent('Lost answer').end();
    expect(await match(built, [...replayOfTwo, ...foreign])).toMatchObject({
      imported: [],
      verified: 'replay-partial',
      received: 6,
      matched: 4,
      missing: 2,
      reachedEnd: false,
    });
  });

  it('behind a prompt of ours that got no answer', async () => {
    const built = two().user('Cut off').end({ state: 'interrupted' });
    const result = await match(built, [...replayOfTwo, user('Cut off'), user('From elsewhere'), agent('Yes')]);
    expect(said(result)).toEqual(['user From elsewhere', 'agent Yes']);
    expect(result.importedMessages).toBe(2);
    store(built, result);
    expect((await match(built, [...replayOfTwo, user('Cut off'), user('From elsewhere'), agent('Yes')])).imported).toEqual([]);
  });

  it('the same words again are a new turn when ids say so', async () => {
    const built = log().user('ping').agent('pong').end();
    const result = await match(built, [user('ping', '1'), agent('pong', '2'), user('ping', '3'), agent('pong', '4')]);
    expect(said(result)).toEqual(['user ping', 'agent pong']);
  });

  it('keeps the updates as they came', async () => {
    const odd = {
      sessionUpdate: 'agent_message_chunk',
      content: { type: 'text', text: 'x', annotations: { a: 1 } },
      messageId: 'q',
      extra: [1],
    } as never;
    const matcher = createReplayMatcher({ log: two().newestFirst() });
    for (const update of [...replayOfTwo, user('new')]) matcher.take(update);
    matcher.take(odd, { trace: 1 });
    const { imported } = await matcher.end();
    expect(imported[1]).toEqual({ update: odd, source: odd, meta: { trace: 1 }, turnId: null });
  });
});

describe('a replay completes an interrupted turn', () => {
  const cut = (...chunks: string[]) =>
    two()
      .user('Tell me')
      .agent(...chunks)
      .end({ state: 'interrupted' });
  it.each([
    ['text that goes on', cut('Once upon'), [user('Tell me'), agent('Once upon a time.')], ['agent@t3  a time.']],
    [
      '… in chunks',
      cut('Once ', 'upon'),
      [user('Tell me'), agent('On'), agent('ce upon a'), agent(' time'), agent('.')],
      ['agent@t3  a time.'],
    ],
    ['… with white space already there', cut('Once upon '), [user('Tell me'), agent('Once upon a time.')], ['agent@t3 a time.']],
    ['nothing had come yet', cut(), [user('Tell me'), thought('hm'), agent('Once.')], ['agent_thought_chunk@t3 hm', 'agent@t3 Once.']],
    [
      'a tool call we have and one we have not',
      cut('A').tool('k1', 'x', { status: 'completed' }),
      [user('Tell me'), agent('A'), tool('k1'), tool('k2'), agent('B')],
      ['tool_call@t3 k2', 'agent@t3 B'],
    ],
    ['all of it had come', cut('Once.'), [user('Tell me'), agent('Once.')], []],
    ['the agent kept less', cut('Once upon a time there was'), [user('Tell me'), agent('Once upon a time')], []],
    ['the agent kept something else', cut('Once upon a time'), [user('Tell me'), agent('Sorry.')], []],
    [
      '… and goes on elsewhere',
      cut('Once'),
      [user('Tell me'), agent('Once.'), user('More'), agent('No')],
      ['agent@t3 .', 'user More', 'agent No'],
    ],
  ])('%s', async (_, built, updates, imported) => {
    // `cut(…).tool` above logs behind the end of its turn; order within the turn is what counts here.
    const all = [...replayOfTwo, ...updates];
    const result = await match(built, all);
    expect(said(result)).toEqual(imported);
    store(built, result);
    expect((await match(built, all)).imported).toEqual([]);
  });

  it.each([
    ['its question', replayOfTwo],
    ['any question', [agent('OK, blue.'), agent('Blue')]],
  ])('I3: of an agent that does not replay %s, in its turn and no other', async (_, before) => {
    const all = [...before, agent('Once upon'), agent(' a time.')];
    const built = cut('Once upon');
    const result = await match(built, all);
    expect(said(result)).toEqual(['agent@t3  a time.']);
    expect(result).toMatchObject({ reachedEnd: true, matched: before.length + 1, received: before.length + 1 });
    store(built, result);
    expect((await match(built, all)).imported).toEqual([]);
    // The same of a turn that ended before the last words came.
    const whole = two().user('Tell me').agent('Once upon').end();
    expect(said(await match(whole, all))).toEqual(['agent@t3  a time.']);
  });

  it('I11: words that came after the answer to the prompt are added to it, once, wherever it stands', async () => {
    const built = two().user('Tell me').agent('Once').end();
    const all = [...replayOfTwo, user('Tell me'), agent('Once upon a time')];
    const result = await match(built, all);
    expect(said(result)).toEqual(['agent@t3  upon a time']);
    expect(result).toMatchObject({ verified: 'replay-matched', matched: 6, missing: 0, importedMessages: 1 });
    store(built, result);
    expect(await match(built, all)).toMatchObject({ imported: [], matched: 6, missing: 0 });
    built.user('More').agent('No').end();
    const more = [...all.slice(0, 1), agent('OK, blue. And green.'), ...all.slice(2), user('More'), agent('No')];
    const later = await match(built, more);
    expect(said(later)).toEqual(['agent@t1  And green.']);
    store(built, later);
    expect(await match(built, more)).toMatchObject({ imported: [], matched: 8, missing: 0 });
  });

  it('a turn whose end was never stored counts as interrupted', async () => {
    const result = await match(two().user('Tell me').agent('Once'), [...replayOfTwo, user('Tell me'), agent('Once more')]);
    expect(said(result)).toEqual(['agent@t3  more']);
  });
});

describe('where it begins', () => {
  it('only the log of this agent session is looked at', async () => {
    const built = two();
    const began = built.events.length + 1;
    built.push('resumed', { tier: 'transcript' }, 'host').user('Next').agent('Fine').end();
    expect(await match(built, [user('Next'), agent('Fine')], { fromSeq: began })).toMatchObject({
      verified: 'replay-matched',
      matched: 2,
      missing: 0,
    });
  });

  it.each(['inline', 'resource', 'file'] as const)('the %s preamble in front of the first prompt is known', async (mode) => {
    const built = two();
    const transcript = await renderTranscript(built.newestFirst());
    const blocks = buildPreamble(transcript, mode, '/p.md');
    const began = built.events.length + 1;
    built.push('resumed', { tier: 'transcript' }, 'host').user('Go on').agent('Going').end();
    const words = blocks.map((block) => (block.type === 'text' ? block.text : '')).join('');
    const wrapped = `<context ref="rehydrate:///earlier-conversation.md">\n${transcript}\n</context>`;
    const replays = [
      [user(`${words}Go on`)],
      [user(words), user('Go on')],
      [user(words, '1'), user('Go on', '2')],
      [user('Go on')],
      [user(`${words}\nGo on\n${mode === 'resource' ? wrapped : ''}`)],
    ];
    for (const first of replays) {
      for (const preamble of [[transcript], [words], [words, transcript]]) {
        const result = await match(built, [...first, agent('Going')], { fromSeq: began, preamble });
        expect([result.verified, result.matched, said(result)]).toEqual(['replay-matched', 2, []]);
      }
    }
  });

  it('a preamble whose first prompt was cut off is no message of the user’s', async () => {
    const built = two();
    const transcript = await renderTranscript(built.newestFirst());
    const began = built.events.length + 1;
    built.push('resumed', {}, 'host').user('Go on').agent('Go').end({ state: 'interrupted' });
    const result = await match(built, [user(`${transcript}Go on`), agent('Going')], { fromSeq: began, preamble: [transcript] });
    expect(said(result)).toEqual(['agent@t3 ing']);
  });

  it('secrets are out of the log, so they are taken out of the replay, however it is cut', async () => {
    const redact = (text: string) => text.replaceAll('canary-1', '[secret K]');
    const built = log().user('key [secret K]').agent('can', 'ary-1 it is').end();
    expect(await match(built, [user('key can'), user('ary-1'), agent('canary-1 it is')], { redact })).toMatchObject({
      verified: 'replay-matched',
      matched: 2,
    });
  });
});

describe('a notice beside a reply', () => {
  const notice = (text: string) => ({ ...agent(text), _meta: { claudeCode: { kind: 'informational' } } }) as (typeof replayOfTwo)[number];
  it.each([
    ['before it', (reply: string) => log().user('Q?').update(agent('A warning.')).update(agent(reply, 'm'))],
    ['after it', (reply: string) => log().user('Q?').update(agent(reply, 'm')).update(agent('A warning.'))],
    [
      'in the middle of it',
      (reply: string) =>
        log()
          .user('Q?')
          .update(agent(reply.slice(0, 2), 'm'))
          .update(agent('A warning.'))
          .update(agent(reply.slice(2), 'm')),
    ],
    ['under another id', (reply: string) => log().user('Q?').update(agent('A warning.', 'n')).update(agent(reply, 'm'))],
    ['marked', (reply: string) => log().user('Q?').update(notice('A warning.')).update(agent(reply, 'm'))],
  ])('%s is no gap where the replay leaves it out, nor new where the log has it not', async (_, record) => {
    const replayed = [user('Q?', 'u'), agent('Yes', 'm')];
    expect(await match(record('Yes').end(), replayed)).toMatchObject({ verified: 'replay-matched', matched: 2, missing: 0, imported: [] });
    expect(await match(record('Yes').end(), [user('Q?'), agent('Ye'), agent('s')])).toMatchObject({ matched: 2, missing: 0, imported: [] });
    const told = [
      user('Q?', 'u'),
      ...record('Yes').events.flatMap(({ payload, origin }) => (origin === 'agent' ? [payload as (typeof replayOfTwo)[number]] : [])),
    ];
    expect(await match(log().user('Q?').agent('Yes').end(), told)).toMatchObject({
      verified: 'replay-matched',
      matched: 2,
      missing: 0,
      imported: [],
    });
  });

  it('is not expected where it stands between turns', async () => {
    const built = log()
      .update(agent('Welcome to pi.') as never)
      .user('Q?')
      .agent('Yes')
      .end();
    expect(await match(built, [user('Q?'), agent('Yes')])).toMatchObject({
      verified: 'replay-matched',
      matched: 2,
      missing: 0,
      imported: [],
    });
    expect(await match(built, [agent('Welcome to pi.'), user('Q?'), agent('Yes')])).toMatchObject({ matched: 3, missing: 0, imported: [] });
    expect(await match(log().update(agent('Welcome.') as never), [])).toMatchObject({ verified: 'replay-matched' });
  });
});

describe('an agent that shortened its memory', () => {
  const compaction = {
    sessionUpdate: 'compaction_update',
    compactionId: 'c',
    status: 'completed',
  } as unknown as (typeof replayOfTwo)[number];
  it.each([
    ['says so in the replay', two(), [compaction, user('Summary of what was said')]],
    [
      'said so before',
      two()
        .update(compaction as never)
        .user('Next')
        .agent('Fine')
        .end(),
      [user('Summary'), user('Next', 'n'), agent('Fine')],
    ],
    ['was asked to', two().user('/compact').agent('Compacted.').end().user('Next').agent('Fine').end(), [user('Next'), agent('Fine')]],
  ])('is not taken for another one: it %s', async (_, built, updates) => {
    const result = await match(built, updates);
    expect(['replay-matched', 'replay-partial']).toContain(result.verified);
    expect(result.imported).toEqual([]);
  });

  it('need not know what is older', async () => {
    const built = two()
      .update(compaction as never)
      .user('Next')
      .agent('Fine')
      .end();
    expect(await match(built, [user('Next'), agent('Fine')])).toMatchObject({ verified: 'replay-matched', matched: 2, missing: 0 });
  });
});

describe('the preamble that was given', () => {
  it.each(['inline', 'resource', 'file'] as const)('%s: whether it is still there is told', async (mode) => {
    const transcript = await renderTranscript(two().newestFirst());
    const blocks = buildPreamble(transcript, mode, '/p.md');
    const given = blocks.flatMap((block) =>
      block.type === 'text' ? block.text : block.type === 'resource' && 'text' in block.resource ? block.resource.text : [],
    );
    const record = (turns: number) => {
      const built = log();
      for (let i = 0; i < turns; i++) built.user(`Go on ${i}`).agent(`Going ${i}`).end();
      return built;
    };
    const told = async (...first: Parameters<typeof user>[0][]) =>
      (await match(record(1), [...first.map((text) => user(text)), agent('Going 0')], { preamble: given })).preamble;
    expect(await told(...given, 'Go on 0')).toBe('kept');
    expect(await told(`${given.join('')}Go on 0`)).toBe('kept');
    expect(await told('Go on 0')).toBe('gone');
    // What is left of it where an agent drops an embedded resource.
    expect(await told(given[0]!, 'Go on 0')).toBe(mode === 'resource' ? 'gone' : 'kept');
    const embedded = blocks.map((content) => ({ sessionUpdate: 'user_message_chunk', content }) as (typeof replayOfTwo)[number]);
    expect((await match(record(1), [...embedded, user('Go on 0'), agent('Going 0')], { preamble: given })).preamble).toBe('kept');
    // A replay that does not reach back to it tells nothing.
    expect((await match(record(3), [user('Go on 2'), agent('Going 2')], { preamble: given })).preamble).toBeNull();
    expect((await match(record(1), [user('Go on 0'), agent('Going 0')])).preamble).toBeNull();
  });
});

describe('late replay', () => {
  it('says whether it reached the end, and may be finished again', async () => {
    const matcher = createReplayMatcher({ log: two().newestFirst() });
    matcher.take(user('Remember blue'));
    const early = await matcher.end();
    expect(early).toMatchObject({ matched: 1, reachedEnd: false });
    expect(early.next.map(({ side }) => side)).toEqual(['agent', 'user', 'agent']);
    for (const update of replayOfTwo.slice(1)) matcher.take(update);
    expect(await matcher.end()).toMatchObject({ matched: 4, missing: 0, reachedEnd: true, next: [] });
  });

  it('what was imported before is the same object later, so that nothing is stored twice', async () => {
    const matcher = createReplayMatcher({ log: two().user('Tell me').agent('Once').end({ state: 'interrupted' }).newestFirst() });
    for (const update of [...replayOfTwo, user('Tell me'), agent('Once upon')]) matcher.take(update);
    const early = await matcher.end();
    expect(said(early)).toEqual(['agent@t3  upon']);
    for (const update of [agent(' a time'), user('And elsewhere'), agent('Yes')]) matcher.take(update);
    const late = await matcher.end();
    const known = new Set(early.imported.map(({ update }) => update));
    expect(said({ ...late, imported: late.imported.filter(({ update }) => !known.has(update)) })).toEqual([
      'agent@t3  a time',
      'user And elsewhere',
      'agent Yes',
    ]);
  });
});

it('I3: of a replay that was cut short in a message its rest comes next, whichever it is', async () => {
  const logged = log().user('One').agent('First of all').end().user('Two').agent('Second').end();
  const result = await match(logged, [user('One'), agent('First ')]);
  expect(result.endsWithin).toBe(true);
  expect(result.next.map(({ side, text }) => `${side} ${text}`)).toEqual(['agent ofall', 'user Two', 'agent Second']);
  expect((await match(logged, [user('One'), agent('First of all')])).endsWithin).toBe(false);
});
