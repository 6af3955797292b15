/** Agents as they are: what each way of misbehaving makes of a resume, with the evidence. */
import { describe, expect, it } from 'vitest';
import { RehydrateError, type ErrorCode, type ResumePolicy, type Tier } from '../../../src/engine/index.ts';
import { inProcessLauncher, type AgentVariant } from '../../../src/testing/agents/index.ts';
import { ask, CWD, PATIENT, world, worldOf, itInV1 } from './helpers.ts';
import { ordinary, rawAgents, type RawAgent } from './raw-agent.ts';
import { watched, wordsSent } from './watched-agents.ts';

/** A world whose agents take a moment to go: who does not wait for them returns while they run. */
const slowlyEnding = (variant: AgentVariant) => worldOf(watched(inProcessLauncher({ variant }), { lingerMs: 20 }));

type Expected = Tier | ErrorCode;
const isTier = (expected: Expected): expected is Tier => ['new', 'resume', 'load', 'transcript'].includes(expected);

/** [variant, policy auto gives, policy strict gives] */
const CASES: readonly [AgentVariant, Expected, Expected][] = [
  ['native', 'resume', 'resume'],
  ['load', 'load', 'load'],
  ['amnesiac', 'transcript', 'session_not_resumable'],
  ['no-embedded', 'transcript', 'session_not_resumable'],
  ['forgetful', 'transcript', 'session_not_resumable'],
  ['unknown:spec', 'transcript', 'session_not_resumable'],
  ['unknown:claude', 'transcript', 'session_not_resumable'],
  ['unknown:nonuuid', 'transcript', 'session_not_resumable'],
  ['unknown:opencode', 'transcript', 'session_not_resumable'],
  ['unknown:opencode-old', 'transcript', 'session_not_resumable'],
  ['unknown:pi', 'transcript', 'session_not_resumable'],
  ['unknown:goose', 'transcript', 'session_not_resumable'],
  ['unknown:cursor', 'transcript', 'session_not_resumable'],
  ['unknown:words', 'transcript', 'session_not_resumable'],
  ['unknown:words-params', 'transcript', 'session_not_resumable'],
  ['unknown:method-missing', 'transcript', 'session_not_resumable'],
  // It never costs a user their history: neither the list nor the words prove that the session is gone.
  ['unknown:other-resource', 'resume_indeterminate', 'resume_indeterminate'],
  ['unknown:opaque-but-listed', 'resume_indeterminate', 'resume_indeterminate'],
  ['unknown:opaque-no-list', 'resume_indeterminate', 'resume_indeterminate'],
  ['liar', 'transcript', 'session_not_resumable'],
  ['late', 'load', 'load'],
  ['replays-on-resume', 'resume', 'resume'],
  ['other-chunks', 'load', 'load'],
  ['no-message-ids', 'load', 'load'],
  ['duplicate-replay', 'load', 'load'],
  ['capped', 'load', 'load'],
  ['foreign-turns', 'load', 'load'],
  ['null-load', 'resume', 'resume'],
  ['answers-twice', 'resume', 'resume'],
  ['unknown-kinds', 'resume', 'resume'],
  ['requests-at-start', 'resume', 'resume'],
  ['never-prompted-forgets', 'resume', 'resume'],
  ['busy', 'session_busy', 'session_busy'],
  ['garbage', 'resume', 'resume'],
  ['hang-load', 'agent_timeout', 'agent_timeout'],
  ['hang-resume', 'agent_timeout', 'agent_timeout'],
  ['crash-load', 'agent_exited', 'agent_exited'],
  ['crash-resume', 'agent_exited', 'agent_exited'],
];

describe('I4: what an agent answers decides, and what it says is checked', () => {
  const rows = CASES.flatMap(
    ([variant, auto, strict]) =>
      [
        [variant, 'auto', auto],
        [variant, 'strict', strict],
      ] as const,
  );
  it.each(rows)('%s under %s: %s', async (variant, policy, expected) => {
    const { wake, agents } = await slowlyEnding(variant);
    const host = await wake();
    await host.create({ agent: 'demo', cwd: CWD, sessionId: 's' });
    await host.prompt('s', 'My name is Ada.');
    await host.prompt('s', 'Remember that the door code is 4711.');
    expect(agents.running).toBe(1);
    await host.sleep();
    expect(agents.running).toBe(0);

    const next = await wake({
      policy: policy as ResumePolicy,
      ...(expected === 'agent_timeout' ? { limits: { ...PATIENT, sessionMs: 200 } } : {}),
    });
    const before = await next.history('s');
    if (isTier(expected)) {
      const { report } = await next.prompt('s', 'What is my name?');
      expect(report.tier, JSON.stringify(report, null, 1)).toBe(expected);
      expect(report.attempts.at(-1)?.outcome).toBe('ok');
      expect(await ask(next, 's', 'What is the door code?')).toContain('4711');
      return;
    }
    const error = await next.prompt('s', 'What is my name?').catch((caught: unknown) => caught);
    // I7, I1: an agent was started and is gone, and nothing was sent or written.
    expect([agents.launched, agents.running]).toEqual([2, 0]);
    expect(RehydrateError.is(error) && error.code, String(error)).toBe(expected);
    expect(wordsSent(agents)).toEqual(['My name is Ada.', 'Remember that the door code is 4711.']);
    expect(await next.history('s')).toEqual(before);
    expect((await next.get('s')).state).toBe('asleep');
  });

  itInV1('a load that replayed nothing of the session is told as unproven, and never as a success', async () => {
    const { wake } = await world('liar');
    const host = await wake();
    await host.create({ agent: 'demo', cwd: CWD, sessionId: 's' });
    await host.prompt('s', 'My name is Ada.');
    await host.sleep();
    const next = await wake({ policy: 'strict' });
    const error = (await next.resume('s').catch((caught: unknown) => caught)) as RehydrateError;
    expect(error.data['attempts']).toMatchObject([{ method: 'session/load', outcome: 'unproven' }]);
    const { attempts } = await next.resume('s', { policy: 'auto' });
    expect(attempts.map(({ method, outcome }) => `${method} ${outcome}`)).toEqual(['session/load unproven', 'session/new ok']);
  });

  it('auto: a resume that is opaque still tries load, and never goes on to a transcript by itself', async () => {
    const { wake } = await world('unknown:opaque-but-listed');
    const host = await wake();
    await host.create({ agent: 'demo', cwd: CWD, sessionId: 's' });
    await host.prompt('s', 'My name is Ada.');
    await host.sleep();
    const next = await wake();
    const error = (await next.resume('s').catch((caught: unknown) => caught)) as RehydrateError;
    const attempts = error.data['attempts'] as { method: string; outcome: string }[];
    expect(attempts.map(({ method, outcome }) => `${method} ${outcome}`)).toEqual([
      'session/resume indeterminate',
      'session/load indeterminate',
    ]);
    // The person may still decide to go on from the record.
    expect((await next.resume('s', { policy: 'transcript' })).tier).toBe('transcript');
  });

  it('transcript: the agent is not asked for its own memory, and gets the record', async () => {
    const { wake } = await world('native');
    const host = await wake();
    await host.create({ agent: 'demo', cwd: CWD, sessionId: 's' });
    await host.prompt('s', 'My name is Ada.');
    await host.sleep();
    const next = await wake({ policy: 'transcript' });
    const { report } = await next.prompt('s', 'What is my name?');
    expect(report.attempts.map((attempt) => attempt.method)).toEqual(['session/new']);
    expect(report.preamble).toMatchObject({ mode: 'inline', truncated: false });
  });

  it.each(['hang-initialize', 'crash-initialize', 'hang-new', 'crash-new', 'garbage-only', 'auth'] as const)(
    'I7: create with the %s agent leaves nothing',
    async (variant) => {
      const { wake, agents } = await slowlyEnding(variant);
      // Nothing but what it never answers runs out.
      const limits = {
        ...PATIENT,
        ...(variant === 'hang-new' ? { sessionMs: 200 } : {}),
        ...(variant === 'hang-initialize' || variant === 'garbage-only' ? { initializeMs: 200 } : {}),
      };
      const host = await wake({ limits });
      const codes = {
        'hang-initialize': 'agent_timeout',
        'hang-new': 'agent_timeout',
        'garbage-only': 'agent_timeout',
        auth: 'auth_required',
        'crash-initialize': 'agent_exited',
        'crash-new': 'agent_exited',
      } as const;
      const error = await host.create({ agent: 'demo', cwd: CWD, sessionId: 's' }).catch((caught: unknown) => caught);
      expect([agents.launched, agents.running]).toEqual([1, 0]);
      expect(RehydrateError.is(error) && error.code, String(error)).toBe(codes[variant]);
      await expect(host.get('s')).rejects.toMatchObject({ code: 'session_not_found' });
      expect((await host.list()).sessions).toEqual([]);
    },
  );

  it('auth: after signing in the session can be made, and an agent that is started anew is signed in again', async () => {
    const signedIn = new WeakSet<RawAgent>();
    const agents = rawAgents((message, agent) => {
      if (message.method === 'authenticate') signedIn.add(agent);
      const refused = message.method?.startsWith('session/') && !signedIn.has(agent);
      const { result, ...answer } = ordinary(message, { sessionCapabilities: { resume: {} } }) as { result: object };
      agent.say(
        refused
          ? { ...answer, error: { code: -32000, message: 'Authentication required' } }
          : { ...answer, result: { ...result, authMethods: [{ id: 'key', name: 'A key' }] } },
      );
    });
    const { wake } = await worldOf(agents);
    const host = await wake();
    const create = () => host.create({ agent: 'demo', cwd: CWD, sessionId: 's' });
    await expect(create()).rejects.toMatchObject({ code: 'auth_required', data: { authMethods: [{ id: 'key' }] } });
    await expect(host.authenticate('demo', 'nonsense')).rejects.toMatchObject({ code: 'invalid_argument' });
    expect(agents.heard.map(({ method }) => method)).not.toContain('authenticate');
    await host.authenticate('demo', 'key');
    await create();
    await host.prompt('s', 'My name is Ada.');
    await host.close('s');
    const heard = agents.heard.length;
    expect((await host.prompt('s', 'What is my name?')).report.tier).toBe('resume');
    expect(agents.heard.slice(heard).map(({ method }) => method)).toEqual([
      'initialize',
      'session/resume',
      'authenticate',
      'session/resume',
      'session/prompt',
    ]);
    expect(agents.heard.findLast(({ method }) => method === 'authenticate')?.params).toEqual({ methodId: 'key' });
  });

  itInV1('I11: kinds and fields the protocol does not know are kept as sent', async () => {
    const { wake } = await world('unknown-kinds');
    const host = await wake();
    await host.create({ agent: 'demo', cwd: CWD, sessionId: 's' });
    const { turnId } = await host.prompt('s', 'My name is Ada.');
    const updates = (await host.history('s')).flatMap((event) =>
      event.kind === 'update' && event.turnId === turnId ? [{ payload: event.payload as unknown, meta: event.meta }] : [],
    );
    // As `unknownKinds` of the scripted agent sends them.
    expect(updates).toContainEqual({
      payload: { sessionUpdate: '_demo_weather', sky: 'clear', nested: { degrees: [12, 14] } },
      meta: { demo: 1 },
    });
    expect(updates).toContainEqual({
      payload: { sessionUpdate: 'agent_thought_chunk', content: { type: 'text', text: 'Hm.', _demo: true }, _demoField: 'kept' },
      meta: undefined,
    });
  });
});
