/** What the user asked for is in force again after a wake, although settings hang together; and a refusal is no wish. */
import { describe, expect, it } from 'vitest';
import { CWD, worldOf } from './helpers.ts';
import { ordinary, rawAgents, type Heard } from './raw-agent.ts';

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

  it('a wish that a reset took away stays wished for, and comes back', async () => {
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

  it('a refusal is no wish: the mode that was in force comes back', async () => {
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
