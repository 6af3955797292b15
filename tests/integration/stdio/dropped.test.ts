/** Lines of an agent that were meant as messages and are none: what is lost is told, and a turn that waits for it says so in the end. */
import { tmpdir } from 'node:os';
import { expect, it, onTestFinished } from 'vitest';
import { openNodeSqlite } from '../../../src/adapters/node-sqlite/index.ts';
import { stdioLauncher } from '../../../src/adapters/stdio/index.ts';
import { websocketLauncher } from '../../../src/adapters/websocket/index.ts';
import { startBridge } from '../../../src/bridge/index.ts';
import { createHost, type Limits } from '../../../src/engine/index.ts';

/** Prints the lines of its arguments for a prompt, ID and TOKEN replaced, and ends the turn unless they do. */
const AGENT = `
const RESULTS = { initialize: { protocolVersion: 1, agentCapabilities: {} }, 'session/new': { sessionId: 's1' }, 'session/prompt': { stopReason: 'end_turn' } };
require('node:readline').createInterface({ input: process.stdin }).on('line', (line) => {
  const { id, method } = JSON.parse(line);
  const [lines, ends] = process.argv.slice(1);
  if (method === 'session/prompt') process.stdout.write(lines.replaceAll('ID', id).replaceAll('TOKEN', 'ghp_${'a1B2'.repeat(9)}') + '\\n');
  if (id !== undefined && !(method === 'session/prompt' && ends)) process.stdout.write(JSON.stringify({ jsonrpc: '2.0', id, result: RESULTS[method] ?? {} }) + '\\n');
});`;

async function sessionWith(lines: string, ends = false, limits: Partial<Limits> = {}, over: 'pipes' | 'a bridge' = 'pipes') {
  const database = await openNodeSqlite(':memory:');
  const args = ['-e', AGENT, lines, ...(ends ? ['ends'] : [])];
  const agents = { mine: { command: process.execPath, args } };
  const bridge = over === 'pipes' ? null : await startBridge({ agents, allowMissingOrigin: true });
  const host = await createHost({ database, agents: bridge ? websocketLauncher(bridge) : stdioLauncher({ agents }), limits });
  onTestFinished(async () => {
    await host.sleep();
    await bridge?.close();
    await database.close();
  });
  await host.create({ agent: 'mine', cwd: tmpdir(), sessionId: 's' });
  return host;
}

const says = (text: string, more = '') =>
  `{"jsonrpc":"2.0","method":"session/update","params":{"sessionId":"s1","update":{"sessionUpdate":"agent_message_chunk","content":{"type":"text","text":"${text}"}${more}}}}`;

const LOST: [string, string, number][] = [
  ['NaN, which is no JSON', says('a', ',"_meta":{"logprob":NaN}'), 1],
  ['two messages on one line', says('a') + says('b'), 1],
  ['words in front of a message', `thinking… ${says('a')}`, 1],
  ['words behind a message', `${says('a')} done`, 1],
  ['a message over several lines', JSON.stringify(JSON.parse(says('a')), null, 2), 2],
  ['a batch', `[${says('a')},${says('b')}]`, 1],
  ['an update without jsonrpc', says('a').replace('"jsonrpc":"2.0",', ''), 1],
  ['two lines, one with a token', `${says('a', ',"x":NaN')}\n${says('TOKEN', ',"x":NaN')}`, 2],
];
it.each([
  ...LOST.map((row) => [...row, 'pipes'] as const),
  ...LOST.map(([name, ...row]) => [`${name}, over a bridge`, ...row, 'a bridge'] as const),
  ['many lines at once, over a bridge', Array<string>(2_000).fill('{"jsonrpc":"2.0",').join('\n'), 2_000, 'a bridge'] as const,
])('I11: the turn says that something was lost: %s', async (_, lines, count, over) => {
  const host = await sessionWith(lines, false, {}, over);
  for (let turn = 0; turn < 2; turn++) {
    const result = await host.prompt('s', 'hi');
    expect(result).toMatchObject({ stopReason: 'end_turn', dropped: { lines: count, last: expect.any(String) as string } });
    const [end] = (await host.history('s')).slice(-1);
    expect(end).toMatchObject({ kind: 'turn_ended', payload: { state: 'completed', dropped: result.dropped } });
    expect(result.dropped?.last).not.toContain('ghp_');
  }
});

it.each([
  ['a banner', 'Welcome! {loading}'],
  ['a log in JSON', '{"level":30,"id":1,"msg":"sent","frame":"{\\"jsonrpc\\":\\"2.0\\"}","error":null}'],
])('%s is no loss', async (_, line) => {
  expect(await (await sessionWith(line)).prompt('s', 'hi')).not.toHaveProperty('dropped');
});

it.each([
  ['an answer with NaN', '{"jsonrpc":"2.0","id":ID,"result":{"stopReason":"end_turn","cost":NaN}}', '"cost":NaN'],
  ['an error without jsonrpc', '{"id":null,"error":{"message":"model quota exceeded"}}', 'model quota exceeded'],
  ['an answer to something else', '{"jsonrpc":"2.0","id":99,"result":{}}', 'answered 99, which was not asked'],
])('a turn whose answer is lost (%s) ends after the grace of a cancel, and its error quotes what came', async (_, line, quoted) => {
  const host = await sessionWith(line, true, { cancelGraceMs: 1_000 });
  const turn = host.prompt('s', 'hi').catch((error: unknown) => error as { message: string });
  await expect.poll(async () => (await host.get('s')).state).toBe('prompting');
  await new Promise((resolve) => setTimeout(resolve, 500));
  await host.cancel('s');
  const error = await turn;
  expect(error).toMatchObject({ code: 'turn_outcome_unknown', message: expect.stringContaining('It last wrote:') as string });
  expect((error as { message: string }).message).toContain(quoted);
});

it('an error without an id ends the only request that waits', async () => {
  const host = await sessionWith('{"jsonrpc":"2.0","id":null,"error":{"code":-32603,"message":"model quota exceeded"}}', true);
  await expect(host.prompt('s', 'hi')).rejects.toMatchObject({
    code: 'agent_protocol_error',
    message: expect.stringContaining('model quota exceeded') as string,
  });
  expect((await host.get('s')).state).toBe('live');
});
