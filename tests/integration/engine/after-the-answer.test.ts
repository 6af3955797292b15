/** I11: an agent goes on after its answer. What it says then is stored, and waited for before it is ended. */
import { describe, expect, it } from 'vitest';
import { CWD, hostOf, PATIENT, said } from './helpers.ts';
import { ordinary, rawAgents, update, words, type Heard } from './raw-agent.ts';

const later = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Answers with a beginning, and says `rest` some time after the turn was over. */
function hasty(ms: number, ...rest: unknown[]) {
  return rawAgents((message: Heard, agent) => {
    if (message.method === 'session/prompt') {
      agent.say(words('The answer is ', 'm1'));
      void later(ms).then(() => agent.say(...rest));
    }
    if (message.method) agent.say(ordinary(message));
  });
}

describe('I11: words after the answer', () => {
  it.each([
    ['close', 0],
    ['close', 20],
    ['close', 50],
    ['sleep', 20],
  ] as const)('%s, when they come after %i ms: they are in the log, and belong to the turn', async (how, ms) => {
    const { host, db } = await hostOf(hasty(ms, words('forty-two.', 'm1')), { limits: { ...PATIENT, quietMs: 200 } });
    await host.create({ agent: 'raw', cwd: CWD, sessionId: 's' });
    const { turnId } = await host.prompt('s', 'go');
    await (how === 'close' ? host.close('s') : host.sleep());
    const rows = await db.query(`SELECT turn_id, payload FROM acp_session_events WHERE kind = 'update' AND origin = 'agent' ORDER BY seq`);
    expect(rows.map((row) => row['turn_id'])).toEqual([turnId, turnId]);
    expect(rows.map((row) => (JSON.parse(String(row['payload'])) as { content: { text: string } }).content.text).join('')).toBe(
      'The answer is forty-two.',
    );
  });

  /** One turn, and all that the agent said in it and after it. */
  async function oneTurn(agents: ReturnType<typeof rawAgents>) {
    const { host } = await hostOf(agents, { limits: { ...PATIENT, quietMs: 200 } });
    await host.create({ agent: 'raw', cwd: CWD, sessionId: 's' });
    const { turnId } = await host.prompt('s', 'go');
    await host.close('s');
    const events = (await host.history('s')).filter((event) => event.origin === 'agent' && event.kind === 'update');
    return { turnId, events };
  }

  it('a message of its own belongs to no turn; a late update of a tool call does', async () => {
    const call = { sessionUpdate: 'tool_call', toolCallId: 't', title: 'Look' };
    const agents = rawAgents((message: Heard, agent) => {
      if (message.method === 'session/prompt') {
        agent.say(update(call), words('Done.', 'm1'), ordinary(message));
        void later(10).then(() =>
          agent.say(update({ sessionUpdate: 'tool_call_update', toolCallId: 't', status: 'completed' }), words('By the way.', 'm2')),
        );
        return;
      }
      if (message.method) agent.say(ordinary(message));
    });
    const { turnId, events } = await oneTurn(agents);
    expect(events.map((event) => event.turnId)).toEqual([turnId, turnId, turnId, null]);
    expect(said(events)).toBe('Done.By the way.');
  });

  it.each([
    ['a tool call', update({ sessionUpdate: 'tool_call', toolCallId: 't', title: 'Look' }), 'm1'],
    ['a notice', update({ sessionUpdate: 'notice', content: { type: 'text', text: 'Mind the gap.' } }), undefined],
  ])('the rest of a message belongs to the turn although %s came in between', async (_, between, messageId) => {
    const agents = rawAgents((message: Heard, agent) => {
      if (message.method === 'session/prompt') {
        agent.say(words('The answer is ', messageId), between);
        void later(10).then(() => agent.say(words('forty-two.', messageId)));
      }
      if (message.method) agent.say(ordinary(message));
    });
    const { turnId, events } = await oneTurn(agents);
    expect(events.map((event) => event.turnId)).toEqual([turnId, turnId, turnId]);
  });

  it('I10: one that never goes quiet is waited for no longer than quietMaxMs', async () => {
    let talking = true;
    const agents = rawAgents((message: Heard, agent) => {
      if (message.method === 'session/prompt')
        void (async () => {
          for (let i = 0; talking && i < 10_000; i++) {
            await later(5);
            agent.say(words(`${i} `, `m${i}`));
          }
        })();
      if (message.method) agent.say(ordinary(message));
    });
    const { host } = await hostOf(agents, { limits: { ...PATIENT, quietMs: 100, quietMaxMs: 300 } });
    await host.create({ agent: 'raw', cwd: CWD, sessionId: 's' });
    await host.prompt('s', 'go');
    await host.close('s');
    talking = false;
    expect((await host.get('s')).state).toBe('asleep');
  });

  it('what the agent answered beside the stop reason is kept: in the result, in the log, and for the same key again', async () => {
    const answer = { usage: { totalTokens: 7 }, userMessageId: 'u1', _meta: { cost: 3 } };
    const agents = rawAgents((message: Heard, agent) => {
      if (message.method === 'session/prompt')
        return agent.say({ jsonrpc: '2.0', id: message.id, result: { stopReason: 'end_turn', ...answer } });
      if (message.method) agent.say(ordinary(message));
    });
    const { host } = await hostOf(agents);
    await host.create({ agent: 'raw', cwd: CWD, sessionId: 's' });
    expect(await host.prompt('s', 'go')).toMatchObject({ stopReason: 'end_turn', answer });
    expect((await host.history('s')).at(-1)).toMatchObject({ kind: 'turn_ended', payload: { state: 'completed', answer } });
  });
});
