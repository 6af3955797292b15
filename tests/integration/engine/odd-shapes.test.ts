/** What an agent says in shapes nobody can use: the log has it as it was said, and nothing of the session stands still for it. */
import { describe, expect, it, onTestFinished } from 'vitest';
import { openNodeSqlite } from '../../../src/adapters/node-sqlite/index.ts';
import { createHost, type AgentLauncher, type HostOptions, type RehydrateError } from '../../../src/engine/index.ts';
import { FIXED_LIMITS } from '../../../src/engine/limits.ts';
import { CWD, PATIENT, said } from './helpers.ts';
import { ordinary, rawAgents, update, words, type Heard } from './raw-agent.ts';

async function hosts(agents: AgentLauncher, options: Partial<HostOptions> = {}) {
  const db = await openNodeSqlite(':memory:');
  onTestFinished(() => db.close());
  return async () => {
    const host = await createHost({ database: db, agents, limits: PATIENT, ...options });
    onTestFinished(() => host.sleep());
    return host;
  };
}

const ODD_LISTS: readonly unknown[] = [[null], [7, 'text', [], {}], [{ id: 5 }], [{ id: null, name: null }], {}, 'text'];

describe('a session is not spoilt by settings that nobody can use', () => {
  const usable = { id: 'model', name: 'Model', type: 'select', currentValue: 'small', options: [] };

  it.each(ODD_LISTS.map((list) => [JSON.stringify(list), list] as const))('%s among options, modes, commands', async (_name, odd) => {
    const list = Array.isArray(odd) ? [...odd, usable] : odd;
    const settings = { configOptions: list, modes: { currentModeId: 'ask', availableModes: list } };
    const live = [
      update({ sessionUpdate: 'config_option_update', configOptions: list }),
      update({ sessionUpdate: 'available_commands_update', availableCommands: list }),
    ];
    const agents = rawAgents((message: Heard, agent) => {
      const result = (value: object) => agent.say({ jsonrpc: '2.0', id: message.id, result: value });
      if (message.method === 'session/new') return result({ sessionId: 'raw-1', ...settings });
      if (message.method === 'session/resume') return result(settings);
      if (message.method === 'session/prompt') agent.say(...live);
      if (message.method) agent.say(ordinary(message, { sessionCapabilities: { resume: {} } }));
    });
    const wake = await hosts(agents);
    for (const policy of ['auto', 'transcript'] as const) {
      const host = await wake();
      if (policy === 'auto') await host.create({ agent: 'raw', cwd: CWD, sessionId: 's' });
      await host.prompt('s', 'go', { policy });
      await host.sleep();
    }
    const host = await wake();
    await expect(host.prompt('s', 'go')).resolves.toMatchObject({ stopReason: 'end_turn' });
    const { configOptions, modes } = await host.get('s');
    expect(configOptions ?? []).toEqual(
      Array.isArray(odd) ? [...odd.filter((entry) => typeof (entry as { id?: unknown } | null)?.id === 'string'), usable] : [],
    );
    expect(modes).toMatchObject({ currentModeId: 'ask' });
    if (Array.isArray(odd))
      expect((await host.history('s')).map((event) => event.payload)).toContainEqual({
        sessionUpdate: 'config_option_update',
        configOptions: list,
      });
  });
});

describe('auth_required names what can be used', () => {
  it.each(ODD_LISTS.map((list) => [JSON.stringify(list), list] as const))('%s as ways to authenticate', async (_name, odd) => {
    const agents = rawAgents((message: Heard, agent) => {
      if (message.method === 'initialize')
        return agent.say({
          jsonrpc: '2.0',
          id: message.id,
          result: { protocolVersion: 1, authMethods: Array.isArray(odd) ? [...odd, { id: 'browser' }] : odd },
        });
      agent.say({ jsonrpc: '2.0', id: message.id, error: { code: -32000, message: 'Authentication required' } });
    });
    const host = await (await hosts(agents))();
    const how = Array.isArray(odd) ? 'It offers: browser (browser)' : 'It names no way to do so';
    await expect(host.create({ agent: 'raw', cwd: CWD })).rejects.toMatchObject({
      code: 'auth_required',
      message: expect.stringContaining(how) as string,
    });
  });
});

describe('I10: a message that nests without end', () => {
  const deep = (levels: number) => JSON.parse(`${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}`) as object;

  it.each([2_000, 50_000])('%i levels in an update, a request and a result: cut at nestedLevels, and the turn goes on', async (levels) => {
    const agents = rawAgents((message: Heard, agent) => {
      if (message.method === 'session/prompt') {
        agent.say(words('before '), update({ sessionUpdate: 'hologram', shape: deep(levels) }, { _meta: deep(levels) }), words('after'));
        agent.say({
          jsonrpc: '2.0',
          id: 'p',
          method: 'session/request_permission',
          params: {
            sessionId: 'raw-1',
            toolCall: { toolCallId: 't', rawInput: deep(levels) },
            options: [{ optionId: 'no', name: 'No', kind: 'reject_once' }],
          },
        });
      }
      if (message.method)
        agent.say({ jsonrpc: '2.0', id: message.id, result: { ...(ordinary(message) as { result: object }).result, more: deep(levels) } });
    });
    const host = await (await hosts(agents, { permission: 'reject' }))();
    await host.create({ agent: 'raw', cwd: CWD, sessionId: 's' });
    const { turnId, stopReason } = await host.prompt('s', 'go');
    expect(stopReason).toBe('end_turn');
    const events = await host.history('s');
    expect(said(events, turnId)).toBe('before after');
    const kept = JSON.stringify(events.find((event) => event.kind === 'update' && (event.payload.sessionUpdate as string) === 'hologram'));
    expect(kept).toContain(`[nested deeper than ${FIXED_LIMITS.nestedLevels} levels]`);
  });
});

it('I10: of an error that is a payload the beginning is taken, and what is short stays whole', async () => {
  const long = 'x'.repeat(3_000_000);
  const agents = rawAgents((message: Heard, agent) => {
    const errors = { session: { message: long, data: { details: long } }, short: { message: 'no', data: { kind: 'a', list: [1] } } };
    const text = (message.params?.['prompt'] as { text: string }[] | undefined)?.[0]?.text as keyof typeof errors | undefined;
    if (message.method === 'session/prompt') agent.say({ jsonrpc: '2.0', id: message.id, error: { code: -32000 - 99, ...errors[text!] } });
    else if (message.method) agent.say(ordinary(message));
  });
  const host = await (await hosts(agents))();
  await host.create({ agent: 'raw', cwd: CWD, sessionId: 's' });
  const failed = await host.prompt('s', 'session').catch((error: unknown) => error);
  expect(JSON.stringify((failed as RehydrateError).data).length).toBeLessThan(3 * FIXED_LIMITS.errorChars);
  expect(JSON.stringify(await host.history('s')).length).toBeLessThan(6 * FIXED_LIMITS.errorChars);
  await expect(host.prompt('s', 'short')).rejects.toMatchObject({ data: { error: { message: 'no', data: { kind: 'a', list: [1] } } } });
});
