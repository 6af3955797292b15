/** What the page says is so: of prompts on their way, questions, bridges, links, other tabs, and of its own end. */
import { describe, expect, it } from 'vitest';
import { Conversation } from '../../../playground/state/session.ts';
import { verdictOf } from '../../../playground/state/words.ts';
import type { Playground } from '../../../playground/state/playground.ts';
import { RehydrateError, type AgentLauncher } from '../../../src/engine/index.ts';
import type { SessionEvent } from '../../../src/engine/types.ts';
import { inProcessLauncher } from '../../../src/testing/agents/index.ts';
import { begin, closePage, free, open, said, withAgent } from './open-pages.ts';
import { testPlatform, type TestPlatform } from './platform.ts';

describe('a prompt on its way', () => {
  it('is shown while the agent starts, and once when it is stored', async () => {
    const pg = await open(free());
    const seen: (string | null)[] = [];
    const stop = pg.turns.unsent.subscribe((text) => {
      const stored = pg.session.live.peek().items.some((item) => item.kind === 'user');
      seen.push(stored && text !== null ? 'twice' : text);
    });
    await pg.turns.say('My cat is called Ada.');
    stop();
    expect(seen).toEqual([null, 'My cat is called Ada.', null]);
  });

  it('stays shown before an agent that does not answer, until it is stopped', async () => {
    const pg = await open(withAgent('hang-new'));
    const turn = pg.turns.say('Are you there?');
    await expect.poll(() => pg.host.machine.value.stations['session/new']).toBe('trying');
    expect(pg.turns.unsent.value).toBe('Are you there?');
    await pg.turns.cancel();
    await turn;
    expect(pg.turns.unsent.value).toBeNull();
  });
});

describe('a question nobody answered', () => {
  const asked = (...more: object[]): Conversation => {
    const conversation = new Conversation();
    const events = [
      { kind: 'turn_started', payload: {} },
      { kind: 'permission_requested', payload: { requestId: 'r', toolCall: { title: 'Delete' }, options: [] } },
      ...more,
    ];
    conversation.add(events.map((event, index) => ({ seq: index + 1, turnId: 't', at: 1, origin: 'host', ...event }) as SessionEvent));
    return conversation;
  };
  const answers = (items: readonly object[]) => items.flatMap((item) => ('answer' in item ? [item.answer] : []));

  it('is open while the turn runs', () => {
    const view = asked().view();
    expect([answers(view.items), view.permission?.requestId]).toEqual([[null], 'r']);
  });
  it('is withdrawn when nobody runs the turn any more, after a reload say', () => {
    const view = asked().view(null, true);
    expect([answers(view.items), view.permission]).toEqual([['withdrawn: the turn ended first'], null]);
  });
  it('is withdrawn when its turn ended, whatever else the log says', () => {
    const view = asked({ kind: 'turn_ended', payload: { state: 'interrupted' } }).view();
    expect(answers(view.items)).toEqual(['withdrawn: the turn ended first']);
  });
});

describe('an agent that says its session is in use elsewhere', () => {
  it('has a report of that, and no other tab is blamed', async () => {
    const pg = await open(withAgent('busy'));
    await pg.turns.say('My cat is called Ada.');
    await pg.faults.sleep();
    const { error } = await pg.turns.say('What is my cat called?');
    expect(error?.code).toBe('session_busy');
    expect(pg.notices.problem.value?.elsewhere).toBe(false);
    expect(pg.session.failures.value.map(verdictOf)).toEqual(['refused']);
  });
});

describe('the bridge', () => {
  it('that dies is said to be gone, and to be there again when it is', async () => {
    let dead = false;
    const platform = Object.assign(free(), {
      bridge: {
        discover: async () => (dead ? null : { url: 'ws://127.0.0.1:1', token: 't' }),
        list: async () => (dead ? Promise.reject(new Error('refused')) : [{ name: 'native', cwd: '/home/me' }]),
        launcher: () => ({ launch: () => Promise.reject(new Error('no socket')) }),
      },
    });
    const pg = await open(platform);
    const step = () => pg.boot.steps.value.find(({ name }) => name === 'Bridge')?.state;
    expect([pg.agents.bridge.value.kind, step()]).toEqual(['connected', 'ready']);
    await pg.navigation.chooseAgent('bridge:native');
    dead = true;
    expect((await pg.turns.say('Are you there?')).error).not.toBeNull();
    await expect.poll(step).toBe('lost');
    expect(pg.agents.bridge.value).toMatchObject({ kind: 'lost', why: expect.stringContaining('does not answer') });
    expect(pg.choice.agent.value).toBe('bridge:native');
    await pg.connectBridge({ url: 'ws://127.0.0.1:2', token: 'mistyped' });
    expect(pg.agents.bridge.value).toEqual({ kind: 'failed', why: 'refused' });
    dead = false;
    await pg.agents.lookAfterBridge();
    expect([pg.agents.bridge.value.kind, step()]).toEqual(['connected', 'ready']);
    await pg.disconnectBridge();
    expect([pg.agents.bridge.value.kind, step()]).toEqual(['none', 'absent']);
    await pg.connectBridge({ url: 'ws://127.0.0.1:2', token: 't' });
    expect([pg.agents.bridge.value.kind, step()]).toEqual(['connected', 'ready']);
  });
});

it('what is chosen while the page starts waits for its database, and a version of ACP holds from its first host on', async () => {
  const platform = free();
  const opens = Promise.withResolvers<void>();
  const openDatabase = platform.openDatabase.bind(platform);
  platform.openDatabase = (...of) => opens.promise.then(() => openDatabase(...of));
  const { pg, started } = begin(platform);
  const problems = new Set<unknown>();
  pg.notices.problem.subscribe((problem) => problems.add(problem));
  const chosen = pg.navigation.chooseProtocol('v2');
  const anew = pg.navigation.startOver();
  setTimeout(opens.resolve, 10);
  await Promise.all([started, chosen, anew]);
  expect([...problems]).toEqual([null]);
  await pg.turns.say('My cat is called Ada.');
  expect(JSON.stringify(pg.host.frames.value[1]!.message)).toContain('"protocolVersion":2');
});

describe('a session whose agent is behind a bridge that is away', () => {
  const platform = (before?: TestPlatform) => {
    const made = Object.assign(testPlatform(before), { away: false });
    if (!before) made.hash = '#v=1&scenario=free&agent=bridge:native';
    const inner = inProcessLauncher();
    const bridge: TestPlatform['bridge'] = {
      discover: async () => (made.away ? null : { url: 'ws://own', token: 't' }),
      list: async () => [{ name: 'native', cwd: '/home/me' }],
      launcher: () => inner,
    };
    return Object.assign(made, { bridge });
  };

  it.each([
    ['at its own address', (hash: string) => hash],
    ['at the page’s plain one', () => ''],
  ])('is shown after a reload %s, under its agent’s name, and goes on when the bridge is there', async (_, address) => {
    const first = platform();
    const before = await open(first);
    await before.turns.say('My cat is called Ada.');
    const sessionId = before.session.id.value;
    await closePage(before);
    const next = Object.assign(platform(first), { away: true, hash: address(first.hash) });
    const pg = await open(next);
    expect([pg.choice.agent.value, pg.session.id.value]).toEqual(['bridge:native', sessionId]);
    expect(said(pg)).toContain('Noted.');
    expect(pg.missing.value).toBe(
      'The agent “native” of this session is behind a bridge, which is not connected. Connect the bridge to go on with it.',
    );
    expect([pg.notices.link.value, next.hash]).toEqual([null, first.hash]);
    expect((await pg.turns.say('What is my cat called?')).error?.message).toContain('behind a bridge, and none is connected');
    next.away = false;
    await pg.connectBridge({ url: 'ws://own', token: 't' });
    expect(pg.missing.value).toBeNull();
    expect((await pg.turns.say('What is my cat called?')).error).toBeNull();
  });

  it('names its agent when it is chosen in the list', async () => {
    const first = platform();
    const before = await open(first);
    await before.turns.say('My cat is called Ada.');
    const sessionId = before.session.id.value;
    await closePage(before);
    const pg = await open(Object.assign(platform(first), { away: true, hash: '#v=1&scenario=free&agent=native' }));
    expect([pg.choice.agent.value, pg.missing.value]).toEqual(['native', null]);
    await pg.navigation.chooseSession(sessionId);
    expect([pg.choice.agent.value, pg.missing.value]).toEqual(['bridge:native', expect.stringContaining('not connected')]);
    expect(said(pg)).toContain('Noted.');
  });
});

describe('npm start that was started anew', () => {
  it('does not know the browser: the page says what to open, and finds the bridge when it is let in', async () => {
    let run = 1;
    let letIn = 1;
    const platform = Object.assign(free(), {
      bridge: {
        discover: async () => (run === letIn ? { url: `ws://run-${run}`, token: 't' } : ('locked' as const)),
        list: async ({ url }: { url: string }) =>
          url === `ws://run-${run}` ? [{ name: 'mine', cwd: '/home/me' }] : Promise.reject(new Error('refused')),
        launcher: () => ({ launch: () => Promise.reject(new Error('no socket')) }),
      },
    });
    const pg = await open(platform);
    await pg.navigation.chooseAgent('bridge:mine');
    const step = () => pg.boot.steps.value.find(({ name }) => name === 'Bridge');
    run = 2;
    await pg.agents.lookAfterBridge();
    expect([pg.agents.bridge.value.kind, step()?.state]).toEqual(['locked', 'lost']);
    expect(step()?.note).toContain('Open the page at the address that it printed this time');
    expect(pg.choice.agent.value).toBe('bridge:mine');
    letIn = 2;
    await pg.agents.lookAfterBridge();
    expect([pg.agents.bridge.value, step()?.state]).toMatchObject([{ kind: 'connected', url: 'ws://run-2' }, 'ready']);
  });

  it('has another bridge, which the next prompt goes to before the page has looked', async () => {
    let run = 1;
    const launched: string[] = [];
    const platform = Object.assign(free(), {
      bridge: {
        discover: async () => ({ url: `ws://run-${run}`, token: 't' }),
        list: async ({ url }: { url: string }) =>
          url === `ws://run-${run}` ? [{ name: 'native', cwd: '/home/me' }] : Promise.reject(new Error('refused')),
        launcher: ({ url }: { url: string }): AgentLauncher => ({
          launch(spec, options) {
            launched.push(url);
            if (url === `ws://run-${run}`) return inProcessLauncher().launch(spec, options);
            return Promise.reject(new RehydrateError('agent_start_failed', `The bridge at ${url} cannot be reached.`, {}));
          },
        }),
      },
    });
    const pg = await open(platform);
    await pg.navigation.chooseAgent('bridge:native');
    run = 2;
    expect((await pg.turns.say('My cat is called Ada.')).error).toBeNull();
    expect(launched).toEqual(['ws://run-1', 'ws://run-2']);
  });
});

describe('a bridge that was connected by hand', () => {
  it('has its agent chosen for the lesson that waits for one, and for no other', async () => {
    const platform = Object.assign(testPlatform(), {
      hash: '#v=1&scenario=own-agent',
      bridge: {
        discover: async () => null,
        list: async () => [{ name: 'mine', cwd: '/home/me' }],
        launcher: () => ({ launch: () => Promise.reject(new Error('no socket')) }),
      },
    });
    const pg = await open(platform);
    expect(pg.runner.blocked.value).toContain('connect a bridge to it first');
    await pg.connectBridge({ url: 'ws://mine', token: 't' });
    expect([pg.runner.blocked.value, pg.choice.agent.value]).toEqual([null, 'bridge:mine']);
    await pg.navigation.chooseAgent('native');
    expect(pg.runner.blocked.value).toContain('choose it as the Agent');
    await pg.navigation.chooseScenario('free');
    await pg.navigation.chooseAgent('native');
    await pg.connectBridge({ url: 'ws://mine', token: 't' });
    expect(pg.choice.agent.value).toBe('native');
  });

  it('is not replaced by the page’s own when it dies', async () => {
    const gone = new Set<string>();
    const platform = Object.assign(free(), {
      bridge: {
        discover: async () => ({ url: 'ws://own', token: 't' }),
        list: async ({ url }: { url: string }) =>
          gone.has(url) ? Promise.reject(new Error('refused')) : [{ name: url.slice(5), cwd: '/home/me' }],
        launcher: () => ({ launch: () => Promise.reject(new Error('no socket')) }),
      },
    });
    const pg = await open(platform);
    await pg.connectBridge({ url: 'ws://mine', token: 't' });
    gone.add('ws://mine');
    await pg.agents.lookAfterBridge();
    expect(pg.agents.bridge.value.kind).toBe('lost');
    expect(pg.agents.list.value[0]!.key).toBe('bridge:mine');
  });
});

describe('a link', () => {
  it.each([
    ['#v=1&scenario=nonsense&agent=native', /scenario “nonsense”, which this page does not have: “A session/],
    ['#v=1&scenario=free&agent=nobody', /agent “nobody”, which is not here: “native” is chosen instead/],
    ['#v=1&scenario=free&agent=bridge:mine', /agent “mine” over the bridge, which is not here/],
    ['#v=2&scenario=free&agent=native', /version 2/],
    ['#v=1&scenario=free&agent=native&step=1e3', /step cannot be read/],
  ])('%s says what of it is not followed', async (hash, words) => {
    const pg = await open(Object.assign(testPlatform(), { hash }));
    expect(pg.notices.link.value).toMatch(words);
  });
  it('that can be followed says nothing', async () => {
    const pg = await open(Object.assign(testPlatform(), { hash: '#v=1&scenario=free&agent=native' }));
    expect(pg.notices.link.value).toBeNull();
  });
});

describe('a second tab', () => {
  async function two(): Promise<[Playground, Playground]> {
    const platforms = [free(), free()] as [TestPlatform, TestPlatform];
    const [first, second] = platforms;
    Object.assign(second, { branches: first.branches, memory: first.memory, openDatabase: first.openDatabase.bind(first) });
    const heard = platforms.map(() => new Set<(message: never) => void>());
    platforms.forEach((platform, at) => {
      platform.tabs.listen = (listener) => {
        heard[at]!.add(listener);
        return () => heard[at]!.delete(listener);
      };
      platform.tabs.send = (message) => heard[1 - at]!.forEach((listener) => listener(message as never));
    });
    const one = await open(first);
    await one.turns.say('My cat is called Ada.');
    const other = await open(second);
    await other.navigation.chooseSession(one.session.id.value);
    return [one, other];
  }

  it('says that the agent runs in the first, and its Allow and Cancel reach it there', async () => {
    const [one, other] = await two();
    await expect.poll(() => other.machine.value.agent).toBe('live');
    expect(other.machine.value.words).toContain('another tab');
    const asked = one.turns.say('Ask for permission');
    await expect.poll(() => other.session.live.value.permission).not.toBeNull();
    expect(other.machine.value.agent).toBe('prompting');
    const { requestId, options } = other.session.live.value.permission!;
    await other.turns.answer(requestId, options[0]!.optionId);
    expect((await asked).error).toBeNull();
    const hanging = one.turns.say('Count to 500');
    await expect.poll(() => said(other)).toContain('Count to 500');
    expect(other.machine.value.agent).toBe('prompting');
    await other.turns.cancel();
    expect((await hanging).error).toBeNull();
    expect(one.session.live.value.items.at(-1)).toMatchObject({ kind: 'notice', text: 'The turn was cancelled.' });
    expect([other.notices.problem.value, one.session.live.value.turnOpen]).toEqual([null, false]);
  });
});

describe('the end of a page', () => {
  const stuck = async () => {
    const platform = free();
    const pg = await open(platform);
    await pg.turns.say('My cat is called Ada.');
    let closed = 0;
    const database = pg.databases.database!;
    const close = database.close.bind(database);
    Object.assign(database, { close: () => (closed++, close()) });
    pg.host.sleep = () => Promise.reject(new Error('An agent does not end.'));
    return { pg, platform, closed: () => closed };
  };

  it('closes the database although something live does not end', async () => {
    const { pg, closed } = await stuck();
    await expect(pg.dispose()).rejects.toThrow('does not end');
    expect(closed()).toBe(1);
    pg.host.sleep = async () => undefined;
  });

  it('by a reset, here or in another tab, begins anew all the same', async () => {
    const { pg, platform, closed } = await stuck();
    await pg.branches.reset();
    expect([closed(), platform.branches.size, platform.reloads]).toEqual([1, 0, 1]);
    const other = await stuck();
    other.pg.faults.hear({ type: 'reset' });
    await expect.poll(() => other.platform.reloads).toBe(1);
    expect(other.closed()).toBe(1);
    pg.host.sleep = other.pg.host.sleep = async () => undefined;
  });

  it('while its database is being opened closes it when it comes', async () => {
    const platform = free();
    const opens = Promise.withResolvers<void>();
    const openDatabase = platform.openDatabase.bind(platform);
    let closed = 0;
    platform.openDatabase = async (...of) => {
      await opens.promise;
      const database = await openDatabase(...of);
      const close = database.close.bind(database);
      return Object.assign(database, { close: () => (closed++, close()) });
    };
    const { pg, started } = begin(platform);
    await pg.dispose();
    opens.resolve();
    await expect(started).rejects.toThrow('left');
    expect(closed).toBe(1);
  });

  it('that could not start keeps no database open, and says why', async () => {
    const platform = free();
    const openDatabase = platform.openDatabase.bind(platform);
    let closed = 0;
    platform.openDatabase = async (...of) => {
      const database = await openDatabase(...of);
      const close = database.close.bind(database);
      return Object.assign(database, { close: () => (closed++, close()) });
    };
    const { pg, started } = begin(platform);
    pg.host.wake = () => Promise.reject(new Error('No host for you.'));
    await expect(started).rejects.toThrow('No host');
    expect([closed, pg.notices.problem.value?.message, pg.ready.value]).toEqual([1, 'No host for you.', false]);
  });

  it('keeps what is shown when another branch cannot be shown, and leaves nothing of that open', async () => {
    const platform = free();
    const pg = await open(platform);
    await pg.turns.say('My cat is called Ada.');
    const sleep = pg.host.sleep.bind(pg.host);
    pg.host.sleep = () => Promise.reject(new Error('An agent does not end.'));
    const bytes = await pg.branches.exportBytes();
    await pg.branches.importDatabase({ name: 'a.sqlite', size: bytes.length, bytes: async () => bytes });
    expect(pg.branches.importing.value?.problem).toContain('does not end');
    pg.host.sleep = sleep;
    expect([pg.databases.branch.value, [...platform.branches.keys()]]).toEqual([null, [null]]);
    expect((await pg.turns.say('What is my cat called?')).reply).toContain('Ada');
  });
});

it('an agent of the tab is not looked after as if it were the bridge’s', async () => {
  let listed = 0;
  const inner = inProcessLauncher();
  const platform = Object.assign(free(), {
    bridge: { discover: async () => null, list: async () => (listed++, []), launcher: () => inner },
  });
  const pg = await open(platform);
  await pg.turns.say('My cat is called Ada.');
  await pg.faults.kill();
  expect(listed).toBe(0);
});
