import { describe, expect, it } from 'vitest';
import { inProcessLauncher } from '../../../src/testing/agents/in-process.ts';
import { INITIALIZE, PLACE, rawClient, text } from './raw-client.ts';

const spec = { agent: 'demo', cwd: '/project', sessionId: 's' };
const start = async (launcher: ReturnType<typeof inProcessLauncher>) => {
  const process = await launcher.launch(spec, { signal: new AbortController().signal });
  const client = rawClient(process.stream);
  const { result } = await client.request('initialize', INITIALIZE);
  return { process, client, capabilities: result.agentCapabilities };
};

describe('what the agents remember', () => {
  it('native: a fact survives the process', async () => {
    const launcher = inProcessLauncher();
    const one = await start(launcher);
    const { result } = await one.client.request('session/new', PLACE);
    const { sessionId } = result;
    await one.client.request('session/prompt', { sessionId, prompt: text('my name is Ada') });
    expect(one.client.said()).toBe('Noted. Your name: Ada.');
    expect(await one.process.end('ask')).toMatchObject({ kind: 'ended', code: 0 });

    const two = await start(launcher);
    expect(two.capabilities).toMatchObject({ loadSession: true, sessionCapabilities: { resume: {}, list: {} } });
    expect(await two.client.request('session/resume', { sessionId, ...PLACE })).toHaveProperty('result');
    await two.client.request('session/prompt', { sessionId, prompt: text('what is my name?') });
    expect(two.client.said()).toBe('Your name: Ada (from my own memory of this session).');
  });

  it('load: replays whole messages with the ids they were streamed with', async () => {
    const launcher = inProcessLauncher({ variant: 'load' });
    const one = await start(launcher);
    const { sessionId } = (await one.client.request('session/new', PLACE)).result;
    await one.client.request('session/prompt', { sessionId, prompt: text('remember that the door code is 4711') });
    const ids = new Set(one.client.updates('agent_message_chunk').map((update) => update.messageId));
    expect(one.client.updates('agent_message_chunk').length).toBeGreaterThan(1);
    expect(ids.size).toBe(1);

    const two = await start(launcher);
    expect((await two.client.request('session/resume', { sessionId, ...PLACE })).error.code).toBe(-32601);
    await two.client.request('session/load', { sessionId, ...PLACE });
    expect(two.client.seen.slice(2).map((message) => message.params?.update.sessionUpdate ?? 'response')).toEqual([
      'user_message_chunk',
      'agent_message_chunk',
      'response',
    ]);
    expect(two.client.said()).toBe('Noted. The door code: 4711.');
    expect(ids).toContain(two.client.updates('agent_message_chunk')[0].messageId);
  });

  it('amnesiac: knows only what a record in the prompt tells', async () => {
    const launcher = inProcessLauncher({ variant: 'amnesiac' });
    const { client, capabilities } = await start(launcher);
    expect(capabilities.loadSession).toBe(false);
    expect(capabilities.sessionCapabilities.resume).toBeUndefined();
    const { sessionId } = (await client.request('session/new', PLACE)).result;
    await client.request('session/prompt', { sessionId, prompt: text('what is my name?') });
    expect(client.said()).toBe("I don't know your name. Nothing in my context says it.");
    const record = { uri: 'rehydrate://record', mimeType: 'text/markdown', text: 'User: my name is Ada\nAgent: Noted. Your name: Ada.' };
    await client.request('session/prompt', { sessionId, prompt: [{ type: 'resource', resource: record }, ...text('what is my name?')] });
    expect(client.said()).toContain('Your name: Ada (from the record in front of a prompt).');
  });

  it('forgetful: says it can, and then does not know the session', async () => {
    const launcher = inProcessLauncher({ variant: 'forgetful' });
    const one = await start(launcher);
    const { sessionId } = (await one.client.request('session/new', PLACE)).result;
    const two = await start(launcher);
    expect(two.capabilities).toMatchObject({ loadSession: true, sessionCapabilities: { resume: {} } });
    for (const method of ['session/load', 'session/resume']) {
      expect((await two.client.request(method, { sessionId, ...PLACE })).error).toMatchObject({ code: -32002, data: { sessionId } });
    }
  });
});
