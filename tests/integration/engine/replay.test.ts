/** I3: exactly once in the log, however the agent replays; I11: nothing live is swallowed. */
import { describe, expect, it } from 'vitest';
import type { AgentLauncher, Host, ResumePolicy, SessionEvent, Tier } from '../../../src/engine/index.ts';
import { inProcessLauncher, type AgentVariant } from '../../../src/testing/agents/index.ts';
import { CWD, PATIENT, said, world, worldOf, itInV1, type World } from './helpers.ts';
import { ordinary, rawAgents, update, words } from './raw-agent.ts';

/** Messages as the log tells them: role and text, chunks joined. */
function messages(events: readonly SessionEvent[]): string[] {
  const told: string[] = [];
  let last = '';
  for (const event of events) {
    if (event.kind !== 'update') continue;
    const update = event.payload;
    if (update.sessionUpdate !== 'user_message_chunk' && update.sessionUpdate !== 'agent_message_chunk') continue;
    const who = `${event.turnId} ${update.sessionUpdate}`;
    const text = update.content.type === 'text' ? update.content.text : `[${update.content.type}]`;
    if (who === last) told[told.length - 1] += text;
    else told.push(`${update.sessionUpdate === 'user_message_chunk' ? 'user' : 'agent'}: ${text}`);
    last = who;
  }
  return told;
}

describe('I3: a replay never adds a row twice', () => {
  it.each<[AgentVariant, Tier, string]>([
    ['load', 'load', 'replays'],
    ['late', 'load', 'replays'],
    ['other-chunks', 'load', 'replays'],
    ['no-message-ids', 'load', 'replays'],
    ['duplicate-replay', 'load', 'replays'],
    ['capped', 'load', 'replays'],
    ['replays-on-resume', 'resume', 'replays'],
    ['unknown-kinds', 'resume', 'does not replay'],
    ['answers-twice', 'resume', 'does not replay'],
    ['garbage', 'resume', 'does not replay'],
  ])('through four wakes of the %s agent: %s, which %s', async (variant, tier, replays) => {
    const { wake } = await world(variant);
    const first = await wake();
    await first.create({ agent: 'demo', cwd: CWD, sessionId: 's' });
    const prompts = ['My name is Ada.', 'list files', 'Remember that the door code is 4711.', 'My name is Ada.', 'stream 30 chunks'];
    for (const text of prompts) await first.prompt('s', text);
    let told = messages(await first.history('s'));
    expect(told.filter((line) => line.startsWith('user'))).toHaveLength(prompts.length);
    await first.sleep();
    for (let round = 0; round < 4; round++) {
      const host = await wake();
      const { report, turnId } = await host.prompt('s', `What is my name? ${round}`);
      const after = messages(await host.history('s'));
      expect(after.slice(0, told.length), JSON.stringify(report, null, 1)).toEqual(told);
      expect(after.slice(told.length).map((line) => line.split(':')[0])).toEqual(['user', 'agent']);
      expect(said(await host.history('s'), turnId)).toContain('Ada');
      expect([report.tier, report.replay === null ? 'does not replay' : 'replays']).toEqual([tier, replays]);
      if (report.replay) expect(report.replay).toMatchObject({ received: expect.toSatisfy((count: number) => count > 0), imported: 0 });
      told = after;
      await host.sleep();
    }
  });

  it('a turn that happened in another client is imported, once', async () => {
    const { wake } = await world('foreign-turns');
    const first = await wake();
    await first.create({ agent: 'demo', cwd: CWD, sessionId: 's' });
    await first.prompt('s', 'My name is Ada.');
    await first.sleep();
    const second = await wake();
    const { report } = await second.prompt('s', 'What do you remember?');
    expect(report.replay).toEqual({ received: 4, matched: 2, missing: 0, imported: 2 });
    const imported = (await second.history('s')).filter((event) => event.origin === 'import');
    const elsewhere = ['user: my cat is called Miette', 'agent: Noted. Your cat: Miette. (You told me in another client.)'];
    expect(messages(imported)).toEqual(elsewhere);
    expect(messages(await second.history('s'))).toEqual([
      'user: My name is Ada.',
      expect.stringMatching(/^agent: Noted/),
      ...elsewhere,
      'user: What do you remember?',
      expect.stringMatching(/^agent: 2 things/),
    ]);
    await second.sleep();
    const third = await wake();
    await third.prompt('s', 'And now?');
    const again = (await third.history('s')).filter((event) => event.origin === 'import');
    // The agent adds a turn at each of its starts; what was imported before is not imported again.
    expect(again.slice(0, imported.length)).toEqual(imported);
    expect(messages(again.slice(imported.length))).toEqual(elsewhere);
    expect(new Set(again.map((event) => JSON.stringify(event.payload))).size).toBe(again.length);
  });

  it.each([
    ['was refused', { error: { code: -32603, message: 'rate limit' } }],
    ['was cut off', null],
  ])('I4: of a session whose only turn %s nothing is replayed: the record tells it', async (_, answer) => {
    const { wake } = await worldOf(
      rawAgents((message, agent) => {
        if (message.method === 'session/prompt' && prompts++ === 0) {
          if (answer) agent.say({ jsonrpc: '2.0', id: message.id, ...answer });
          return isAsked.resolve();
        }
        if (message.method) agent.say(ordinary(message, { loadSession: true }));
      }),
    );
    let prompts = 0;
    const isAsked = Promise.withResolvers<void>();
    const before = await wake();
    await before.create({ agent: 'demo', cwd: CWD, sessionId: 's' });
    const failed = expect(before.prompt('s', 'My dog is called Ada.')).rejects.toThrow();
    await isAsked.promise;
    await before.sleep();
    await failed;
    const { report } = await (await wake()).prompt('s', 'What is my dog called?');
    expect(report).toMatchObject({
      tier: 'transcript',
      attempts: [{ method: 'session/load', outcome: 'unproven' }, { method: 'session/new' }],
    });
    expect(report.preamble?.events).toBeGreaterThan(0);
  });

  it('a silence in which the host itself stood still is none', async () => {
    const { wake } = await worldOf(
      rawAgents((message, agent) => {
        if (message.method === 'session/prompt') agent.say(ours[1]);
        if (message.method === 'session/load') agent.say(ours[0]);
        if (message.method) agent.say(ordinary(message, { loadSession: true }));
        if (message.method !== 'session/load') return;
        setTimeout(() => {
          for (const until = performance.now() + 500; performance.now() < until;);
        }, 10);
        setTimeout(() => setTimeout(() => agent.say(ours[1])), 60);
      }),
    );
    const before = await wake();
    await before.create({ agent: 'demo', cwd: CWD, sessionId: 's' });
    await before.prompt('s', 'My name is Ada.');
    await before.sleep();
    expect(await (await wake()).resume('s')).toMatchObject({ tier: 'load', verified: 'replay-matched' });
  });

  it('an agent that begins its replay long after its answer keeps its session', async () => {
    const { wake } = await worldOf(
      rawAgents((message, agent) => {
        if (message.method === 'session/prompt') agent.say(ours[1]);
        if (message.method) agent.say(ordinary(message, { loadSession: true }));
        if (message.method === 'session/load') setTimeout(() => agent.say(...ours), 500);
      }),
    );
    const before = await wake();
    await before.create({ agent: 'demo', cwd: CWD, sessionId: 's' });
    await before.prompt('s', 'My name is Ada.');
    await before.sleep();
    expect(await (await wake()).resume('s')).toMatchObject({ tier: 'load', verified: 'replay-matched' });
  });

  const asked = (text: string) => update({ sessionUpdate: 'user_message_chunk', content: { type: 'text', text } });
  const ours = [asked('My name is Ada.'), words('Noted, and kept.')];
  const foreign = [asked('From elsewhere'), words('Understood.')];
  const oursTold = ['user: My name is Ada.', 'agent: Noted, and kept.'];
  const limits = { ...PATIENT, replayQuietMs: 20 };
  /** Woken, and prompted when all of the replay has come. */
  async function goneOn(wake: World['wake'], isLater: Promise<void>): Promise<Host> {
    const host = await wake({ limits });
    await host.resume('s');
    await isLater;
    await host.prompt('s', 'Go on.');
    return host;
  }
  const afterAPause = (say: () => void) => void setTimeout(say, 5 * limits.replayQuietMs);
  const foreignTold = ['user: From elsewhere', 'agent: Understood.'];
  it.each<[string, unknown[], unknown[], string[]]>([
    ['begins again', [...ours, ...foreign], [...ours, ...foreign], [...oursTold, ...foreignTold]],
    ['begins again with its end', [...ours, ...foreign], foreign, [...oursTold, ...foreignTold]],
    ['brings a turn from another client', ours, foreign, [...oursTold, ...foreignTold]],
    ['goes on within our answer', [ours[0], words('Noted, ')], [words('and kept.')], oursTold],
    [
      'goes on within our answer, and after it',
      [ours[0], words('Noted, ')],
      [words('and kept.'), ...foreign],
      [...oursTold, ...foreignTold],
    ],
    ['goes on within an answer that is new', [...ours, foreign[0], words('Under')], [words('stood.')], [...oursTold, ...foreignTold]],
    [
      'goes on within words of the user’s that are new',
      [...ours, asked('From else')],
      [asked('where'), foreign[1]],
      [...oursTold, ...foreignTold],
    ],
    [
      'goes on within words of the user’s that are new, and begins again',
      [...ours, asked('From else')],
      [asked('where'), foreign[1], ...ours, ...foreign],
      [...oursTold, ...foreignTold],
    ],
    ['was whole; what the agent says then are words of its own', ours, [words('Welcome back.')], [...oursTold, 'agent: Welcome back.']],
  ])('after a pause the replay %s', async (_, first, later, told) => {
    const { promise: isLater, resolve } = Promise.withResolvers<void>();
    const { wake } = await worldOf(
      rawAgents((message, agent) => {
        if (message.method === 'session/load') agent.say(...first);
        if (message.method === 'session/prompt') agent.say(ours[1]);
        if (message.method) agent.say(ordinary(message, { loadSession: true }));
        if (message.method === 'session/load')
          afterAPause(() => {
            agent.say(...later);
            resolve();
          });
      }),
    );
    const before = await wake();
    await before.create({ agent: 'demo', cwd: CWD, sessionId: 's' });
    await before.prompt('s', 'My name is Ada.');
    await before.sleep();
    const host = await goneOn(wake, isLater);
    expect(messages(await host.history('s'))).toEqual([...told, 'user: Go on.', 'agent: Noted, and kept.']);
  });

  it('after a pause the replay brings the answer of a turn that was cut off: its rest goes to that turn', async () => {
    const { promise: isLater, resolve } = Promise.withResolvers<void>();
    const isHeard = Promise.withResolvers<void>();
    let prompts = 0;
    const { wake } = await worldOf(
      rawAgents((message, agent) => {
        if (message.method === 'session/prompt' && prompts++ === 1) {
          agent.say(words('Under'));
          return isHeard.resolve();
        }
        if (message.method === 'session/load') agent.say(...ours, foreign[0]);
        if (message.method === 'session/prompt') agent.say(ours[1]);
        if (message.method) agent.say(ordinary(message, { loadSession: true }));
        if (message.method === 'session/load')
          afterAPause(() => {
            agent.say(foreign[1]);
            resolve();
          });
      }),
    );
    const before = await wake();
    await before.create({ agent: 'demo', cwd: CWD, sessionId: 's' });
    await before.prompt('s', 'My name is Ada.');
    const cutOff = before.prompt('s', 'From elsewhere').catch(() => undefined);
    await isHeard.promise;
    await new Promise((settled) => setTimeout(settled, 50));
    await before.sleep();
    await cutOff;
    const host = await goneOn(wake, isLater);
    const rest = (await host.history('s')).filter(({ origin }) => origin === 'import');
    expect(messages(rest)).toEqual(['agent: stood.']);
    expect(rest[0]?.turnId).not.toBeNull();
  });

  /** A session of three turns with this agent, woken. */
  async function woken(agents: AgentLauncher, policy?: ResumePolicy) {
    const { wake } = await worldOf(agents);
    const first = await wake();
    await first.create({ agent: 'demo', cwd: CWD, sessionId: 's' });
    for (const text of ['My name is Ada.', 'My dog is called Rex.', 'Thank you.']) await first.prompt('s', text);
    await first.sleep();
    return wake(policy ? { policy } : {});
  }

  it.each([
    ['load', 'replay-matched', { received: 6, matched: 6, missing: 0, imported: 0 }],
    ['capped', 'replay-partial', { received: 2, matched: 2, missing: 4, imported: 0 }],
  ] as const)('verifies the replay of the %s agent: %s', async (variant, verified, replay) => {
    const { report } = await (await woken(inProcessLauncher({ variant }))).prompt('s', 'What is my name?');
    expect(report).toMatchObject({ tier: 'load', verified, replay });
  });

  it('I4: an agent that lost what came last is not told as one that caps its replay', async () => {
    let told = 0;
    const beginning = () =>
      rawAgents((message, agent) => {
        if (message.method === 'session/prompt') agent.say(words(`Noted, for the ${++told}. time.`));
        if (message.method === 'session/load')
          agent.say(
            update({ sessionUpdate: 'user_message_chunk', content: { type: 'text', text: 'My name is Ada.' } }),
            words('Noted, for the 1. time.'),
          );
        if (message.method) agent.say(ordinary(message, { loadSession: true }));
      });
    const { report } = await (await woken(beginning())).prompt('s', 'What is my dog called?');
    expect(report).toMatchObject({
      tier: 'load',
      verified: 'replay-partial',
      replay: { received: 2, matched: 2, missing: 4, imported: 0, newestMissing: 4 },
    });
    const capped = await (await woken(inProcessLauncher({ variant: 'capped' }))).prompt('s', 'What is my dog called?');
    expect(capped.report.replay).not.toHaveProperty('newestMissing');
  });

  describe('I3: a replay that comes when the prompt was sent already is not stored, over three wakes', () => {
    type Said = readonly [who: 'user' | 'agent', text: string];
    const [PAUSING, BY_WORDS] = ['after it, word by word, with a pause in a message', 'after it, word by word'];
    const moments = ['in the turn', 'among its words', 'after it', 'in the turn and after it', BY_WORDS, PAUSING];
    const QUIET = 40;
    const cases = moments.flatMap((moment) =>
      (['session/load', 'session/resume'] as const).flatMap((method) => [true, false].map((hasIds) => ({ moment, method, hasIds }))),
    );
    it.each(cases)('$method, $moment, with ids: $hasIds', async ({ moment, method, hasIds }) => {
      /** What the agent remembers, and what it replays in this life. */
      const kept: Said[] = [];
      let owed: Said[] = [];
      let replayed = Promise.withResolvers<void>();
      const tell = ([who, text]: Said, at: number, parts = [text]) =>
        parts.map((text) =>
          update({
            sessionUpdate: `${who}_message_chunk`,
            content: { type: 'text', text },
            ...(hasIds ? { messageId: `m${at}` } : {}),
          }),
        );
      const agents = rawAgents((message, agent) => {
        if (message.method === method) {
          owed = kept.slice();
          // Of a load some of it comes in time.
          const inTime = method === 'session/load' ? owed.splice(0, moment === 'among its words' ? 2 : 1) : [];
          agent.say(...inTime.flatMap((said, at) => tell(said, at)));
        }
        if (message.method !== 'session/prompt') {
          const does = { loadSession: true, ...(method === 'session/resume' ? { sessionCapabilities: { resume: {} } } : {}) };
          if (message.method) agent.say(ordinary(message, does));
          return;
        }
        const prompt = (message.params!['prompt'] as { text: string }[])[0]!.text;
        const base = kept.length - owed.length;
        const answer = `${kept.length / 2} things were said before this: ${prompt}`;
        const live = tell(['agent', answer], kept.length + 1, answer.split(/(?= )/));
        const old = owed.map((said, at) => tell(said, base + at, moment.startsWith(BY_WORDS) ? said[1].split(/(?= )/) : [said[1]]));
        kept.push(['user', prompt], ['agent', answer]);
        owed = [];
        const half = moment === 'in the turn' ? old.length : moment === 'in the turn and after it' ? old.length >> 1 : 0;
        if (moment === 'among its words') {
          // Never within a message: one live word, one old message.
          for (const [at, each] of old.entries()) agent.say(...live.slice(at, at + 1), ...each);
          agent.say(...live.slice(old.length));
        } else agent.say(...old.slice(0, half).flat(), ...live);
        agent.say(ordinary(message));
        const { resolve } = replayed;
        if (!moment.includes('after it')) return resolve();
        const late = old.slice(half).flat();
        setTimeout(() => agent.say(...(moment === PAUSING ? late.splice(0, late.length - 2) : [])), 20);
        setTimeout(
          () => {
            agent.say(...late);
            resolve();
          },
          moment === PAUSING ? 4 * QUIET : 20,
        );
      });
      const { wake } = await worldOf(agents);
      const patient = { ...PATIENT, replayQuietMs: QUIET };
      const first = await wake({ limits: patient });
      await first.create({ agent: 'demo', cwd: CWD, sessionId: 's' });
      for (let n = 1; n <= 6; n++) {
        await first.prompt('s', `Thing ${n}.`);
        await replayed.promise;
      }
      await first.sleep();
      for (let life = 1; life <= 3; life++) {
        replayed = Promise.withResolvers();
        const host = await wake({ limits: patient });
        await host.prompt('s', `Wake ${life}.`);
        await replayed.promise;
        await new Promise((resolve) => setTimeout(resolve, 3 * QUIET));
        await host.prompt('s', `Once more, ${life}.`);
        expect(messages(await host.history('s'))).toEqual(kept.map(([who, text]) => `${who}: ${text}`));
        await host.sleep();
      }
    });
  });

  it('I11: what somebody says in another client between two turns is stored, also where the agent replays', async () => {
    let prompts = 0;
    const { wake } = await worldOf(
      rawAgents((message, agent) => {
        if (message.method === 'session/prompt') agent.say(ours[1]);
        if (message.method) agent.say(ordinary(message, { sessionCapabilities: { resume: {} } }));
        if (message.method === 'session/prompt' && ++prompts === 2) setTimeout(() => agent.say(...ours, ...foreign), 5);
      }),
    );
    const before = await wake();
    await before.create({ agent: 'demo', cwd: CWD, sessionId: 's' });
    await before.prompt('s', 'My name is Ada.');
    await before.sleep();
    const host = await wake({ limits });
    await host.prompt('s', 'Go on.');
    await new Promise((resolve) => setTimeout(resolve, 5 * limits.replayQuietMs));
    await host.sleep();
    expect(messages(await (await wake()).history('s'))).toEqual([...oursTold, 'user: Go on.', 'agent: Noted, and kept.', ...foreignTold]);
  });

  it('a prompt that the agent kept before it forgot the session is not stored once more when the session is loaded', async () => {
    let [prompts, forgot] = [0, false];
    const { wake } = await worldOf(
      rawAgents((message, agent) => {
        if (message.method === 'session/prompt' && ++prompts === 2) {
          forgot = true;
          return agent.say({ jsonrpc: '2.0', id: message.id, error: { code: -32002, message: 'Session not found' } });
        }
        if (message.method === 'session/prompt') agent.say(ours[1]);
        if (message.method === 'session/load') agent.say(...ours, ...(forgot ? [asked('Go on.')] : []));
        if (message.method) agent.say(ordinary(message, { loadSession: true }));
      }),
    );
    const host = await wake();
    await host.create({ agent: 'demo', cwd: CWD, sessionId: 's' });
    await host.prompt('s', 'My name is Ada.');
    const { report } = await host.prompt('s', 'Go on.');
    expect(report).toMatchObject({ tier: 'load', replay: { imported: 0 } });
    expect(messages(await host.history('s'))).toEqual([...oursTold, 'user: Go on.', 'agent: Noted, and kept.']);
  });

  describe('I3: what a resume says again is not stored again, be it without the words of the user', () => {
    const said = (n: number) => `Answer number ${n}.`;
    const again = (ns: readonly number[], say: (n: number) => unknown) => () => {
      let n = 0;
      return rawAgents((message, agent) => {
        if (message.method === 'session/prompt') agent.say(say(++n));
        if (message.method === 'session/resume') agent.say(...ns.map(say));
        if (message.method) agent.say(ordinary(message, { sessionCapabilities: { resume: {} } }));
      });
    };
    const thought = update({ sessionUpdate: 'agent_thought_chunk', content: { type: 'text', text: 'Hm.' } });
    it.each([
      ['all of them, by their ids', again([1, 2, 3], (n) => words(said(n), `m${n}`)), 0],
      ['all of them, without ids', again([1, 2, 3], (n) => words(said(n))), 0],
      ['the last one', again([3], (n) => words(said(n))), 0],
      ['the first one', again([1], (n) => words(said(n))), 0],
      ['one of them, and words of its own', again([3, 9], (n) => words(said(n), `m${n}`)), 1],
      ['nothing of ours', again([9], (n) => words(said(n), `m${n}`)), 1],
    ])('%s', async (_what, agents, own) => {
      const host = await woken(agents());
      const before = await host.history('s');
      const { tier, attempts } = await host.resume('s');
      expect(tier).toBe('resume');
      const updates = (events: readonly SessionEvent[]) => events.filter(({ kind }) => kind === 'update');
      const after = await host.history('s');
      expect(updates(after).length - updates(before).length).toBe(own);
      expect(/replayed \d messages although/.test(attempts[0]!.evidence)).toBe(_what !== 'nothing of ours');
    });

    it('with a thought and a tool call beside them', async () => {
      let calls = 0;
      const agents = rawAgents((message, agent) => {
        const call = update({ sessionUpdate: 'tool_call', toolCallId: `c${++calls}`, title: 'Look', status: 'completed' });
        if (message.method === 'session/prompt' || message.method === 'session/resume') agent.say(thought, call, words(said(1)));
        if (message.method) agent.say(ordinary(message, { sessionCapabilities: { resume: {} } }));
      });
      const { wake } = await worldOf(agents);
      const first = await wake();
      await first.create({ agent: 'demo', cwd: CWD, sessionId: 's' });
      await first.prompt('s', 'Hello.');
      await first.sleep();
      const host = await wake();
      const before = (await host.history('s')).filter(({ kind }) => kind === 'update');
      await host.resume('s');
      expect((await host.history('s')).filter(({ kind }) => kind === 'update')).toEqual(before);
    });
  });

  it('a resume has no replay to verify', async () => {
    const { report } = await (await woken(inProcessLauncher())).prompt('s', 'What is my name?');
    expect(report).toMatchObject({ tier: 'resume', verified: 'listed', replay: null });
  });

  const stranger = () =>
    rawAgents((message, agent) => {
      if (message.method === 'session/prompt') agent.say(words('Fine.'));
      if (message.method === 'session/load')
        agent.say(update({ sessionUpdate: 'user_message_chunk', content: { type: 'text', text: 'What is for dinner?' } }), words('Soup.'));
      if (message.method) agent.say(ordinary(message, { loadSession: true }));
    });
  itInV1.each([
    ['nothing', () => inProcessLauncher({ variant: 'liar' })],
    ['another conversation', stranger],
  ])('I4: a replay of %s is no success: strict stops, auto goes on from the record, and nothing is imported', async (_what, agents) => {
    const unproven = { method: 'session/load', outcome: 'unproven', evidence: 'answered; 0 of 6 messages were replayed' };
    const strict = await woken(agents(), 'strict');
    await expect(strict.prompt('s', 'What is my name?')).rejects.toMatchObject({
      code: 'session_not_resumable',
      data: { attempts: [unproven] },
    });
    const auto = await woken(agents());
    const { report } = await auto.prompt('s', 'What is my name?');
    expect(report).toMatchObject({
      tier: 'transcript',
      attempts: [unproven, { method: 'session/new', outcome: 'ok' }],
      verified: null,
      replay: null,
      preamble: { mode: 'inline' },
    });
    expect((await auto.history('s')).filter((event) => event.origin === 'import')).toEqual([]);
  });

  it('a successor that replays its preamble is recognised: the record is not told twice', async () => {
    const { wake, agents } = await world('load');
    const first = await wake();
    await first.create({ agent: 'demo', cwd: CWD, sessionId: 's' });
    await first.prompt('s', 'My name is Ada.');
    await first.sleep();
    const second = await wake({ policy: 'transcript' });
    expect((await second.prompt('s', 'What is my name?')).report.tier).toBe('transcript');
    const told = messages(await second.history('s'));
    await second.sleep();
    const third = await wake();
    const { report } = await third.prompt('s', 'Again: what is my name?');
    expect(report, JSON.stringify(report)).toMatchObject({
      tier: 'load',
      verified: 'replay-matched',
      replay: { matched: 2, missing: 0, imported: 0 },
    });
    expect(messages(await third.history('s')).slice(0, told.length)).toEqual(told);
    expect(agents.launched).toBe(3);
  });
});
