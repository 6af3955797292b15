/** I4, I6: what a successor was told is checked at its next native wake; an agent that did not keep it is told again. */
import { describe, expect, it } from 'vitest';
import { CWD, said, worldOf } from './helpers.ts';
import { ordinary, rawAgents, type Heard } from './raw-agent.ts';

/** Loses its first session, and loads its second: with the preamble in it, or only with the words of the user. */
function agents(keeps: boolean, chunks = (text: string) => [text]) {
  let made = 0;
  const stored: { role: 'user' | 'agent'; text: string }[] = [];
  return rawAgents((message: Heard, agent) => {
    const { method, params } = message;
    const reply = (value: object) => agent.say({ jsonrpc: '2.0', id: message.id, ...value });
    const say = (role: 'user' | 'agent', text: string) =>
      agent.say({
        jsonrpc: '2.0',
        method: 'session/update',
        params: { sessionId: `raw-${made}`, update: { sessionUpdate: `${role}_message_chunk`, content: { type: 'text', text } } },
      });
    if (method === 'session/new') return reply({ result: { sessionId: `raw-${++made}` } });
    if (method === 'session/load') {
      if (params?.['sessionId'] === 'raw-1') return reply({ error: { code: -32002, message: 'Session not found: raw-1' } });
      for (const { role, text } of stored) for (const chunk of chunks(text)) say(role, chunk);
      return reply({ result: {} });
    }
    if (method === 'session/prompt') {
      const blocks = params?.['prompt'] as { text: string }[];
      const own = blocks.at(-1)!.text;
      if (made > 1) {
        for (const { text } of keeps ? blocks : blocks.slice(-1)) stored.push({ role: 'user', text });
        stored.push({ role: 'agent', text: `You said: ${own}` });
      }
      say('agent', `You said: ${own}`);
      return reply({ result: { stopReason: 'end_turn' } });
    }
    if (method) agent.say(ordinary(message, { loadSession: true }));
  });
}

const prompts = (heard: readonly Heard[]) =>
  heard.filter(({ method }) => method === 'session/prompt').map(({ params }) => JSON.stringify(params?.['prompt']));

describe('I6: the preamble, at the next native wake', () => {
  async function threeLives(keeps: boolean) {
    const raw = agents(keeps);
    const { wake } = await worldOf(raw);
    const host = await wake();
    await host.create({ agent: 'raw', cwd: CWD, sessionId: 's' });
    await host.prompt('s', 'The codeword is heron.');
    await host.close('s');
    expect((await host.prompt('s', 'What is it?')).report.tier).toBe('transcript');
    await host.close('s');
    return { raw, host, third: await host.prompt('s', 'And now?') };
  }

  it('kept: it is not sent again', async () => {
    const { raw, third } = await threeLives(true);
    expect(third.report).toMatchObject({ tier: 'load', verified: 'replay-matched', preamble: null });
    expect(prompts(raw.heard).at(-1)).toBe(JSON.stringify([{ type: 'text', text: 'And now?' }]));
  });

  it('gone: the report says so, and it is given again, once', async () => {
    const { raw, host, third } = await threeLives(false);
    expect(third.report).toMatchObject({ tier: 'load', verified: 'replay-matched', preamble: { mode: 'inline' } });
    expect(third.report.attempts.at(-1)?.evidence).toMatch(/not in it any more/);
    expect(prompts(raw.heard).at(-1)).toContain('The codeword is heron.');
    expect(prompts(raw.heard).at(-1)).not.toContain('What is it?');
    await host.prompt('s', 'Thanks.');
    expect(prompts(raw.heard).at(-1)).toBe(JSON.stringify([{ type: 'text', text: 'Thanks.' }]));
    const events = await host.history('s');
    expect(said(events)).toBe(['The codeword is heron.', 'What is it?', 'And now?', 'Thanks.'].map((text) => `You said: ${text}`).join(''));
    expect(events.filter((event) => event.origin === 'import')).toEqual([]);
  });

  it('in front of the first prompt that is no slash command, which stays the first block', async () => {
    const raw = agents(true);
    const { wake } = await worldOf(raw);
    const host = await wake();
    await host.create({ agent: 'raw', cwd: CWD, sessionId: 's' });
    await host.prompt('s', 'The codeword is heron.');
    await host.close('s');
    const first = await host.prompt('s', '/status');
    expect(first.report.tier).toBe('transcript');
    expect(prompts(raw.heard).at(-1)).toBe(JSON.stringify([{ type: 'text', text: '/status' }]));
    expect((await host.get('s')).agentSessionId).toBe('raw-1');
    const second = await host.prompt('s', 'What is it?');
    expect(second.report).toMatchObject({ tier: 'transcript', preamble: { mode: 'inline' } });
    expect(prompts(raw.heard).at(-1)).toContain('The codeword is heron.');
    expect((await host.get('s')).agentSessionId).toBe('raw-2');
    expect((await host.prompt('s', 'Thanks.')).report.tier).toBe('live');
  });
});
