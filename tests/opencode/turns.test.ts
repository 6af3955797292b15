/** What a turn of OpenCode can be: tools, plans, permissions, cancelling; all of it in the log. */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Host } from '../../src/engine/index.ts';
import { textOf } from './support/model.ts';
import { startWorld, updatesOf, type World } from './support/world.ts';

let world: World;
let host: Host;
let sessionId: string;
let before: number;

// One session for all: a start of OpenCode takes seconds.
beforeAll(async () => {
  world = await startWorld({ permission: { bash: 'ask' } });
  host = await world.wake({ permission: 'ask' });
  ({ sessionId } = await host.create({ agent: 'opencode', cwd: world.opencode.cwd }));
});
beforeEach(async () => {
  world.model.script(() => [{ text: 'Hello.' }]);
  before = (await host.get(sessionId)).latestSeq;
});
afterAll(() => world.end());

/** What the test made of it. */
const news = () => host.history(sessionId, { after: before });

/** The model uses one tool when a user asks, and says “Done.” when the tool has answered. */
const useTool = (tool: string, args: Record<string, unknown>): void =>
  world.model.script((request) => (request.messages.at(-1)?.role === 'tool' ? [{ text: 'Done.' }] : [{ tool, args }]));

test('create and metadata: who it is, what it offers, what a turn used', async () => {
  await host.prompt(sessionId, 'Hello.');
  const info = await host.get(sessionId);
  expect(info).toMatchObject({ agent: 'opencode', cwd: world.opencode.cwd, agentInfo: { name: 'OpenCode' }, state: 'live' });
  expect(info.agentSessionId).toMatch(/^ses_/);
  expect(info.agentCapabilities).toMatchObject({ loadSession: true });
  expect(info.configOptions?.map(({ id }) => id)).toEqual(['model', 'mode']);
  // When the commands come is OpenCode's to say.
  await expect.poll(async () => (await host.get(sessionId)).commands?.map(({ name }) => name) ?? []).toContain('init');
  await expect.poll(async () => (await host.get(sessionId)).usage).toMatchObject({ used: 10, size: 100_000 });
});

test('I11 a tool call that writes a file is in the log as it was said', async () => {
  const file = path.join(world.opencode.cwd, 'heron.txt');
  useTool('write', { filePath: file, content: 'grey\n' });
  await host.prompt(sessionId, 'Write the file.');
  expect(await readFile(file, 'utf8')).toBe('grey\n');
  const events = await news();
  const [call] = updatesOf(events, 'tool_call');
  expect(call).toMatchObject({ kind: 'edit', status: 'pending' });
  const progress = updatesOf(events, 'tool_call_update').filter(({ toolCallId }) => toolCallId === call?.['toolCallId']);
  // How often it tells of its progress is OpenCode's to say.
  expect([...new Set(progress.map(({ status }) => status))]).toEqual(['in_progress', 'completed']);
  expect(progress[0]).toMatchObject({ rawInput: { filePath: file, content: 'grey\n' } });
  expect(await host.transcript(sessionId)).toContain('heron.txt');
});

test('a plan is in the log as OpenCode tells it', async () => {
  const todos = [
    { id: '1', content: 'Look before', status: 'in_progress', priority: 'high' },
    { id: '2', content: 'Leap after', status: 'pending', priority: 'low' },
  ];
  useTool('todowrite', { todos });
  await host.prompt(sessionId, 'Plan it.');
  const events = await news();
  // This version tells a plan as a tool call; one that sends ACP plan updates passes as well.
  const told = [...updatesOf(events, 'plan'), ...updatesOf(events, 'tool_call_update')].map((update) => JSON.stringify(update)).join('\n');
  for (const { content } of todos) expect(told).toContain(content);
});

describe('a permission', () => {
  test.each([
    ['once', 'completed', 'heron'],
    ['reject', 'failed', 'rejected'],
  ])('answered with %s: the tool call is %s', async (optionId, status, words) => {
    useTool('bash', { command: 'echo heron', description: 'Says heron' });
    const watching = new AbortController();
    const answering = (async () => {
      for await (const event of host.events(sessionId, { after: before, signal: watching.signal })) {
        if (event.kind !== 'permission_requested') continue;
        expect(event.payload.options.map((option) => option.optionId)).toEqual(['once', 'always', 'reject']);
        await host.respondPermission(sessionId, event.payload.requestId, optionId);
        return;
      }
    })();
    await host.prompt(sessionId, 'Run the command.');
    await answering;
    watching.abort();
    const events = await news();
    expect(events.find(({ kind }) => kind === 'permission_resolved')?.payload).toMatchObject({ optionId, by: 'person' });
    const last = updatesOf(events, 'tool_call_update').at(-1);
    expect(last).toMatchObject({ status });
    expect(JSON.stringify(last)).toContain(words);
  });
});

test('cancel ends the turn as cancelled, and the next turn is answered', async () => {
  world.model.script((request) =>
    textOf(request.messages.at(-1)).startsWith('Count') ? [{ text: 'one two three ', chunks: 3 }, { hang: true }] : [{ text: 'Here.' }],
  );
  const asked = world.model.requests.length;
  const counting = host.prompt(sessionId, 'Count for ever.');
  await world.model.received(asked + 1);
  await host.cancel(sessionId);
  expect(await counting).toMatchObject({ stopReason: 'cancelled' });
  const { stopReason, report } = await host.prompt(sessionId, 'Are you there?');
  expect({ stopReason, tier: report.tier }).toEqual({ stopReason: 'end_turn', tier: 'live' });
  const states = (await news()).flatMap((event) => (event.kind === 'turn_ended' ? [event.payload.state] : []));
  expect(states).toEqual(['cancelled', 'completed']);
});
