/** Our agent side in front of the real OpenCode, seen by a raw client; and sessions handed from one agent to the other. */
import { createRequire } from 'node:module';
import path from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { stdioLauncher } from '../../src/adapters/stdio/index.ts';
import { inProcessLauncher } from '../../src/testing/agents/index.ts';
import { recordSeen } from '../support/record.ts';
import type { Json, RawAgent } from './support/acp.ts';
import { HELLO, normalised, say, startAgent, wholeSession } from './support/frames.ts';
import { userText } from './support/model.ts';
import { processesIn } from './support/processes.ts';
import { startWorld, updatesOf, userMessages, type World } from './support/world.ts';

const VERSION = (createRequire(import.meta.url)('opencode-ai/package.json') as { version: string }).version;

const worlds: World[] = [];
const worldOf = async (...options: Parameters<typeof startWorld>): Promise<World> => {
  const world = await startWorld(...options);
  worlds.push(world);
  return world;
};
afterEach(async () => {
  for (const world of worlds.splice(0)) await world.end();
});

test('a client sees the same frames of OpenCode with us as without us', async () => {
  const seen: Json[][] = [];
  let frames = 0;
  for (const ours of [null, []]) {
    const world = await worldOf({ permission: { bash: 'ask' } });
    const agent = startAgent(world, ours);
    const all = await wholeSession(world, agent);
    seen.push(normalised(all, world));
    frames = all.filter(({ dir }) => dir === 'receive').length;
    // OpenCode itself may stay at a SIGTERM; we end with all that we started.
    await agent.kill(ours ? 'SIGTERM' : 'SIGKILL');
    await expect.poll(() => processesIn(world.opencode.home)).toEqual([]);
  }
  const [without, withUs] = seen;
  expect(without!.length).toBeGreaterThan(30);
  expect(withUs).toEqual(without);
  recordSeen('opencode-frames', {
    what: `A session of OpenCode ${VERSION} (text, a file written, a plan, permission given and refused, modes, an unknown method, a cancelled turn), recorded by a raw client with us and without`,
    seen: `${frames} frames, the same but for session ids, _meta, the capabilities we add, usage that says nothing new, and the title in the list`,
  });
});

const listed = async (agent: RawAgent, cwd: string): Promise<Json[]> => (await agent.request('session/list', { cwd })).result.sessions;
const talk = (agent: RawAgent): string[] =>
  agent.frames.flatMap(({ frame }: Json) =>
    /^(user|agent)_message_chunk$/.test(frame.params?.update?.sessionUpdate) ? [frame.params.update.content.text as string] : [],
  );

test('I3 --adopt: a session begun in OpenCode itself is listed, loaded, goes on, and survives OpenCode’s store', async () => {
  const world = await worldOf();
  const { opencode, model } = world;
  const at = { cwd: opencode.cwd, mcpServers: [] };
  model.script((request) => [{ text: userText(request).includes('heron') ? 'I know: heron' : 'I know nothing' }]);
  let agent = startAgent(world, null);
  await agent.request('initialize', HELLO);
  const { sessionId } = (await agent.request('session/new', at)).result;
  await agent.request('session/prompt', { sessionId, prompt: say('The codeword is heron.') });
  // It answers before its store has all of it: what it replays is there.
  await expect
    .poll(async () => {
      const before = talk(agent).length;
      await agent.request('session/load', { sessionId, ...at });
      return talk(agent).slice(before).join('');
    })
    .toContain('The codeword is heron.I know: heron');
  await agent.kill('SIGKILL');

  agent = startAgent(world, ['--adopt']);
  await agent.request('initialize', HELLO);
  expect(await listed(agent, opencode.cwd)).toMatchObject([{ sessionId, cwd: opencode.cwd }]);
  expect((await agent.request('session/load', { sessionId, ...at })).error).toBeUndefined();
  expect(talk(agent)).toEqual(['The codeword is heron.', 'I know: heron']);
  await agent.request('session/prompt', { sessionId, prompt: say('What is the codeword?') });
  expect(userMessages(model.requests.at(-1))).toEqual(['The codeword is heron.', 'What is the codeword?']);
  expect(await listed(agent, opencode.cwd)).toHaveLength(1);
  await agent.kill('SIGKILL');
  await expect.poll(() => processesIn(opencode.home)).toEqual([]);

  await opencode.loseStore();
  agent = startAgent(world, ['--adopt']);
  await agent.request('initialize', HELLO);
  expect(await listed(agent, opencode.cwd)).toMatchObject([{ sessionId }]);
  await agent.request('session/load', { sessionId, ...at });
  expect(talk(agent).join('')).toBe('The codeword is heron.I know: heronWhat is the codeword?I know: heron');
  const before = talk(agent).length;
  const { result } = await agent.request('session/prompt', { sessionId, prompt: say('And now?') });
  expect(result._meta.rehydrate.report.tier).toBe('transcript');
  expect(talk(agent).slice(before).join('')).toBe('I know: heron');
  await agent.kill('SIGTERM');
});

test('I4 OpenCode hands a session to another agent, and gets it back: each knows what was said with the other', async () => {
  const world = await worldOf();
  const { opencode, model } = world;
  model.script(() => [{ text: 'Noted.' }]);
  const host = await world.wake({
    agents: {
      opencode: stdioLauncher({
        agents: { opencode: { command: opencode.program, args: opencode.args, env: opencode.env } },
        inheritEnv: false,
      }),
      demo: inProcessLauncher(),
    },
  });
  const first = await host.create({ agent: 'opencode', cwd: opencode.cwd });
  await host.prompt(first.sessionId, 'My cat is called Miette.');

  const second = await host.fork(first.sessionId, { agent: 'demo' });
  const there = await host.prompt(second.sessionId, 'What is my cat called?');
  expect(there.report).toMatchObject({ tier: 'transcript' });
  const answer = updatesOf(await host.history(second.sessionId), 'agent_message_chunk').map(({ content }) => (content as Json).text);
  expect(answer.join('')).toContain('Miette');
  await host.prompt(second.sessionId, 'My dog is called Rex.');

  const third = await host.fork(second.sessionId, { agent: 'opencode' });
  const back = await host.prompt(third.sessionId, 'And my dog?');
  expect(back.report).toMatchObject({ tier: 'transcript' });
  const told = userText(model.requests.at(-1)!);
  for (const words of ['My cat is called Miette.', 'What is my cat called?', 'My dog is called Rex.', 'And my dog?'])
    expect(told).toContain(words);
  // The sessions it was made from are as they were.
  expect(updatesOf(await host.history(first.sessionId), 'user_message_chunk')).toHaveLength(1);
  expect(path.isAbsolute(third.cwd)).toBe(true);
});
