/**
 * Random lives of an agent whose settings hang together: it takes some back, refuses others, tells of them in its own way, keeps them or
 * not, and changes its mode in a turn. What the user last chose is in force after every wake, or the report says what is not.
 */
import { expect, it } from 'vitest';
import { random, SEED, type Random } from '../../faults/engine-host/random.ts';
import { IN_V2 } from '../../support/protocol.ts';
import { CWD, PATIENT, worldOf } from '../engine/helpers.ts';
import { rawAgents, update, words, type Heard } from '../engine/raw-agent.ts';

const AGENTS = process.env['FAULTS'] === 'full' ? 500 : 40;
const EFFORTS: Readonly<Record<string, readonly string[]>> = { small: ['low'], big: ['low', 'high'], huge: ['low', 'high', 'max'] };
const MODES: Readonly<Record<string, readonly string[]>> = {
  small: ['ask', 'code'],
  big: ['ask', 'code', 'plan'],
  huge: ['ask', 'code', 'plan'],
};
const DEFAULTS = { model: 'small', effort: 'low', mode: 'ask' };
type Name = keyof typeof DEFAULTS;
const NAMES = Object.keys(DEFAULTS) as readonly Name[];

/** What an agent is like, and how it tells of a change: in its answer, before it, or after it. */
function agentOf(draw: Random) {
  const as = draw.pick(['modes', 'option', 'both'] as const);
  const tells = draw.pick(['answer', 'before', 'after'] as const);
  const keeps = draw.pick([true, false]);
  const now = { ...DEFAULTS };
  const select = (id: string, category: Name, values: readonly string[]) => {
    const options = values.map((value) => ({ value, name: value }));
    return { id, name: id, category, type: 'select', currentValue: now[category], options };
  };
  const modes = () => ({ currentModeId: now.mode, availableModes: MODES[now.model]!.map((id) => ({ id, name: id })) });
  const configOptions = () => [
    select('effort', 'effort', EFFORTS[now.model]!),
    select('model', 'model', Object.keys(EFFORTS)),
    ...(as === 'modes' ? [] : [select('approval', 'mode', MODES[now.model]!)]),
  ];
  const all = () => ({ configOptions: configOptions(), ...(as === 'option' ? {} : { modes: modes() }) });
  const news = () => [
    ...(as === 'option' ? [] : [update({ sessionUpdate: 'current_mode_update', currentModeId: now.mode })]),
    update({ sessionUpdate: 'config_option_update', configOptions: configOptions() }),
  ];
  const take = (name: Name, value: string): boolean => {
    const offered = { model: Object.keys(EFFORTS), effort: EFFORTS[now.model]!, mode: MODES[now.model]! }[name];
    if (!offered.includes(value)) return false;
    now[name] = value;
    if (name === 'model') now.effort = 'low';
    if (!MODES[now.model]!.includes(now.mode)) now.mode = 'ask';
    return true;
  };
  const agents = rawAgents(({ id, method, params = {} }: Heard, raw) => {
    const reply = (result: object) => raw.say({ jsonrpc: '2.0', id, result });
    switch (method) {
      case 'initialize':
        if (!keeps) Object.assign(now, DEFAULTS);
        return reply({ protocolVersion: 1, agentCapabilities: { sessionCapabilities: { resume: {} } } });
      case 'session/new':
      case 'session/resume':
        return reply({ ...(method === 'session/new' ? { sessionId: 'raw-1' } : {}), ...all() });
      case 'session/set_mode':
      case 'session/set_config_option': {
        const { configId = 'approval', value = params['modeId'] } = params as { configId?: string; value?: unknown };
        if (!take(configId === 'approval' ? 'mode' : (configId as Name), String(value)))
          return raw.say({ jsonrpc: '2.0', id, error: { code: -32602, message: 'not offered' } });
        if (tells === 'before') raw.say(...news());
        reply(tells === 'answer' ? all() : {});
        return tells === 'after' ? raw.say(...news()) : undefined;
      }
      case 'session/prompt': {
        const to = /mode (\w+)/.exec(JSON.stringify(params))?.[1];
        if (to !== undefined && take('mode', to)) raw.say(...news());
        raw.say(words('done'));
        return reply({ stopReason: 'end_turn' });
      }
      default:
        return method && id !== undefined ? reply({}) : undefined;
    }
  });
  return { agents, now, as, traits: { as, tells, keeps } };
}

// It says the frames of v1.
it.skipIf(IN_V2)(`settings keep through the lives of ${AGENTS} agents (seed ${SEED})`, { timeout: 120_000 + AGENTS * 2_000 }, async () => {
  for (let agent = 0; agent < AGENTS; agent++) {
    const draw = random(SEED + agent);
    const { agents, now, as, traits } = agentOf(draw);
    const { wake } = await worldOf(agents);
    const host = await wake({ protocol: 'v1', limits: { ...PATIENT, quietMs: 1, replayQuietMs: 1 } });
    await host.create({ agent: 'raw', cwd: CWD, sessionId: 's' });
    const chosen = new Map<Name, string>();
    const told: string[] = [JSON.stringify(traits)];
    for (let life = 0; life < 3; life++) {
      const { settings } = (await host.prompt('s', 'go')).report;
      told.push(`woken: ${JSON.stringify([settings, now])}`);
      const failed = settings.failed.map(({ id }) => (id === 'approval' ? 'mode' : id));
      for (const [name, value] of chosen) if (now[name] !== value) expect(failed, told.join('\n')).toContain(name);
      for (const name of failed) expect(now[name as Name], told.join('\n')).not.toBe(chosen.get(name as Name));
      for (let change = draw.below(4); change > 0; change--) {
        const name = draw.pick(NAMES);
        const value = draw.pick({ model: Object.keys(EFFORTS), effort: EFFORTS['huge']!, mode: MODES['huge']! }[name]);
        if (name === 'mode' && draw.below(3) === 0 && MODES[now.model]!.includes(value)) {
          await host.prompt('s', `mode ${value}`);
          if (now.mode !== chosen.get('mode')) told.push(`the agent goes to ${value}`);
          chosen.set('mode', value);
          continue;
        }
        const byMode = name === 'mode' && (as === 'modes' || (as === 'both' && draw.below(2) === 0));
        const set = byMode ? host.setMode('s', value) : host.setConfigOption('s', name === 'mode' ? 'approval' : name, value);
        const taken = await set.then(
          () => true,
          (error: { code: string }) => error.code !== 'invalid_argument',
        );
        told.push(`${name} ${value}${byMode ? ' as a mode' : ''}: ${taken}`);
        if (taken) chosen.set(name, value);
      }
      const shown = await host.get('s');
      const option = (id: string) => shown.configOptions?.find((each) => each.id === id)?.currentValue;
      if (traits.tells !== 'after') expect([option('model'), option('effort')], told.join('\n')).toEqual([now.model, now.effort]);
      await host.close('s');
    }
  }
});
