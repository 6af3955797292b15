/** What the user asked for is in force again after a wake, although settings hang together; and a refusal changes nothing of that. */
import { describe, expect, it } from 'vitest';
import { CWD, worldOf } from './helpers.ts';
import { ordinary, rawAgents, update, type Heard } from './raw-agent.ts';

/** A model resets the effort, `small` knows no effort `high`, and the mode is an option too. Every process begins with the defaults. */
function agent({ modeAsOption = false } = {}) {
  let model = 'small';
  let effort = 'low';
  let mode = 'ask';
  const select = (id: string, currentValue: string, category = id) => ({
    id,
    name: id,
    category,
    type: 'select',
    currentValue,
    options: [],
  });
  const settings = () => ({
    configOptions: [select('effort', effort), select('model', model), ...(modeAsOption ? [select('mode', mode)] : [])],
    modes: {
      currentModeId: mode,
      availableModes: [
        { id: 'ask', name: 'Ask' },
        { id: 'code', name: 'Code' },
      ],
    },
  });
  return rawAgents((message: Heard, raw) => {
    const reply = (value: object) => raw.say({ jsonrpc: '2.0', id: message.id, ...value });
    const refuse = (words: string) => reply({ error: { code: -32602, message: 'Invalid params', data: { details: words } } });
    const { method, params } = message;
    if (method === 'initialize') [model, effort, mode] = ['small', 'low', 'ask'];
    if (method === 'session/new') return reply({ result: { sessionId: 'raw-1', ...settings() } });
    if (method === 'session/resume') return reply({ result: settings() });
    if (method === 'session/set_mode') {
      if (params?.['modeId'] === 'nonsense') return refuse('there is no such mode');
      mode = String(params?.['modeId']);
      return reply({ result: {} });
    }
    if (method === 'session/set_config_option') {
      const { configId, value } = params as { configId: string; value: string };
      if (configId === 'model') [model, effort] = [value, 'low'];
      else if (configId === 'mode') mode = value;
      else if (model === 'small' && value === 'high') return refuse('small has no effort high');
      else effort = value;
      return reply({ result: settings() });
    }
    if (method) raw.say(ordinary(message, { sessionCapabilities: { resume: {} } }));
  });
}

describe('settings that hang together', () => {
  it('are set again in whatever order works, each named once', async () => {
    const { wake } = await worldOf(agent({ modeAsOption: true }));
    const host = await wake();
    await host.create({ agent: 'raw', cwd: CWD, sessionId: 's' });
    await host.setConfigOption('s', 'model', 'big');
    await host.setConfigOption('s', 'effort', 'high');
    await host.setMode('s', 'code');
    await host.setConfigOption('s', 'mode', 'code');
    await host.prompt('s', 'go');
    await host.sleep();
    const next = await wake();
    const { report } = await next.prompt('s', 'go');
    expect(report.settings.failed).toEqual([]);
    expect([...report.settings.restored].sort()).toEqual(['effort', 'mode', 'model']);
    const { configOptions, modes } = await next.get('s');
    expect(configOptions?.map(({ id, currentValue }) => [id, currentValue])).toEqual([
      ['effort', 'high'],
      ['model', 'big'],
      ['mode', 'code'],
    ]);
    expect(modes?.currentModeId).toBe('code');
  });

  it('a requested setting that a reset took away stays requested, and comes back', async () => {
    const { wake } = await worldOf(agent());
    const host = await wake();
    await host.create({ agent: 'raw', cwd: CWD, sessionId: 's' });
    await host.setConfigOption('s', 'model', 'big');
    await host.setConfigOption('s', 'effort', 'high');
    // It resets the effort, as its answer says.
    await host.setConfigOption('s', 'model', 'big');
    expect((await host.get('s')).configOptions?.[0]).toMatchObject({ id: 'effort', currentValue: 'low' });
    await host.sleep();
    const next = await wake();
    await next.prompt('s', 'go');
    expect((await next.get('s')).configOptions?.[0]).toMatchObject({ id: 'effort', currentValue: 'high' });
  });

  it('a refusal changes no requested setting: the mode that was in force comes back', async () => {
    const { wake } = await worldOf(agent());
    const host = await wake();
    await host.create({ agent: 'raw', cwd: CWD, sessionId: 's' });
    await host.setMode('s', 'code');
    await expect(host.setMode('s', 'nonsense')).rejects.toMatchObject({ code: 'invalid_argument' });
    await expect(host.setMode('s', 'nonsense')).rejects.toThrow(/there is no such mode/);
    await host.prompt('s', 'go');
    for (let life = 0; life < 3; life++) {
      await host.close('s');
      expect((await host.prompt('s', 'go')).report.settings).toEqual({ restored: ['mode'], failed: [] });
      expect((await host.get('s')).modes?.currentModeId).toBe('code');
    }
  });

  it('what cannot be set is in the report with the agent’s reason, and is tried again the next time', async () => {
    const { wake } = await worldOf(agent());
    const host = await wake();
    await host.create({ agent: 'raw', cwd: CWD, sessionId: 's' });
    await host.setConfigOption('s', 'model', 'big');
    await host.setConfigOption('s', 'effort', 'high');
    await host.setConfigOption('s', 'model', 'small');
    for (let life = 0; life < 2; life++) {
      await host.close('s');
      const { settings } = (await host.prompt('s', 'go')).report;
      expect(settings).toEqual({
        restored: [],
        failed: [{ id: 'effort', reason: expect.stringContaining('small has no effort high') as string }],
      });
    }
  });

  it('a setting is an event, so that every client learns of it', async () => {
    const { wake } = await worldOf(agent());
    const host = await wake();
    await host.create({ agent: 'raw', cwd: CWD, sessionId: 's' });
    await host.setMode('s', 'code');
    expect((await host.history('s')).at(-1)).toMatchObject({
      kind: 'update',
      origin: 'host',
      payload: { sessionUpdate: 'current_mode_update', currentModeId: 'code' },
    });
  });
});

/** An agent whose only setting is its mode, as an option, as a mode, or as both. `tellsFirst`: it tells of a change before it answers. */
function modal({ as, tellsFirst = false }: { as: readonly ('modes' | 'option')[]; tellsFirst?: boolean }) {
  let mode = 'ask';
  const ids = ['ask', 'code', 'plan'];
  const configOptions = () => [
    {
      id: 'approval',
      name: 'Mode',
      category: 'mode',
      type: 'select',
      currentValue: mode,
      options: ids.map((value) => ({ value, name: value })),
    },
  ];
  const settings = () => ({
    ...(as.includes('option') ? { configOptions: configOptions() } : {}),
    ...(as.includes('modes') ? { modes: { currentModeId: mode, availableModes: ids.map((id) => ({ id, name: id })) } } : {}),
  });
  const agents = rawAgents((message: Heard, raw) => {
    const { method, params } = message;
    const reply = (result: object) => raw.say({ jsonrpc: '2.0', id: message.id, result });
    const tell = () => {
      if (as.includes('modes')) raw.say(update({ sessionUpdate: 'current_mode_update', currentModeId: mode }));
      if (as.includes('option')) raw.say(update({ sessionUpdate: 'config_option_update', configOptions: configOptions() }));
    };
    if (method === 'initialize') mode = 'ask';
    if (method === 'session/new') return reply({ sessionId: 'raw-1', ...settings() });
    if (method === 'session/resume') return reply(settings());
    if (method === 'session/set_mode' || method === 'session/set_config_option') {
      mode = String(params?.['modeId'] ?? params?.['value']);
      if (tellsFirst) tell();
      return reply({});
    }
    if (method === 'session/prompt' && JSON.stringify(params).includes('approve the plan')) {
      mode = 'code';
      tell();
    }
    if (method) raw.say(ordinary(message, { sessionCapabilities: { resume: {} } }));
  });
  return { agents, inForce: () => mode };
}

describe('a mode that is an option, too, is one setting', () => {
  it.each([{ tellsFirst: false }, { tellsFirst: true }])('which was set last is in force after a wake: %o', async ({ tellsFirst }) => {
    const { agents, inForce } = modal({ as: ['modes', 'option'], tellsFirst });
    const { wake } = await worldOf(agents);
    const host = await wake({ protocol: 'v1' });
    await host.create({ agent: 'raw', cwd: CWD, sessionId: 's' });
    const ways = {
      mode: (value: string) => host.setMode('s', value),
      option: (value: string) => host.setConfigOption('s', 'approval', value),
    };
    for (const [first, last] of [['mode', 'option'] as const, ['option', 'mode'] as const]) {
      await ways[first]('plan');
      await ways[last]('code');
      const shown = await host.get('s');
      expect([shown.modes?.currentModeId, shown.configOptions?.[0]?.currentValue]).toEqual(['code', 'code']);
      await host.prompt('s', 'go');
      await host.close('s');
      expect((await host.prompt('s', 'go')).report.settings).toEqual({ restored: ['mode'], failed: [] });
      expect(inForce()).toBe('code');
    }
  });

  it.each([['modes'], ['option']] as const)('a plan that was approved in a turn stays so, where the mode is told as %s', async (as) => {
    const { agents, inForce } = modal({ as: [as] });
    const { wake } = await worldOf(agents);
    const host = await wake({ protocol: 'v1' });
    await host.create({ agent: 'raw', cwd: CWD, sessionId: 's' });
    await (as === 'modes' ? host.setMode('s', 'plan') : host.setConfigOption('s', 'approval', 'plan'));
    await host.prompt('s', 'approve the plan');
    await host.close('s');
    const { settings } = (await host.prompt('s', 'go')).report;
    expect(settings).toEqual({ restored: [as === 'modes' ? 'mode' : 'approval'], failed: [] });
    expect(inForce()).toBe('code');
  });
});

it('what the agent accepts and does not list is restored', async () => {
  const accepted: unknown[] = [];
  const { wake } = await worldOf(
    rawAgents((message: Heard, raw) => {
      if (message.method === 'session/set_config_option') accepted.push(message.params?.['value']);
      if (message.method) raw.say(ordinary(message, { sessionCapabilities: { resume: {} } }));
    }),
  );
  const host = await wake({ protocol: 'v1' });
  await host.create({ agent: 'raw', cwd: CWD, sessionId: 's' });
  await host.setConfigOption('s', 'fast', true);
  await host.prompt('s', 'go');
  await host.close('s');
  expect((await host.prompt('s', 'go')).report.settings).toEqual({ restored: ['fast'], failed: [] });
  expect(accepted).toEqual([true, true]);
});

it('an agent that comes back with other settings than it had is heard by whoever follows the session', async () => {
  let life = 0;
  const { wake } = await worldOf(
    rawAgents((message: Heard, raw) => {
      const { method, id } = message;
      if (method === 'initialize') life += 1;
      const settings = {
        modes: { currentModeId: `mode-${life}`, availableModes: [] },
        configOptions: [{ id: 'model', name: 'Model', type: 'select', currentValue: `model-${life}`, options: [] }],
      };
      if (method === 'session/new') return raw.say({ jsonrpc: '2.0', id, result: { sessionId: 'raw-1', ...settings } });
      if (method === 'session/resume') return raw.say({ jsonrpc: '2.0', id, result: settings });
      if (method) raw.say(ordinary(message, { sessionCapabilities: { resume: {} } }));
    }),
  );
  const host = await wake({ protocol: 'v1' });
  await host.create({ agent: 'raw', cwd: CWD, sessionId: 's' });
  await host.prompt('s', 'go');
  await host.close('s');
  const { latestSeq } = await host.get('s');
  await host.prompt('s', 'go');
  const said = (await host.history('s', { after: latestSeq })).flatMap(({ kind, origin, payload }) =>
    kind === 'update' && origin === 'agent' ? [payload] : [],
  );
  expect(said).toMatchObject([
    { sessionUpdate: 'current_mode_update', currentModeId: 'mode-2' },
    { sessionUpdate: 'config_option_update', configOptions: [{ id: 'model', currentValue: 'model-2' }] },
  ]);
});
