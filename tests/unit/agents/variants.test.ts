/** Each variant does what its sentence says, seen over a raw message stream. */
import { beforeEach, describe, expect, it } from 'vitest';
import { inProcessLauncher } from '../../../src/testing/agents/in-process.ts';
import type { InProcessLauncher } from '../../../src/testing/agents/in-process.ts';
import {
  AGENT_VARIANTS,
  behaviourOf,
  FAULT_PHASES,
  isAgentVariant,
  UNKNOWN_SHAPES,
  VARIANT_DESCRIPTIONS,
} from '../../../src/testing/agents/variants.ts';
import type { AgentVariant } from '../../../src/testing/agents/variants.ts';
import { INITIALIZE, PLACE, rawClient, text } from './raw-client.ts';

const spec = { agent: 'demo', cwd: '/project', sessionId: 's' };
const signal = new AbortController().signal;

async function start(launcher: InProcessLauncher) {
  const process = await launcher.launch(spec, { signal });
  const client = rawClient(process.stream);
  return { process, client, initialized: await Promise.race([client.request('initialize', INITIALIZE), process.exited]) };
}

/** One life with a turn, then a second one. */
async function twoLives(variant: AgentVariant, words = 'my name is Ada') {
  const launcher = inProcessLauncher({ variant });
  const one = await start(launcher);
  const { sessionId } = (await one.client.request('session/new', PLACE)).result;
  await one.client.request('session/prompt', { sessionId, prompt: text(words) });
  await one.process.end('ask');
  const two = await start(launcher);
  const load = () => two.client.request('session/load', { sessionId, ...PLACE });
  const resume = () => two.client.request('session/resume', { sessionId, ...PLACE });
  const listed = async () =>
    (await two.client.request('session/list', { cwd: '/project' })).result.sessions.map((each: { sessionId: string }) => each.sessionId);
  const messages = () => two.client.updates().filter((update) => /message_chunk$/.test(update.sessionUpdate));
  return { launcher, one, two, sessionId, load, resume, listed, messages };
}

describe('the list of variants', () => {
  it('is closed, and has a sentence for each', () => {
    for (const name of AGENT_VARIANTS) {
      expect(isAgentVariant(name)).toBe(true);
      expect(VARIANT_DESCRIPTIONS[name]).toMatch(/^[A-Z].+\.$/);
    }
    expect(isAgentVariant('toString')).toBe(false);
    expect(new Set(Object.values(VARIANT_DESCRIPTIONS)).size).toBe(AGENT_VARIANTS.length);
  });
});

describe('unknown sessions', () => {
  it.each(UNKNOWN_SHAPES)('%s', async (shape) => {
    const { load, resume, listed, sessionId } = await twoLives(`unknown:${shape}`);
    const errors = [(await load()).error, (await resume()).error];
    const wanted: Record<typeof shape, object> = {
      spec: { code: -32002, data: { sessionId } },
      claude: { code: -32002, message: 'Resource not found', data: { sessionId } },
      nonuuid: { code: -32603, data: { details: expect.stringContaining('requires a valid session ID') } },
      opencode: { code: -32603, message: 'Internal error: OpenCode service failure', data: { service: 'session' } },
      'opencode-old': { code: -32603, data: { details: 'NotFoundError' } },
      pi: { code: -32602, message: 'Invalid params', data: `Unknown sessionId: ${sessionId}` },
      goose: { code: -32002, data: expect.any(String) },
      cursor: { code: -32602, message: `Session "${sessionId}" not found` },
      words: { code: -32603, data: { details: expect.stringContaining('no rollout found') } },
      'words-params': { code: -32602, data: { reason: expect.stringContaining('does not exist') } },
      'method-missing': { code: -32601 },
      'other-resource': { code: -32002, data: { uri: expect.stringMatching(/^file:/) } },
      'opaque-but-listed': { code: -32603, message: 'Internal error', data: {} },
      'opaque-no-list': { code: -32603, message: 'Internal error', data: {} },
    };
    for (const error of errors) expect(error).toMatchObject(wanted[shape]);
    if (behaviourOf(`unknown:${shape}`).list)
      expect((await listed()).includes(sessionId)).toBe(shape === 'opaque-but-listed' || shape === 'other-resource');
  });
});

describe('replays', () => {
  it('late: the answer comes after the first update and before the rest', async () => {
    const { load, two, messages } = await twoLives('late');
    await load();
    expect(messages().length).toBe(1);
    await expect.poll(() => messages().length).toBe(2);
    const order = two.client.seen
      .slice(-4)
      .map((message) => (message.method === 'session/update' ? 'update' : 'id' in message ? 'response' : 'other'));
    expect(order.indexOf('response')).toBeLessThan(order.lastIndexOf('update'));
  });

  it('replays-on-resume: it replays where it must not', async () => {
    const { resume, messages } = await twoLives('replays-on-resume');
    await resume();
    expect(messages()).toHaveLength(2);
  });

  it('native: it does not', async () => {
    const { resume, messages } = await twoLives('native');
    await resume();
    expect(messages()).toHaveLength(0);
  });

  it('other-chunks: the same text in other chunks with other ids', async () => {
    const { one, two, load } = await twoLives('other-chunks', 'say one two three four five six seven');
    await load();
    expect(two.client.said()).toBe(one.client.said());
    const shape = (client: typeof one.client) => client.updates('agent_message_chunk').map((update) => update.content.text);
    expect(shape(two.client)).not.toEqual(shape(one.client));
    const ids = new Set(one.client.updates('agent_message_chunk').map((update) => update.messageId));
    for (const update of two.client.updates('agent_message_chunk')) expect(ids).not.toContain(update.messageId);
  });

  it('no-message-ids: neither in streams nor in replays', async () => {
    const { one, load, messages } = await twoLives('no-message-ids');
    await load();
    for (const update of [...one.client.updates('agent_message_chunk'), ...messages()]) expect(update).not.toHaveProperty('messageId');
  });

  it('duplicate-replay: everything twice', async () => {
    const { load, messages } = await twoLives('duplicate-replay');
    await load();
    expect(messages()).toHaveLength(4);
  });

  it('capped: only the last messages', async () => {
    const launcher = inProcessLauncher({ variant: 'capped' });
    const one = await start(launcher);
    const { sessionId } = (await one.client.request('session/new', PLACE)).result;
    for (const words of ['say one', 'say two', 'say three']) await one.client.request('session/prompt', { sessionId, prompt: text(words) });
    const two = await start(launcher);
    await two.client.request('session/load', { sessionId, ...PLACE });
    expect(two.client.updates('user_message_chunk').map((update) => update.content.text)).toEqual(['say three']);
    expect(two.client.said()).toBe('three');
  });

  it('foreign-turns: a turn the host never saw', async () => {
    const { load, two, messages } = await twoLives('foreign-turns');
    await load();
    expect(messages()).toHaveLength(4);
    expect(two.client.updates('user_message_chunk').at(-1).content.text).toBe('my cat is called Miette');
  });
});

describe('lies and refusals', () => {
  it.each(['liar', 'liar-resume'] as const)('%s: success for what it never had, and no replay', async (variant) => {
    const { load, resume, messages, two } = await twoLives(variant);
    expect(await load()).toHaveProperty('result');
    if (variant === 'liar-resume') expect(await resume()).toHaveProperty('result');
    expect(messages()).toEqual([]);
    expect(two.initialized.result.agentCapabilities.sessionCapabilities.list).toBeUndefined();
  });

  it('busy: open in another process, and still listed', async () => {
    const { load, resume, listed, sessionId } = await twoLives('busy');
    for (const answer of [await load(), await resume()]) expect(answer.error.message).toMatch(/already open in another process/);
    expect(await listed()).toContain(sessionId);
  });

  it('auth: everything about a session is refused until it is authenticated, which outlives the process', async () => {
    const launcher = inProcessLauncher({ variant: 'auth' });
    const one = await start(launcher);
    expect(one.initialized.result.authMethods).toMatchObject([{ id: 'demo' }]);
    expect((await one.client.request('session/new', PLACE)).error.code).toBe(-32000);
    expect((await one.client.request('authenticate', { methodId: 'other' })).error.code).toBe(-32602);
    expect(await one.client.request('authenticate', { methodId: 'demo' })).toHaveProperty('result');
    expect((await one.client.request('session/new', PLACE)).result.sessionId).toBeTruthy();
    const two = await start(launcher);
    expect((await two.client.request('session/new', PLACE)).result.sessionId).toBeTruthy();
  });

  it('never-prompted-forgets: a session without a prompt is lost, one with a prompt is kept', async () => {
    const { load } = await twoLives('never-prompted-forgets');
    expect(await load()).toHaveProperty('result');
    const launcher = inProcessLauncher({ variant: 'never-prompted-forgets' });
    const one = await start(launcher);
    const { sessionId } = (await one.client.request('session/new', PLACE)).result;
    const two = await start(launcher);
    expect((await two.client.request('session/load', { sessionId, ...PLACE })).error.code).toBe(-32002);
  });

  it('no-embedded: says so', async () => {
    const { initialized } = await start(inProcessLauncher({ variant: 'no-embedded' }));
    expect(initialized.result.agentCapabilities).toMatchObject({ loadSession: false, promptCapabilities: { embeddedContext: false } });
  });
});

describe('breaches of the protocol', () => {
  it('null-load: null as a result', async () => {
    const { load, resume } = await twoLives('null-load');
    expect((await load()).result).toBeNull();
    expect((await resume()).result).toBeNull();
  });

  it('answers-twice: every response twice', async () => {
    const { client } = await start(inProcessLauncher({ variant: 'answers-twice' }));
    await client.request('session/new', PLACE);
    await expect.poll(() => client.seen.filter((message) => message.id === 2)).toHaveLength(2);
  });

  it('unknown-kinds: kinds, fields and notifications of its own', async () => {
    const { one } = await twoLives('unknown-kinds');
    expect(one.client.updates('_demo_weather')).toHaveLength(1);
    expect(one.client.updates('agent_thought_chunk')[0]).toMatchObject({ _demoField: 'kept', content: { _demo: true } });
    expect(one.client.seen.some((message) => message.method === '_demo/heartbeat')).toBe(true);
  });

  it('requests-at-start: asks before it answers, and takes a refusal', async () => {
    const { client, initialized } = await start(inProcessLauncher({ variant: 'requests-at-start' }));
    expect(initialized).toHaveProperty('result');
    expect(client.seen.slice(0, -1).map((message) => message.method)).toEqual(['fs/read_text_file', '_demo/hello']);
    expect(await client.request('session/new', PLACE)).toHaveProperty('result');
  });

  it('garbage: prints between its messages and works; garbage-only: prints and never answers', async () => {
    const { process, initialized } = await start(inProcessLauncher({ variant: 'garbage' }));
    expect(initialized.result.protocolVersion).toBe(1);
    expect(process.diagnostics()).toContain('Loading plugins');
    const silent = await inProcessLauncher({ variant: 'garbage-only' }).launch(spec, { signal });
    const client = rawClient(silent.stream);
    void client.request('initialize', INITIALIZE);
    await expect.poll(() => silent.diagnostics()).toContain('Loading plugins');
    expect(client.seen).toEqual([]);
    await silent.end('kill');
  });

  it('stubborn: only a kill ends it', async () => {
    const { process } = await start(inProcessLauncher({ variant: 'stubborn' }));
    expect(await process.end('ask')).toMatchObject({ kind: 'killed' });
  });
});

describe.each(FAULT_PHASES)('faults in %s', (phase) => {
  /** Goes on until the phase is reached, and gives what happened there. */
  async function reach(how: 'hang' | 'crash') {
    const launcher = inProcessLauncher({ variant: `${how}-${phase}` });
    const process = await launcher.launch(spec, { signal });
    const client = rawClient(process.stream);
    const run = async () => {
      if ((await client.request('initialize', INITIALIZE)) && phase === 'initialize') return;
      if (phase === 'load' || phase === 'resume') return client.request(`session/${phase}`, { sessionId: 'any', ...PLACE });
      const { result } = await client.request('session/new', PLACE);
      if (phase === 'prompt') await client.request('session/prompt', { sessionId: result.sessionId, prompt: text('hello') });
    };
    return { process, client, answered: run().then(() => 'answered' as const) };
  }

  it('hang: no answer, and it still ends when asked', async () => {
    const { process, client, answered } = await reach('hang');
    if (phase === 'prompt') await expect.poll(() => client.said()).toBe('Let me see…');
    const quiet = new Promise<'quiet'>((resolve) => setTimeout(resolve, 50, 'quiet'));
    expect(await Promise.race([answered, quiet])).toBe('quiet');
    expect(await process.end('ask')).toMatchObject({ kind: 'ended' });
  });

  it('crash: exit code 3, with a word on stderr', async () => {
    const { process, client } = await reach('crash');
    expect(await process.exited).toMatchObject({ kind: 'failed', code: 3, stderr: expect.stringContaining(`crashed in ${phase}`) });
    if (phase === 'prompt') expect(client.said()).toBe('Let me see…');
  });
});

describe('what every agent does', () => {
  let at: Awaited<ReturnType<typeof start>>;
  let sessionId: string;
  const prompt = (words: string) => at.client.request('session/prompt', { sessionId, prompt: text(words) });
  beforeEach(async () => {
    at = await start(inProcessLauncher());
    ({ sessionId } = (await at.client.request('session/new', PLACE)).result);
  });

  it('offers modes, options, commands, a title and usage', async () => {
    const { result } = await at.client.request('session/new', PLACE);
    expect(result).toMatchObject({ modes: { currentModeId: 'chatty' }, configOptions: [{ id: 'model', currentValue: 'memo-small' }] });
    await prompt('my name is Ada');
    expect(at.client.updates('session_info_update')).toMatchObject([{ title: 'my name is Ada' }]);
    expect(at.client.updates('usage_update')).toHaveLength(1);
    await expect.poll(() => at.client.updates('available_commands_update').length).toBe(2);
    await at.client.request('session/set_mode', { sessionId, modeId: 'brief' });
    expect(
      (await at.client.request('session/set_config_option', { sessionId, configId: 'model', value: 'memo-large' })).result.configOptions[0]
        .currentValue,
    ).toBe('memo-large');
    expect((await at.client.request('session/set_mode', { sessionId, modeId: 'none' })).error.code).toBe(-32602);
    await prompt('what is my name?');
    expect(at.client.said()).toMatch(/Ada$/);
  });

  it('writes and reads files through the client, with a plan and a tool call', async () => {
    const files = new Map<string, string>();
    at.client.answers.set('fs/write_text_file', ({ path, content }) => (files.set(path, content), null));
    at.client.answers.set('fs/read_text_file', ({ path }) => ({ content: files.get(path) }));
    await prompt('write file notes.md: a b c');
    expect(files).toEqual(new Map([['/project/notes.md', 'a b c']]));
    expect(at.client.updates('plan').length).toBe(2);
    expect(at.client.updates('tool_call')).toMatchObject([{ title: 'Write notes.md', kind: 'edit' }]);
    expect(at.client.updates('tool_call_update')).toMatchObject([{ status: 'completed' }]);
    await prompt('read file notes.md');
    expect(at.client.said()).toBe('I wrote notes.md.a b c');
    await prompt('list files');
    expect(at.client.said()).toContain('There are 1 files: notes.md.');
  });

  it('asks for permission and does as it is told', async () => {
    at.client.answers.set('session/request_permission', () => ({ outcome: { outcome: 'selected', optionId: 'once' } }));
    await prompt('delete notes.md');
    expect(at.client.said()).toContain('I would delete notes.md now');
    at.client.answers.set('session/request_permission', () => ({ outcome: { outcome: 'cancelled' } }));
    await prompt('ask permission');
    expect(at.client.said()).toContain('Nobody answered, so I did nothing.');
  });

  it('stops a stream when it is cancelled, and says so', async () => {
    const slow = await inProcessLauncher({ pace: 1 }).launch(spec, { signal });
    const client = rawClient(slow.stream);
    await client.request('initialize', INITIALIZE);
    const { result } = await client.request('session/new', PLACE);
    const answer = client.request('session/prompt', { sessionId: result.sessionId, prompt: text('count to 1000') });
    await expect.poll(() => client.said()).toContain('1 ');
    await client.notify('session/cancel', { sessionId: result.sessionId });
    expect((await answer).result.stopReason).toBe('cancelled');
    expect(client.said().split(' ').length).toBeLessThan(100);
    await slow.end('kill');
  });

  it('streams as many chunks as it was asked for, in order, in one message', async () => {
    await prompt('stream 500 chunks');
    const chunks = at.client.updates('agent_message_chunk');
    expect(chunks.map((update) => update.content.text)).toEqual(Array.from({ length: 500 }, (_, i) => `chunk ${i + 1} `));
    expect(new Set(chunks.map((update) => update.messageId)).size).toBe(1);
  });

  it('refuses a session it does not have, and a second prompt at once', async () => {
    expect((await at.client.request('session/prompt', { sessionId: 'none', prompt: text('x') })).error.code).toBe(-32002);
    void prompt('hang');
    expect((await prompt('hello')).error.code).toBe(-32600);
  });

  it('lists in pages, by directory, and deletes', async () => {
    const ids = new Set([sessionId]);
    for (let i = 0; i < 60; i += 1) ids.add((await at.client.request('session/new', PLACE)).result.sessionId);
    await at.client.request('session/new', { ...PLACE, cwd: '/elsewhere' });
    const first = (await at.client.request('session/list', { cwd: '/project' })).result;
    const second = (await at.client.request('session/list', { cwd: '/project', cursor: first.nextCursor })).result;
    expect(second.nextCursor).toBeUndefined();
    expect(new Set([...first.sessions, ...second.sessions].map((each: { sessionId: string }) => each.sessionId))).toEqual(ids);
    await at.client.request('session/delete', { sessionId });
    expect((await at.client.request('session/load', { sessionId, ...PLACE })).error.code).toBe(-32002);
  });
});
