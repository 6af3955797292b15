/** What a caller or a client gives that no message can hold: whoever gave it hears of it, and the agent and its turns go on. */
import { tmpdir } from 'node:os';
import { expect, it, onTestFinished } from 'vitest';
import { openNodeSqlite } from '../../../src/adapters/node-sqlite/index.ts';
import { stdioLauncher } from '../../../src/adapters/stdio/index.ts';
import { createHost, type ClientServices, type Host } from '../../../src/engine/index.ts';

/** Answers every request. A prompt `ask` asks the client for a file first and says what it was answered; `wait` takes a while. */
const AGENT = `
const send = (message) => process.stdout.write(JSON.stringify({ jsonrpc: '2.0', ...message }) + '\\n');
const RESULTS = {
  initialize: { protocolVersion: 1, agentCapabilities: {} },
  'session/new': { sessionId: 's1' },
  'session/prompt': { stopReason: 'end_turn' },
};
let prompt;
require('node:readline').createInterface({ input: process.stdin }).on('line', (line) => {
  const { id, method, params, result, error } = JSON.parse(line);
  if (method === undefined) {
    const content = { type: 'text', text: JSON.stringify(error ?? { result }) };
    send({ method: 'session/update', params: { sessionId: 's1', update: { sessionUpdate: 'agent_message_chunk', content } } });
    return send({ id: prompt, result: RESULTS['session/prompt'] });
  }
  const words = params?.prompt?.[0].text;
  if (words === 'ask') {
    prompt = id;
    return send({ id: 'q', method: 'fs/read_text_file', params: { sessionId: 's1', path: '/x' } });
  }
  setTimeout(() => id !== undefined && send({ id, result: RESULTS[method] ?? {} }), words === 'wait' ? 500 : 0);
});`;

async function hostWith(handle?: ClientServices['handle']): Promise<Host> {
  const database = await openNodeSqlite(':memory:');
  const host = await createHost({
    database,
    agents: stdioLauncher({ agents: { mine: { command: process.execPath, args: ['-e', AGENT] } } }),
    ...(handle ? { client: { capabilities: { fs: { readTextFile: true } }, handle, release: async () => undefined } } : {}),
  });
  onTestFinished(async () => {
    await host.sleep();
    await database.close();
  });
  await host.create({ agent: 'mine', cwd: tmpdir(), sessionId: 's' });
  return host;
}

const circle: Record<string, unknown> = {};
circle['self'] = circle;
const fails = () => {
  throw new Error('not today');
};
const UNWRITABLE: readonly [string, unknown][] = [
  ['a BigInt', { size: 10n }],
  ['a circle', circle],
  ['a toJSON that throws', { toJSON: fails }],
];

it.each([...UNWRITABLE, ['a function', () => 1] as const])(
  'of request and notify: %s is invalid_argument, and the session goes on',
  async (_, params) => {
    const host = await hostWith();
    const refused = { code: 'invalid_argument', message: expect.stringContaining('params cannot be written as JSON') as string };
    await expect(host.request('s', '_x/y', params)).rejects.toMatchObject(refused);
    expect(() => host.notify('s', '_x/y', params)).toThrow(expect.objectContaining(refused) as Error);
    expect(await host.prompt('s', 'hi')).toMatchObject({ stopReason: 'end_turn' });
  },
);

it('of request: more than a message holds is limit_exceeded before it is sent, and the turn that runs goes on', async () => {
  const host = await hostWith();
  const turn = host.prompt('s', 'wait');
  turn.catch(() => undefined);
  const params = { text: 'x'.repeat(33 * 1024 * 1024) };
  await expect(host.request('s', '_x/y', params)).rejects.toMatchObject({ code: 'limit_exceeded' });
  expect(() => host.notify('s', '_x/y', params)).toThrow(expect.objectContaining({ code: 'limit_exceeded' }) as Error);
  expect(await turn).toMatchObject({ stopReason: 'end_turn' });
});

const thrown = (data: unknown): Error => Object.assign(new Error('no such file'), { code: -32002, data });
const THROWN: readonly [string, unknown, object][] = [
  ...UNWRITABLE.map(([name, data]): [string, unknown, object] => [
    `an error with ${name} in its data`,
    thrown(data),
    { code: -32603, message: expect.stringContaining('no such file') as string },
  ]),
  ['undefined', undefined, { code: -32603, message: 'undefined' }],
  ['null', null, { code: -32603, message: 'null' }],
  ['a text', 'gone', { code: -32603, message: 'gone' }],
  ['an object whose message cannot be read', Object.defineProperty({}, 'message', { get: fails }), { code: -32603 }],
  ['an error as ACP has them', thrown({ uri: '/x' }), { code: -32002, message: 'no such file', data: { uri: '/x' } }],
];

it.each(THROWN)('of client services: %s that is thrown is an error for the agent', async (_, error, answered) => {
  const host = await hostWith(async () => {
    throw error;
  });
  expect(await answerIn(host)).toMatchObject(answered);
});

it.each(UNWRITABLE)('of client services: %s in an answer is an error for the agent', async (_, answer) => {
  const host = await hostWith(async () => ({ content: answer }));
  expect(await answerIn(host)).toMatchObject({
    code: -32603,
    message: expect.stringContaining('the answer to fs/read_text_file cannot be written as JSON') as string,
  });
});

it('of client services: no answer is null', async () => {
  expect(await answerIn(await hostWith(async () => undefined))).toEqual({ result: null });
});

/** What the agent says that it was answered, in a turn that ends as it should. */
async function answerIn(host: Host): Promise<unknown> {
  expect(await host.prompt('s', 'ask')).toMatchObject({ stopReason: 'end_turn' });
  const said = (await host.history('s')).find((event) => event.kind === 'update' && event.origin === 'agent')?.payload as {
    content: { text: string };
  };
  return JSON.parse(said.content.text);
}
