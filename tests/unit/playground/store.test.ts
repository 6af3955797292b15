/** The store on the shipped engine: reloads, forks, links and refusals, without a browser. */
import { describe, expect, it } from 'vitest';
import { BRIDGE_PREFIX } from '../../../playground/platform/bridge-prefix.ts';
import type { Playground } from '../../../playground/state/playground.ts';
import { SqlError } from '../../../src/engine/ports.ts';
import { inProcessLauncher } from '../../../src/testing/agents/index.ts';
import { begin, free, open, reload, said } from './open-pages.ts';
import { chosen, fileOf, testPlatform, type TestPlatform } from './platform.ts';

/** Moves to the last moment at which the conversation does not hold the word. */
async function seekBefore(pg: Playground, word: string): Promise<void> {
  await pg.timeline.refresh();
  for (let index = pg.timeline.moments.value.length - 1; index >= 0; index--) {
    await pg.branches.seek(index);
    if (!said(pg).includes(word)) return;
  }
  throw new Error(`every moment holds ${word}`);
}

describe('the playground', () => {
  it('shows after a reload what was there, and resumes it', async () => {
    const platform = free();
    const first = await open(platform);
    await first.turns.say('My cat is called Ada.');
    const sessionId = first.session.id.value;
    const [second] = await reload(first, platform);
    expect(second.session.id.value).toBe(sessionId);
    expect(said(second)).toContain('Noted. Your cat: Ada.');
    expect(second.host.machine.value.agent).toBe('asleep');
    const { report, reply } = await second.turns.say('What is my cat called?');
    expect(report?.tier).toBe('resume');
    expect(reply).toContain('Ada');
  });

  it('does not run a link’s steps again where this browser has already run them', async () => {
    const platform = Object.assign(testPlatform(), { hash: '#v=1&scenario=native-resume&agent=native&step=2' });
    const first = await open(platform);
    expect(first.lesson.next.value).toBe(2);
    const [second] = await reload(first, platform);
    expect(second.lesson.next.value).toBe(2);
    expect(second.host.frames.value).toEqual([]);
    expect(said(second).match(/My cat/g)).toHaveLength(1);
  });

  it('plays each scenario under its own policy, and comes back to what was chosen there', async () => {
    const platform = Object.assign(testPlatform(), { hash: '#v=1&scenario=strict-policy&agent=amnesiac' });
    const first = await open(platform);
    first.navigation.choosePolicy('strict');
    const [second, next] = await reload(first, Object.assign(platform, { hash: '#v=1&scenario=lying-agent&agent=liar' }));
    expect(second.choice.policy.value).toBe('auto');
    for (let step = 0; step < 3; step++) await second.runner.runNext();
    expect(second.lesson.progress.value.map(({ state }) => state)).toEqual(['done', 'done', 'done']);
    const [third] = await reload(second, Object.assign(next, { hash: '#v=1&scenario=strict-policy&agent=amnesiac' }));
    expect(third.choice.policy.value).toBe('strict');
    await third.navigation.startOver();
    expect(third.choice.policy.value).toBe('auto');
  });

  it('gives a prompt back that could not be stored, and keeps one that was', async () => {
    const pg = await open(Object.assign(testPlatform(), { hash: '#v=1&scenario=free&agent=crash-initialize' }));
    pg.turns.draft.value = 'Are you there?';
    await pg.turns.sendDraft();
    expect(pg.turns.draft.value).toBe('Are you there?');
    expect(pg.notices.problem.value?.message).not.toBe('');
    expect(pg.session.id.value).toBeNull();
    const empty = await open(free());
    empty.turns.draft.value = '   ';
    await empty.turns.sendDraft();
    expect(empty.notices.problem.value?.code).toBe('invalid_argument');
  });

  it('forks from a moment without what came later, and returns to a main line that has it', async () => {
    const platform = free();
    const pg = await open(platform);
    await pg.turns.say('My cat is called Ada.');
    await pg.turns.say('My dog is called Argos.');
    await seekBefore(pg, 'Argos');
    expect(said(pg)).toContain('Ada');
    await pg.branches.fork();
    expect(pg.databases.branch.value).toBe('1');
    const { report, reply } = await pg.turns.say('What do you remember?');
    // The agent’s own session went on in the main line; here it must not be taken up.
    expect(report?.tier).toBe('transcript');
    expect(reply).toContain('Ada');
    expect(reply).not.toContain('Argos');
    expect((await pg.turns.say('And now?')).report?.tier).toBe('live');
    await pg.faults.sleep();
    expect((await pg.turns.say('My fish is called Jonah.')).report?.tier).toBe('resume');
    const [again] = await reload(pg, platform);
    expect(again.databases.branch.value).toBe('1');
    expect(said(again)).toContain('Jonah');
    await again.branches.returnToNow();
    expect(again.databases.branch.value).toBeNull();
    expect(said(again)).toContain('Argos');
    expect(said(again)).not.toContain('Jonah');
    const main = await again.turns.say('What is my dog called?');
    expect(main.report?.tier).toBe('resume');
    expect(main.reply).toContain('Argos');
  });

  it('changes nothing while one looks at the past, and the machine shows that moment', async () => {
    const pg = await open(free());
    await pg.turns.say('My cat is called Ada.');
    await pg.faults.sleep();
    await pg.timeline.refresh();
    const seen = new Set<string>();
    for (let index = 0; index < pg.timeline.moments.value.length; index++) {
      await pg.branches.seek(index);
      seen.add(pg.machine.value.agent);
      await expect(pg.timeline.past.value!.database.query('SELECT count(*) AS n FROM acp_sessions')).resolves.toBeDefined();
    }
    expect([...seen]).toEqual(expect.arrayContaining(['asleep', 'prompting', 'live']));
    await pg.branches.returnToNow();
    expect(pg.machine.value.agent).toBe('asleep');
  });

  it('sends nothing to a bridged agent because of a link', async () => {
    const launched: string[] = [];
    const platform: TestPlatform = Object.assign(testPlatform(), {
      hash: `#v=1&scenario=native-resume&agent=${BRIDGE_PREFIX}native&step=3`,
      bridge: {
        discover: async () => ({ url: 'ws://127.0.0.1:1', token: 't' }),
        list: async () => [{ name: 'native', cwd: '/home/me' }],
        launcher: () => {
          const inner = inProcessLauncher();
          return { launch: ((spec, options) => (launched.push(spec.agent), inner.launch(spec, options))) as typeof inner.launch };
        },
      },
    });
    const pg = await open(platform);
    expect(pg.choice.agent.value).toBe('bridge:native');
    expect(pg.notices.link.value).toMatch(/nothing is sent by itself/);
    expect(launched).toEqual([]);
    await pg.runner.runNext();
    expect(launched).toEqual(['native']);
    expect(pg.session.live.value.info?.cwd).toBe('/home/me');
    expect(platform.stored).not.toContain('ws://');
  });

  /** A bridge whose agents are the tab's own, by the names they are started under. */
  const bridging = (hash: string): { platform: TestPlatform; launched: string[] } => {
    const launched: string[] = [];
    const inner = inProcessLauncher();
    const platform = Object.assign(testPlatform(), {
      hash,
      bridge: {
        discover: async () => ({ url: 'ws://127.0.0.1:1', token: 't' }),
        list: async () => [{ name: 'native', cwd: '/home/me' }],
        launcher: () => ({ launch: ((spec, options) => (launched.push(spec.agent), inner.launch(spec, options))) as typeof inner.launch }),
      },
    });
    return { platform, launched };
  };

  for (const state of ['running', 'done'] as const) {
    it(`stops a link’s steps when a bridged agent is chosen while the first is ${state}`, async () => {
      const { platform, launched } = bridging('#v=1&scenario=native-resume&agent=native&step=3');
      const { pg, started } = begin(platform);
      const chosen = Promise.withResolvers<void>();
      const stop = pg.lesson.progress.subscribe((progress) => {
        if (progress[0]?.state === state) queueMicrotask(() => pg.navigation.chooseAgent('bridge:native').then(chosen.resolve));
      });
      await Promise.all([started, chosen.promise]);
      stop();
      expect(pg.choice.agent.value).toBe('bridge:native');
      expect(launched).toEqual([]);
      expect(pg.session.id.value).toBeNull();
      expect(pg.lesson.progress.value.filter((step) => step.state !== 'waiting')).toEqual([]);
    });
  }

  it('runs a second link’s steps when those of the first have stopped', async () => {
    const platform = free();
    const pg = await open(platform);
    platform.hash = '#v=1&scenario=crash-mid-turn&agent=native&step=4';
    const running = new Promise<void>((resolve) => pg.runner.running.subscribe((runs) => runs && resolve()));
    const first = pg.navigate();
    await running;
    platform.hash = '#v=1&scenario=native-resume&agent=native&step=3';
    await Promise.all([pg.navigate(), first]);
    expect(pg.choice.scenario.value.name).toBe('native-resume');
    expect(pg.lesson.progress.value.map((step) => step.state)).toEqual(['done', 'done', 'done']);
  });

  it('sends a first prompt to the agent that was chosen when Send was pressed, or to none', async () => {
    for (const wait of [0, 1, 5, 20]) {
      const { platform, launched } = bridging('#v=1&scenario=free&agent=native');
      const pg = await open(platform);
      pg.turns.draft.value = 'My cat is called Ada.';
      const sent = pg.turns.sendDraft();
      if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
      await Promise.all([pg.navigation.chooseAgent('bridge:native'), sent]);
      expect(launched).toEqual([]);
      expect([pg.choice.agent.value, pg.session.id.value, said(pg)]).toEqual(['bridge:native', null, '']);
      const rows = await pg.databases.database!.query('SELECT agent FROM acp_sessions');
      expect(rows.every((row) => row['agent'] === 'native')).toBe(true);
      expect(platform.stored).toContain('"|free|bridge:native":{"sessionId":null');
    }
  });

  it('gives the prompt back that another scenario came before, and files no session under it', async () => {
    const pg = await open(free());
    pg.turns.draft.value = 'My cat is called Ada.';
    const sent = pg.turns.sendDraft();
    await Promise.all([pg.navigation.chooseScenario('lying-agent'), sent]);
    expect([pg.choice.scenario.value.name, pg.session.id.value, pg.turns.draft.value]).toEqual([
      'lying-agent',
      null,
      'My cat is called Ada.',
    ]);
    expect((await pg.turns.say('My dog is called Argos.')).error).toBeNull();
    expect(pg.session.live.value.info?.agent).toBe(pg.choice.agent.value);
  });

  it('sends a prompt to the scenario just chosen, once it is shown', async () => {
    const pg = await open(free());
    await pg.turns.say('My cat is called Ada.');
    const chosen = pg.navigation.chooseScenario('load-replay');
    expect((await pg.turns.say('My dog is called Argos.')).error).toBeNull();
    await chosen;
    expect(pg.session.live.value.info?.agent).toBe('load');
    expect(said(pg)).not.toContain('Ada');
  });

  it('chooses a bridged agent first when nothing was chosen', async () => {
    const platform: TestPlatform = Object.assign(testPlatform(), {
      bridge: {
        discover: async () => ({ url: 'ws://127.0.0.1:1', token: 't' }),
        list: async () => [{ name: 'mine', cwd: '/x' }],
        launcher: () => inProcessLauncher(),
      },
    });
    expect((await open(platform)).choice.agent.value).toBe('bridge:mine');
  });

  it('opens an exported file as a copy, and refuses what is none', async () => {
    const platform = free();
    const pg = await open(platform);
    await pg.turns.say('My cat is called Ada.');
    await pg.branches.exportDatabase();
    await pg.branches.importDatabase(chosen(new TextEncoder().encode('nonsense')));
    expect(pg.branches.importing.value?.problem).toMatch(/not a SQLite database/);
    expect(pg.databases.branch.value).toBeNull();
    await pg.branches.importDatabase(chosen(platform.downloads[0]!));
    expect(pg.databases.branch.value).toBe('ada.sqlite');
    expect(said(pg)).toContain('Ada');
    await pg.branches.importDatabase(chosen(platform.downloads[0]!));
    expect(pg.databases.branch.value).toBe('ada.sqlite 2');
    await pg.branches.returnToNow();
    expect(said(pg)).toContain('Ada');
  });

  it('refuses a file it cannot read, keeps nothing of it, and goes on with what is shown', async () => {
    const platform = free();
    const pg = await open(platform);
    await pg.turns.say('My cat is called Ada.');
    for (const [sql, why] of [
      ['PRAGMA user_version = 99', /schema version is 99/],
      ['CREATE TABLE acp_sessions (name TEXT)', /user_version is 0/],
    ] as const) {
      const file = await fileOf(sql);
      await pg.branches.importDatabase(chosen(file));
      expect(pg.branches.importing.value?.problem).toMatch(why);
      expect([...platform.branches.keys()]).toEqual([null]);
      expect([pg.databases.branch.value, said(pg).includes('Ada')]).toEqual([null, true]);
      expect((await pg.turns.say('What is my cat called?')).reply).toContain('Ada');
    }
  });

  it('shows the answer to the newest query, however long an older one takes', async () => {
    const platform = free();
    const older = Promise.withResolvers<void>();
    platform.runSql = async (_bytes, sql) => {
      if (sql === 'older') await older.promise;
      return { kind: 'error', message: sql };
    };
    const pg = await open(platform);
    pg.tables.sql.value = 'older';
    const first = pg.tables.run();
    pg.tables.sql.value = 'newer';
    await pg.tables.run();
    older.resolve();
    await first;
    expect(pg.tables.result.value).toEqual({ kind: 'error', message: 'newer' });
  });

  it('makes one fork of two presses', async () => {
    const platform = free();
    const pg = await open(platform);
    await pg.turns.say('My cat is called Ada.');
    await pg.turns.say('My dog is called Argos.');
    await seekBefore(pg, 'Argos');
    await Promise.all([pg.branches.fork(), pg.branches.fork()]);
    expect([pg.notices.problem.value, pg.databases.branch.value]).toEqual([null, '1']);
    expect(pg.visits.branches.map(({ name }) => name)).toEqual(['1']);
  });

  it('goes to the branch that was asked for last, also while it goes to another', async () => {
    const pg = await open(free());
    await pg.turns.say('My cat is called Ada.');
    await pg.turns.say('My dog is called Argos.');
    await seekBefore(pg, 'Argos');
    await pg.branches.fork();
    await Promise.all([pg.branches.go(null), pg.branches.go('1')]);
    expect([pg.notices.problem.value, pg.databases.branch.value]).toEqual([null, '1']);
  });

  it('asks the other tabs before it deletes everything, and then starts anew', async () => {
    const platform = free();
    const pg = await open(platform);
    await pg.turns.say('My cat is called Ada.');
    expect(await pg.branches.inventory()).toMatchObject({ stored: { sessions: 1 }, forks: 0 });
    const left: number[] = [];
    platform.tabs.send = () => void left.push(platform.branches.size);
    await pg.branches.reset();
    // Before, so that they let go; and after, for those that were back before all was gone.
    expect(left).toEqual([1, 0]);
    expect([platform.branches.size, platform.stored, platform.hash, platform.reloads]).toEqual([0, null, '', 1]);
    const after = await open(Object.assign(testPlatform(platform), { hash: '#v=1&scenario=free&agent=native' }));
    expect((await after.turns.say('What is my cat called?')).reply).not.toContain('Ada');
  });

  it('Reset deletes what it can, and says what it could not before the page starts anew', async () => {
    const platform = free();
    const pg = await open(platform);
    await pg.turns.say('My cat is called Ada.');
    platform.tabAgents.forget = () => Promise.reject(new Error('The storage of this site is denied.'));
    await pg.branches.reset();
    expect(pg.branches.undeleted.value).toEqual(['what the agents in the tab remember: The storage of this site is denied.']);
    expect([platform.branches.size, platform.stored, platform.hash, platform.reloads]).toEqual([0, null, '', 0]);
  });

  it('two tabs that branch off at once keep both branches, each in a database of its own', async () => {
    const [first, second] = [free(), free()];
    // One browser: its memory and its databases are the same for both.
    Object.assign(second, { branches: first.branches, memory: first.memory });
    second.openDatabase = first.openDatabase.bind(first);
    const [one, two] = [await open(first), await open(second)];
    await one.turns.say('My cat is called Ada.');
    const bytes = await one.branches.exportBytes();
    await Promise.all([one.branches.importDatabase(chosen(bytes)), two.branches.importDatabase(chosen(bytes))]);
    expect([one.notices.problem.value, two.notices.problem.value]).toEqual([null, null]);
    expect([one.databases.branch.value, two.databases.branch.value].sort()).toEqual(['ada.sqlite', 'ada.sqlite 2']);
    one.navigation.choosePolicy('strict');
    expect((await two.branches.inventory()).forks).toBe(2);
    await one.branches.reset();
    expect([...first.branches.keys()]).toEqual([]);
  });

  it('a refused import leaves no branch behind', async () => {
    const platform = free();
    const pg = await open(platform);
    const openDatabase = platform.openDatabase.bind(platform);
    platform.openDatabase = (branch, bytes) =>
      bytes ? Promise.reject(new SqlError('corrupt', 'This file is damaged.')) : openDatabase(branch);
    await pg.branches.importDatabase(chosen(await pg.branches.exportBytes()));
    expect(pg.branches.importing.value?.problem).toContain('damaged');
    expect([pg.databases.branch.value, pg.visits.branches]).toEqual([null, []]);
  });

  it('a note of before is gone with the next prompt, and an unknown outcome is told in the words of the page', async () => {
    const pg = await open(free());
    await pg.faults['forget-store']();
    expect(pg.notices.note.value).toContain('has forgotten');
    pg.faults['arm-crash']();
    const { error } = await pg.turns.say('My cat is called Ada.');
    expect(pg.notices.note.value).toBeNull();
    expect(error?.code).toBe('turn_outcome_unknown');
    expect(error?.message).toMatch(/^The outcome of this prompt is unknown: .+\. It was not sent again by itself/);
    expect(error?.message).not.toContain('idempotency');
  });

  it('sends a prompt typed while the host still falls asleep, once it has', async () => {
    const pg = await open(free());
    await pg.turns.say('My cat is called Ada.');
    const asleep = pg.faults.sleep();
    const { report, error } = await pg.turns.say('What is my cat called?');
    await asleep;
    expect(error).toBeNull();
    expect(report?.tier).toBe('resume');
  });

  it('a step that is asked for while the page starts is run when it has', async () => {
    const platform = Object.assign(testPlatform(), { hash: '#v=1&scenario=failed-start&agent=crash-initialize' });
    const { pg, started } = begin(platform);
    const step = pg.runner.runNext();
    await started;
    await step;
    expect(pg.lesson.progress.value[0]).toEqual({ state: 'done', why: '' });
  });

  it('can be left in the middle of a turn for another scenario', async () => {
    const pg = await open(free());
    const turn = pg.turns.say('Hang');
    await expect.poll(() => pg.host.machine.value.agent).toBe('prompting');
    await pg.navigation.chooseScenario('load-replay');
    expect((await turn).error?.code).toBe('turn_outcome_unknown');
    expect(pg.choice.scenario.value.name).toBe('load-replay');
    expect(pg.choice.agent.value).toBe('load');
    await pg.runner.runNext();
    expect(pg.lesson.progress.value[0]?.state).toBe('done');
  });
});
