/** I4: an agent that takes a session up, or has it live, and then does not know it at the prompt. */
import { setTimeout } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { AgentLauncher, SqlDatabase } from '../../../src/engine/index.ts';
import { ask, CWD, hostOf, PATIENT, said, until, worldOf } from './helpers.ts';
import { ordinary, rawAgents, update, type Heard } from './raw-agent.ts';

const UNKNOWN = { code: -32602, message: 'Invalid params: session not found: raw-1', data: { sessionId: 'raw-1' } };

interface Behaviour {
  readonly capabilities: object;
  /** Whether the process numbered `life` (from 1) knows the session it was told to resume, at the prompt numbered `nth`. */
  readonly knows: (life: number, nth: number, sessionId: string) => boolean;
  readonly error?: object;
  readonly replay?: boolean;
  /** After its answer to a load, before its mode is set again, it goes on with a turn that was had elsewhere. */
  readonly replaysLate?: boolean;
  readonly chat?: boolean;
  /** What the second `session/new` waits for, and the third. */
  readonly secondNew?: Promise<void>;
  readonly thirdNew?: Promise<void>;
}

/** Sessions are named raw-1, raw-2, …; each prompt is answered with the words of its last block. */
function forgetful({
  capabilities,
  knows,
  error = UNKNOWN,
  replay = false,
  replaysLate = false,
  chat = false,
  secondNew,
  thirdNew,
}: Behaviour) {
  let life = 0;
  let made = 0;
  let nth = 0;
  const agents = rawAgents((message: Heard, agent) => {
    const reply = (value: object) => agent.say({ jsonrpc: '2.0', id: message.id, ...value });
    const chunk = (sessionUpdate: string, text: string, sessionId: unknown) =>
      agent.say({
        jsonrpc: '2.0',
        method: 'session/update',
        params: { sessionId, update: { sessionUpdate, content: { type: 'text', text } } },
      });
    const { method, params } = message;
    const sessionId = params?.['sessionId'];
    if (method === 'initialize') [life, nth] = [life + 1, 0];
    if (method === 'session/new') {
      const answer = () => reply({ result: { sessionId: `raw-${made}` } });
      const until = [secondNew, thirdNew][++made - 2];
      return until ? void until.then(answer) : answer();
    }
    if (method === 'session/list') return reply({ result: { sessions: [] } });
    if (method === 'session/load' && replay) {
      chunk('user_message_chunk', 'My name is Ada.', sessionId);
      chunk('agent_message_chunk', 'You said: My name is Ada.', sessionId);
      return reply({ result: replaysLate ? { modes: { currentModeId: 'ask', availableModes: [] } } : {} });
    }
    if (method === 'session/set_mode' && replaysLate && life > 1 && nth > 0) {
      chunk('user_message_chunk', 'And elsewhere?', sessionId);
      chunk('agent_message_chunk', 'There I said this.', sessionId);
      return reply({ result: {} });
    }
    if (method === 'session/prompt') {
      nth += 1;
      if (!knows(life, nth, String(sessionId))) {
        if (chat) chunk('agent_message_chunk', 'Let me see.', sessionId);
        return reply({ error });
      }
      const blocks = params?.['prompt'] as { text: string }[];
      chunk('agent_message_chunk', `You said: ${blocks.at(-1)?.text}`, sessionId);
      return reply({ result: { stopReason: 'end_turn' } });
    }
    if (method) agent.say(ordinary(message, capabilities));
  });
  return agents;
}

const RESUME = { sessionCapabilities: { resume: {} } };
const prompts = (heard: readonly Heard[]) =>
  heard
    .filter(({ method }) => method === 'session/prompt')
    .map(({ params }) => [params?.['sessionId'], JSON.stringify(params?.['prompt'])] as const);

async function told(agents: ReturnType<typeof forgetful>) {
  const world = await worldOf(agents);
  const first = await world.wake();
  await first.create({ agent: 'raw', cwd: CWD, sessionId: 's' });
  expect(await ask(first, 's', 'My name is Ada.')).toBe('You said: My name is Ada.');
  return { ...world, first };
}

describe('I4: a prompt that is refused as unknown', () => {
  it('I3: what its load at the prompt replays after the answer is in the record', async () => {
    const agents = forgetful({
      capabilities: { loadSession: true, ...RESUME },
      replay: true,
      replaysLate: true,
      knows: (life, nth) => life === 1 || nth > 1,
    });
    const { first, wake } = await told(agents);
    await first.setMode('s', 'plan');
    await first.sleep();
    const host = await wake();
    expect((await host.prompt('s', 'And now?')).report.tier).toBe('load');
    const events = await host.history('s');
    expect(said(events.filter(({ origin }) => origin === 'import'))).toBe('There I said this.');
    expect(said(events)).toBe('You said: My name is Ada.There I said this.You said: And now?');
  });

  it('a log of thoughts alone has nothing to tell, as at every wake', async () => {
    let refused = 0;
    const thought = { sessionUpdate: 'agent_thought_chunk', content: { type: 'text', text: 'Who may that be?' } };
    const agents = rawAgents((message, agent) => {
      if (message.method === 'session/prompt' && refused++ === 0) agent.say({ jsonrpc: '2.0', id: message.id, error: UNKNOWN });
      else if (message.method) agent.say(ordinary(message));
      if (message.method === 'session/new' && refused === 0) agent.say(update(thought));
    });
    const host = await (await worldOf(agents)).wake();
    await host.create({ agent: 'raw', cwd: CWD, sessionId: 's' });
    await until(async () => (await host.history('s')).some(({ kind }) => kind === 'update'));
    expect((await host.prompt('s', 'Hello')).report).toMatchObject({ tier: 'new', preamble: null });
  });

  it('after a resume that was answered with success: the record speaks, in the same call', async () => {
    const agents = forgetful({ capabilities: RESUME, knows: (life, _nth, id) => life === 1 || id !== 'raw-1' });
    const { first, wake } = await told(agents);
    await first.sleep();
    const host = await wake();
    const result = await host.prompt('s', 'What is my name?', { idempotencyKey: 'k' });
    expect(result.report).toMatchObject({ tier: 'transcript', agentSessionId: 'raw-2', previousAgentSessionId: 'raw-1' });
    expect(result.report.attempts.map(({ method, outcome }) => [method, outcome])).toEqual([
      ['session/resume', 'unknown_session'],
      ['session/prompt', 'unknown_session'],
      ['session/new', 'ok'],
    ]);
    const sent = prompts(agents.heard);
    expect(sent.map(([id]) => id)).toEqual(['raw-1', 'raw-1', 'raw-2']);
    expect(sent[2]?.[1]).toContain('You said: My name is Ada.');
    // The prompt itself is no part of the record that is told.
    expect(sent[2]?.[1].match(/What is my name\?/g)).toHaveLength(1);
    const events = (await host.history('s')).filter((event) => event.turnId === result.turnId);
    expect(said(events)).toBe('You said: What is my name?');
    expect(events.filter(({ kind }) => kind === 'turn_started' || kind === 'turn_ended')).toHaveLength(2);
    expect(await host.prompt('s', 'What is my name?', { idempotencyKey: 'k' })).toEqual({ ...result, repeated: true });
    expect((await host.get('s')).agentSessionId).toBe('raw-2');
    expect((await host.prompt('s', 'And now?')).report.tier).toBe('live');
    expect(agents.heard.filter(({ method }) => method === 'initialize')).toHaveLength(2);
  });

  it('of a live session that the agent let go: it is resumed, and the prompt sent again', async () => {
    const agents = forgetful({ capabilities: RESUME, knows: (_life, nth) => nth !== 2 });
    const { first } = await told(agents);
    const { report } = await first.prompt('s', 'What is my name?');
    expect(report.tier).toBe('resume');
    expect(report.attempts.map(({ method, outcome }) => [method, outcome])).toEqual([
      ['session/prompt', 'unknown_session'],
      ['session/resume', 'ok'],
    ]);
    expect(prompts(agents.heard).map(([id]) => id)).toEqual(['raw-1', 'raw-1', 'raw-1']);
    expect((await first.prompt('s', 'And now?')).report.tier).toBe('live');
  });

  it('while it is being resumed again, whatever else needs the agent is told that a turn runs', async () => {
    const { promise: secondNew, resolve } = Promise.withResolvers<void>();
    const agents = forgetful({ capabilities: {}, knows: (_life, nth, id) => nth === 1 || id === 'raw-2', secondNew });
    const { first } = await told(agents);
    const prompt = first.prompt('s', 'What is my name?');
    await expect.poll(() => agents.heard.filter(({ method }) => method === 'session/new')).toHaveLength(2);
    const running = { code: 'turn_in_progress', data: { sessionId: 's' } };
    await expect(first.setMode('s', 'plan')).rejects.toMatchObject(running);
    await expect(first.request('s', '_mine/usage', {})).rejects.toMatchObject(running);
    await expect(first.resume('s')).rejects.toMatchObject(running);
    resolve();
    expect((await prompt).report.tier).toBe('transcript');
  });

  it('after a resume, when the agent can load too: loaded, its replay adds nothing, and the prompt is sent again', async () => {
    const agents = forgetful({ capabilities: { ...RESUME, loadSession: true }, knows: (life, nth) => life === 1 || nth > 1, replay: true });
    const { first, wake } = await told(agents);
    await first.sleep();
    const host = await wake();
    const { report } = await host.prompt('s', 'What is my name?');
    expect(report).toMatchObject({ tier: 'load', verified: 'replay-matched', replay: { matched: 2, missing: 0, imported: 0 } });
    const texts = (await host.history('s')).flatMap((event) =>
      event.kind === 'update' ? [(event.payload as { content: { text: string } }).content.text] : [],
    );
    expect(texts).toEqual(['My name is Ada.', 'You said: My name is Ada.', 'What is my name?', 'You said: What is my name?']);
  });

  it('policy strict: an error that says so, no agent left, and the next call falls back where it may', async () => {
    const agents = forgetful({ capabilities: RESUME, knows: (life, _nth, id) => life === 1 || id !== 'raw-1' });
    const { first, wake } = await told(agents);
    await first.sleep();
    const host = await wake();
    await expect(host.prompt('s', 'What is my name?', { policy: 'strict' })).rejects.toMatchObject({ code: 'session_not_resumable' });
    expect((await host.get('s')).state).toBe('asleep');
    expect((await host.history('s')).filter((event) => event.kind === 'turn_ended').at(-1)?.payload).toMatchObject({
      state: 'failed',
      error: { code: 'session_not_resumable' },
    });
    expect((await host.prompt('s', 'What is my name?')).report.tier).toBe('transcript');
  });

  it('not when it had said something in the turn', async () => {
    const agents = forgetful({ capabilities: RESUME, knows: (life) => life === 1, chat: true });
    const { first, wake } = await told(agents);
    await first.sleep();
    const host = await wake();
    await expect(host.prompt('s', 'What is my name?')).rejects.toMatchObject({ code: 'agent_protocol_error' });
    expect(prompts(agents.heard)).toHaveLength(2);
  });

  it('an answer that may mean it is judged by the agent’s own list', async () => {
    const agents = forgetful({
      capabilities: { sessionCapabilities: { resume: {}, list: {} } },
      knows: (life, _nth, id) => life === 1 || id !== 'raw-1',
      error: { code: -32603, message: 'Internal error: OpenCode service failure', data: { service: 'session' } },
    });
    // The list is empty, so that the resume itself is disbelieved in its turn.
    const { first } = await told(agents);
    await first.close('s');
    expect((await first.prompt('s', 'What is my name?')).report.tier).toBe('transcript');
  });

  it.each([1, 2])('a first prompt that nobody remembers anything of (%i processes): a new session, and no preamble', async () => {
    const agents = forgetful({ capabilities: {}, knows: (_life, _nth, id) => id !== 'raw-1' });
    const { wake } = await worldOf(agents);
    const host = await wake();
    await host.create({ agent: 'raw', cwd: CWD, sessionId: 's' });
    const { report, turnId } = await host.prompt('s', 'Hello.');
    expect(report).toMatchObject({ tier: 'new', agentSessionId: 'raw-2', preamble: null });
    expect(said(await host.history('s'), turnId)).toBe('You said: Hello.');
  });

  it.each([
    ['is tried', {}],
    ['was taken, at a cancel', RESUME],
  ])('I12: an agent that dies while the next tier %s ends the turn once, in the log as in the record', async (when, capabilities) => {
    const agents = forgetful({ capabilities, knows: (_, nth) => nth === 1, secondNew: new Promise(() => undefined) });
    let die: () => unknown = () => undefined;
    const launch: AgentLauncher['launch'] = async (spec, options) => {
      const process = await agents.launch(spec, options);
      die = () => process.end('kill');
      return process;
    };
    let onReport = async (): Promise<void> => undefined;
    const watched = (database: SqlDatabase): SqlDatabase => ({
      ...database,
      query: (...given) => database.query(...given),
      async batch(statements) {
        if (statements.some(({ note }) => note === 'resumed')) await onReport();
        return database.batch(statements);
      },
    });
    const { host, db } = await hostOf({ launch }, {}, watched);
    await host.create({ agent: 'raw', cwd: CWD, sessionId: 's' });
    await host.prompt('s', 'one');
    // While this is being stored, both its ends are made ready.
    onReport = async () => {
      void host.cancel('s');
      await die();
      await setTimeout(50);
    };
    const prompting = host.prompt('s', 'two').catch((error: unknown) => error);
    if (when === 'is tried') {
      await until(() => agents.heard.filter(({ method }) => method === 'session/new').length === 2);
      die();
    }
    expect(await prompting).toMatchObject({ code: 'turn_outcome_unknown' });
    await host.close('s');
    const ends = (await host.history('s')).flatMap((event) => (event.kind === 'turn_ended' ? [event.payload.state] : []));
    const turns = await db.query('SELECT state FROM acp_turns ORDER BY first_seq');
    expect([ends, turns.map(({ state }) => state)]).toEqual(Array(2).fill(['completed', 'interrupted']));
  });

  it('cancelled while the next tier hangs: nobody has the prompt, so the turn is cancelled, and the agent goes', async () => {
    const agents = forgetful({ capabilities: {}, knows: (_, nth) => nth === 1, secondNew: new Promise(() => undefined) });
    const { wake, db } = await worldOf(agents);
    const host = await wake({ limits: { ...PATIENT, cancelGraceMs: 20 } });
    await host.create({ agent: 'raw', cwd: CWD, sessionId: 's' });
    await host.prompt('s', 'one');
    const prompting = host.prompt('s', 'two');
    await until(() => agents.heard.filter(({ method }) => method === 'session/new').length === 2);
    await host.cancel('s');
    expect((await prompting).stopReason).toBe('cancelled');
    expect((await host.get('s')).state).toBe('asleep');
    const ends = (await host.history('s')).flatMap((event) => (event.kind === 'turn_ended' ? [event.payload.state] : []));
    const turns = await db.query('SELECT state FROM acp_turns ORDER BY first_seq');
    expect([ends, turns.map(({ state }) => state)]).toEqual(Array(2).fill(['completed', 'cancelled']));
  });

  it('I4: cancelled while the successor of a successor is made: that one is not taken for one that was told the record', async () => {
    let secondNew: () => void = () => undefined;
    const agents = forgetful({
      capabilities: {},
      knows: (life, nth, id) => (life === 1 && nth === 1) || id === 'raw-4',
      thirdNew: new Promise((resolve) => (secondNew = resolve)),
    });
    const { first, wake } = await told(agents);
    await first.sleep();
    const host = await wake();
    const prompting = host.prompt('s', 'And now?');
    await until(() => agents.heard.filter(({ method }) => method === 'session/new').length === 3);
    const cancelling = host.cancel('s');
    secondNew();
    await cancelling;
    expect((await prompting).stopReason).toBe('cancelled');
    await host.close('s');
    expect((await host.get('s')).agentSessionId).toBe('raw-1');
    await host.prompt('s', 'What is my name?');
    expect(prompts(agents.heard).at(-1)?.[1]).toContain('My name is Ada.');
  });

  it('a successor that does not know itself either ends in an error, not in a circle', async () => {
    const agents = forgetful({ capabilities: RESUME, knows: (life) => life === 1 });
    const { first, wake } = await told(agents);
    await first.sleep();
    const host = await wake();
    await expect(host.prompt('s', 'What is my name?')).rejects.toMatchObject({ code: 'agent_protocol_error' });
    expect(prompts(agents.heard).length).toBeLessThan(6);
  });

  it('−32000 is auth_required, with the agent’s ways to sign in and its own words', async () => {
    const agents = forgetful({ capabilities: {}, knows: () => false, error: { code: -32000, message: 'The quota is used up' } });
    const { wake } = await worldOf(agents);
    const host = await wake();
    await host.create({ agent: 'raw', cwd: CWD, sessionId: 's' });
    const refused = await host.prompt('s', 'Hello.').catch((error: unknown) => error);
    expect(refused).toMatchObject({ code: 'auth_required', data: { authMethods: [] } });
    expect(String(refused)).toContain('error -32000: The quota is used up');
    expect(String(refused)).not.toContain('none');
    expect((await host.get('s')).state).toBe('live');
  });

  it('the agent’s own reason is in the error', async () => {
    const agents = forgetful({
      capabilities: {},
      knows: () => false,
      error: { code: -32603, message: 'Internal error', data: { details: 'the model is overloaded' } },
    });
    const { wake } = await worldOf(agents);
    const host = await wake();
    await host.create({ agent: 'raw', cwd: CWD, sessionId: 's' });
    await expect(host.prompt('s', 'Hello.')).rejects.toThrow(/the model is overloaded/);
  });
});
