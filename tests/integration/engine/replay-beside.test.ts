/** I3, I11: notices, tool calls and late words beside the messages of a replay. */
import { describe, expect, it } from 'vitest';
import type { SessionEvent, SessionUpdate } from '../../../src/engine/index.ts';
import { CWD, hostOf, PATIENT, worldOf } from './helpers.ts';
import { ordinary, rawAgents, update, words, type RawAgent } from './raw-agent.ts';

const asked = (text: string, messageId?: string): unknown =>
  update({ sessionUpdate: 'user_message_chunk', content: { type: 'text', text }, ...(messageId ? { messageId } : {}) });
const call = (toolCallId: string, status: string, extra: object = {}): unknown =>
  update({ sessionUpdate: 'tool_call', toolCallId, title: 'npm test', kind: 'execute', status, ...extra });
const updatesOf = (events: readonly SessionEvent[]): SessionUpdate[] =>
  events.flatMap((event) => (event.kind === 'update' ? [event.payload] : []));
const saidBy = (events: readonly SessionEvent[]): string[] =>
  updatesOf(events).flatMap((one) =>
    one.sessionUpdate === 'agent_message_chunk' && one.content.type === 'text' ? [one.content.text] : [],
  );

interface Script {
  readonly capabilities: object;
  prompt(text: string, agent: RawAgent, turn: number): boolean | void;
  onResume?(agent: RawAgent, method: string, time: number): void;
}

/** An agent that does at its prompts, and when it is asked to resume or load, what the script says. A prompt that gives false gets no answer. */
function scripted({ capabilities, prompt, onResume }: Script) {
  let [turns, times] = [0, 0];
  return rawAgents((message, agent) => {
    if (message.method === 'session/load' || message.method === 'session/resume') onResume?.(agent, message.method, ++times);
    if (message.method === 'session/prompt') {
      const text = (message.params?.['prompt'] as { text?: string }[]).map((block) => block.text ?? '').join('');
      if (prompt(text, agent, ++turns) === false) return;
    }
    if (message.method) agent.say(ordinary(message, capabilities));
  });
}

describe('a notice beside the reply', () => {
  const LOAD = { loadSession: true };
  const NOTICES: [string, (text: string) => unknown][] = [
    ['without an id', (text) => words(text)],
    ['under an id of its own', (text) => words(text, `n-${text.length}`)],
    [
      'as Claude’s agent marks it',
      (text) =>
        update({ ...(words(text) as { params: { update: object } }).params.update, _meta: { claudeCode: { kind: 'informational' } } }),
    ],
    ['as a notice', (text) => update({ sessionUpdate: 'notice', title: text, severity: 'warning' })],
  ];

  it.each(NOTICES)('%s is no gap where the replay leaves it out, and is stored once', async (_, notice) => {
    const agents = scripted({
      capabilities: LOAD,
      prompt: (_text, agent) => agent.say(notice('Warning: a gateway is set.'), words('heron', 'm1'), words('-4711', 'm1')),
      onResume: (agent) => agent.say(asked('The codeword?', 'u1'), words('heron-4711', 'm1')),
    });
    const { wake } = await worldOf(agents);
    const first = await wake();
    await first.create({ agent: 'raw', cwd: CWD, sessionId: 's' });
    await first.prompt('s', 'The codeword?');
    const before = updatesOf(await first.history('s'));
    await first.sleep();
    for (let i = 0; i < 2; i++) {
      const host = await wake();
      const report = await host.resume('s');
      expect(report).toMatchObject({ verified: 'replay-matched', replay: { received: 2, matched: 2, missing: 0, imported: 0 } });
      expect(updatesOf(await host.history('s'))).toEqual(before);
      await host.sleep();
    }
  });

  it.each(NOTICES)('%s that comes during session/resume is no replay: it is stored, between turns', async (_, notice) => {
    const agents = scripted({
      capabilities: { sessionCapabilities: { resume: {} } },
      prompt: (_text, agent) => agent.say(words('Fine.', 'm1')),
      onResume: (agent, _method, time) => agent.say(notice(`Warning number ${time}.`)),
    });
    const { wake } = await worldOf(agents);
    for (let i = 1; i <= 3; i++) {
      const host = await wake();
      if (i === 1) await host.create({ agent: 'raw', cwd: CWD, sessionId: 's' });
      const { report } = await host.prompt('s', `Prompt ${i}`);
      if (i > 1) {
        expect(report).toMatchObject({ tier: 'resume', replay: null });
        expect(report.attempts.at(-1)!.evidence).not.toContain('replay');
        const told = (await host.history('s')).filter((event) => JSON.stringify(event.payload).includes(`Warning number ${i - 1}.`));
        expect(told.map(({ kind, origin, turnId }) => ({ kind, origin, turnId }))).toEqual([
          { kind: 'update', origin: 'agent', turnId: null },
        ]);
      }
      await host.sleep();
    }
  });

  it('a banner that the log has, and the replay leaves out, is not missing', async () => {
    const agents = scripted({
      capabilities: LOAD,
      prompt: (_text, agent) => agent.say(words('Fine.')),
      onResume: (agent) => agent.say(asked('Hello?'), words('Fine.')),
    });
    const { wake } = await worldOf(agents);
    const first = await wake();
    await first.create({ agent: 'raw', cwd: CWD, sessionId: 's' });
    agents.last!.say(words('pi v0.0.34, ready.'));
    await first.prompt('s', 'Hello?');
    expect(saidBy(await first.history('s'))).toEqual(['pi v0.0.34, ready.', 'Fine.']);
    await first.sleep();
    const host = await wake();
    expect(await host.resume('s')).toMatchObject({
      verified: 'replay-matched',
      replay: { received: 2, matched: 2, missing: 0, imported: 0 },
    });
  });
});

it('I10: a new notice in a replay is looked for no further back than the replay reaches', async () => {
  const agents = scripted({
    capabilities: { loadSession: true },
    prompt: (_text, agent) => agent.say(words('Done.')),
    onResume: (agent) =>
      agent.say(update({ sessionUpdate: 'notice', title: 'A new gateway.' }), asked('Question 4000'), words('Answer 4000')),
  });
  let read = 0;
  const { host, db } = await hostOf(agents, {}, (db) => ({
    ...db,
    batch: (statements) => db.batch(statements),
    close: () => db.close(),
    async query(sql, params) {
      const rows = await db.query(sql, params);
      if (sql.includes('payload')) read += rows.length;
      return rows;
    },
  }));
  await host.create({ agent: 'raw', cwd: CWD, sessionId: 's' });
  await host.close('s');
  await db.batch([
    {
      sql: `WITH RECURSIVE said (i) AS (SELECT 4 UNION ALL SELECT i + 1 FROM said WHERE i < 16003)
INSERT INTO acp_session_events (session_id, seq, turn_id, at, kind, origin, payload)
SELECT 's', i + 100, turn, 1, CASE part WHEN 0 THEN 'turn_started' WHEN 3 THEN 'turn_ended' ELSE 'update' END, 'agent',
CASE part WHEN 0 THEN '{}' WHEN 3 THEN '{"state":"completed","stopReason":"end_turn"}'
ELSE json_object('sessionUpdate', CASE part WHEN 1 THEN 'user_message_chunk' ELSE 'agent_message_chunk' END,
'content', json_object('type', 'text', 'text', CASE part WHEN 1 THEN 'Question ' ELSE 'Answer ' END || n)) END FROM (SELECT i, i % 4 AS part, 't' || (i / 4) AS turn, i / 4 AS n FROM said)`,
    },
    {
      sql: `INSERT INTO acp_turns (turn_id, session_id, content_hash, state, report, first_seq, last_seq)
SELECT turn_id, 's', 'x', 'completed', '{}', min(seq), max(seq) FROM acp_session_events WHERE session_id = 's' AND turn_id IS NOT NULL GROUP BY turn_id`,
    },
  ]);
  read = 0;
  expect(await host.resume('s')).toMatchObject({ tier: 'load', replay: { received: 2, matched: 2, imported: 0 } });
  expect(read).toBeLessThan(2_000);
  expect(JSON.stringify((await host.history('s', { after: 16_000 })).map(({ payload }) => payload))).toContain('A new gateway.');
});

describe('a tool call of a turn that was cut off', () => {
  it.each([
    ['as it was', [call('call-1', 'in_progress')]],
    ['failed meanwhile', [call('call-1', 'failed', { content: [] })]],
    [
      'with an update of its own',
      [call('call-1', 'pending'), update({ sessionUpdate: 'tool_call_update', toolCallId: 'call-1', status: 'completed' })],
    ],
  ])('is not stored again under its id: %s', async (_, replayed) => {
    const agents = scripted({
      capabilities: { loadSession: true },
      prompt(text, agent) {
        if (!text.startsWith('Run')) return void agent.say(words('Done.'));
        agent.say(call('call-1', 'in_progress'));
        return false;
      },
      onResume: (agent) => agent.say(asked('Hello'), words('Done.'), asked('Run the tests'), ...replayed),
    });
    const { wake } = await worldOf(agents);
    const first = await wake();
    await first.create({ agent: 'raw', cwd: CWD, sessionId: 's' });
    await first.prompt('s', 'Hello');
    const over = first.prompt('s', 'Run the tests').catch((error: unknown) => error);
    for await (const event of first.events('s')) if (event.kind === 'update' && event.payload.sessionUpdate === 'tool_call') break;
    await first.sleep();
    await over;
    const before = updatesOf(await first.history('s'));
    for (let i = 0; i < 2; i++) {
      const host = await wake();
      expect((await host.resume('s')).replay).toMatchObject({ matched: 3, missing: 0, imported: 0 });
      expect(updatesOf(await host.history('s'))).toEqual(before);
      await host.sleep();
    }
  });

  it('and what else it did is added once, and counted', async () => {
    const agents = scripted({
      capabilities: { loadSession: true },
      prompt(_text, agent) {
        agent.say(call('call-1', 'completed'));
        return false;
      },
      onResume: (agent) => agent.say(asked('Run the tests'), call('call-1', 'completed'), call('call-2', 'completed')),
    });
    const { wake } = await worldOf(agents);
    const first = await wake();
    await first.create({ agent: 'raw', cwd: CWD, sessionId: 's' });
    const over = first.prompt('s', 'Run the tests').catch((error: unknown) => error);
    for await (const event of first.events('s')) if (event.kind === 'update' && event.payload.sessionUpdate === 'tool_call') break;
    await first.sleep();
    await over;
    for (const imported of [1, 0]) {
      const host = await wake();
      expect((await host.resume('s')).replay).toMatchObject({ matched: 1, imported });
      const calls = updatesOf(await host.history('s')).flatMap((one) => (one.sessionUpdate === 'tool_call' ? [one.toolCallId] : []));
      expect(calls).toEqual(['call-1', 'call-2']);
      await host.sleep();
    }
  });
});

describe('I11: words that came after the answer', () => {
  it('and were not heard are added by the next replay that holds them, once', async () => {
    const agents = scripted({
      capabilities: { loadSession: true },
      prompt: (_text, agent) => agent.say(words('The answer is', 'm1')),
      onResume: (agent) => agent.say(asked('Well?', 'u1'), words('The answer is 42, I think.', 'm1')),
    });
    const { wake } = await worldOf(agents);
    const first = await wake();
    await first.create({ agent: 'raw', cwd: CWD, sessionId: 's' });
    const { turnId } = await first.prompt('s', 'Well?');
    await first.sleep();
    for (const imported of [1, 0]) {
      const host = await wake();
      expect(await host.resume('s')).toMatchObject({
        verified: 'replay-matched',
        replay: { received: 2, matched: 2, missing: 0, imported },
      });
      const own = (await host.history('s')).filter((event) => event.turnId === turnId);
      expect(saidBy(own).join('')).toBe('The answer is 42, I think.');
      await host.sleep();
    }
  });
});

it.each([
  ['a tool call that stood after the last words', [[asked('The codeword?'), words('heron-4711')], [call('k', 'completed')]]],
  [
    'a thought before the rest of the last words',
    [
      [asked('The codeword?'), words('heron')],
      [update({ sessionUpdate: 'agent_thought_chunk', content: { type: 'text', text: 'Hm' } }), words('-4711')],
      [call('k', 'completed')],
    ],
  ],
])('I3: a replay that ends, after a pause, with %s is stored no second time', async (_, pieces) => {
  const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
  let isSaid = Promise.resolve();
  const agents = scripted({
    capabilities: { loadSession: true },
    prompt: (_text, agent) => agent.say(words('heron-4711'), call('k', 'completed')),
    onResume: (agent) => {
      agent.say(...pieces[0]!);
      isSaid = (async () => {
        for (const piece of pieces.slice(1)) {
          await pause(100);
          agent.say(...piece);
        }
      })();
    },
  });
  const { wake } = await worldOf(agents);
  const first = await wake();
  await first.create({ agent: 'raw', cwd: CWD, sessionId: 's' });
  await first.prompt('s', 'The codeword?');
  await first.sleep();
  const host = await wake({ limits: { ...PATIENT, replayQuietMs: 20 } });
  await host.resume('s');
  await isSaid;
  await host.sleep();
  const events = await (await wake()).history('s');
  expect(saidBy(events).join('')).toBe('heron-4711');
  expect(updatesOf(events).filter(({ sessionUpdate }) => sessionUpdate === 'tool_call')).toHaveLength(1);
});
