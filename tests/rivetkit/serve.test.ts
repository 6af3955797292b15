/** ACP clients at an actor: the editor's command, led to a cluster instead of a server of this machine. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { stdioMessages } from '../../src/cli/stdio-messages.ts';
import { INITIALIZE, rawClient, text, type RawClient } from '../unit/agents/raw-client.ts';
import { startCluster, until, type Cluster, type Runner } from './support/cluster.ts';

const BIN = path.resolve(import.meta.dirname, '../../dist/cli/rehydrate.js');
const PLACE = { cwd: '/tmp', mcpServers: [] };
const TOKEN = 'a-token-of-forty-three-characters-in-base64';

let cluster: Cluster;
let runner: Runner;
const editors: ChildProcess[] = [];
beforeAll(async () => {
  cluster = await startCluster({ runners: 0 });
  runner = await cluster.startRunner();
  writeFileSync(tokenFile(), TOKEN);
});
afterEach(async () => {
  for (const child of editors.splice(0)) {
    child.stdin?.end();
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  }
});
afterAll(() => cluster?.stop());

const tokenFile = () => path.join(cluster.home, 'token');

interface Editor extends RawClient {
  readonly child: ChildProcess;
  readonly complaint: () => string;
}

/** `rehydrate acp --connect`, as an editor has it in its settings. */
async function editor(kind: 'sessions' | 'guarded', key: string, file = tokenFile()): Promise<Editor> {
  const params = { params: { token: TOKEN } };
  const url = await cluster.client()[kind].getOrCreate([key], params).getGatewayUrl();
  const child = spawn(process.execPath, [BIN, 'acp', '--connect', url, '--token-file', file, '--agent', 'native'], {
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  editors.push(child);
  child.stdin.on('error', () => undefined);
  let complaint = '';
  child.stderr.on('data', (chunk) => (complaint += String(chunk)));
  return Object.assign(rawClient(stdioMessages(child.stdout, child.stdin, 2 ** 25)), { child, complaint: () => complaint });
}

const opened = async (client: RawClient): Promise<string> => {
  const { error } = await client.request('initialize', INITIALIZE);
  expect(error, JSON.stringify(error)).toBeUndefined();
  return (await client.request('session/new', PLACE)).result.sessionId;
};
const prompt = (client: RawClient, sessionId: string, words: string) =>
  client.request('session/prompt', { sessionId, prompt: text(words) });

it('an editor and a client of the actor are at one session, and it outlives the server that ran it', async () => {
  const one = await editor('sessions', 'editor');
  const sessionId = await opened(one);
  expect((await prompt(one, sessionId, 'my cat is called Miette')).result).toMatchObject({
    stopReason: 'end_turn',
    _meta: { rehydrate: { report: { tier: 'new' } } },
  });
  const actor = cluster.client().sessions.getOrCreate(['editor']);
  await actor.prompt(sessionId, 'say from the actor');
  await until(() => one.said().includes('from the actor'), 'the editor sees what another client was told');
  expect(one.updates('user_message_chunk').map(({ content }) => content.text)).toEqual(['say from the actor']);
  const said = one.said();

  await runner.kill();
  runner = await cluster.startRunner();
  const two = await editor('sessions', 'editor');
  await two.request('initialize', INITIALIZE);
  expect((await two.request('session/list', {})).result.sessions).toMatchObject([{ sessionId, cwd: '/tmp' }]);
  await two.request('session/load', { sessionId, ...PLACE });
  expect(two.said()).toBe(said);
  const { result } = await prompt(two, sessionId, 'what is my cat called?');
  expect(result._meta.rehydrate.report.tier).toBe('resume');
  expect(two.said().slice(said.length)).toContain('Miette');
});

it('a message larger than a broadcast arrives in one piece', async () => {
  const one = await editor('sessions', 'large');
  const sessionId = await opened(one);
  const words = 'x'.repeat(3_000_000);
  expect((await prompt(one, sessionId, `say ${words}`)).result.stopReason).toBe('end_turn');
  expect(one.said()).toBe(words);
});

it('I2: a turn goes on without its editor, and keeps the actor awake', async () => {
  const others = new Set(cluster.agents().map(({ pid }) => pid));
  const one = await editor('guarded', 'gone');
  const sessionId = await opened(one);
  void prompt(one, sessionId, 'count to 150'); // 30 ms of pause after each number, however fast the machine: 4.5 s
  await until(() => one.said() !== '', 'it has begun');
  one.child.kill('SIGKILL');
  // Nobody looks, so nothing but the turn keeps it awake; it sleeps three seconds after that.
  await until(() => cluster.agents().every(({ pid }) => others.has(pid)), 'the actor sleeps');
  const two = await editor('guarded', 'gone');
  await two.request('initialize', INITIALIZE);
  await two.request('session/load', { sessionId, ...PLACE });
  expect(two.said().match(/\d+/g)).toEqual(Array.from({ length: 150 }, (_, i) => String(i + 1)));
  const events = await cluster
    .client()
    .guarded.getOrCreate(['gone'], { params: { token: TOKEN } })
    .history(sessionId);
  const at = (kind: string) => events.find((event) => event.kind === kind)!.at;
  expect(at('turn_ended') - at('turn_started'), 'longer than the actor stays awake by itself').toBeGreaterThan(3_000);
  expect(events.find(({ kind }) => kind === 'turn_ended')).toMatchObject({ payload: { state: 'completed' } });
});

it('an actor that goes to sleep ends the connection, says so, and the next one wakes it', async () => {
  const one = await editor('sessions', 'sleeps');
  const sessionId = await opened(one);
  await prompt(one, sessionId, 'my cat is called Miette');
  const exited = once(one.child, 'exit');
  await cluster.client().sessions.getOrCreate(['sleeps']).sleep();
  expect((await exited)[0]).toBe(1);
  expect(one.complaint()).toMatch(/ended the connection.*its sessions are on the server/s);
  const two = await editor('sessions', 'sleeps');
  await two.request('initialize', INITIALIZE);
  await two.request('session/resume', { sessionId, ...PLACE });
  await prompt(two, sessionId, 'what is my cat called?');
  expect(two.said()).toContain('Miette');
});

it('onBeforeConnect finds the token of --token-file, and keeps out another', async () => {
  const other = path.join(cluster.home, 'other');
  writeFileSync(other, TOKEN.replace('a-', 'b-'));
  const stranger = await editor('guarded', 'theirs', other);
  const [code] = (await once(stranger.child, 'exit')) as [number];
  expect(code).toBe(1);
  expect(stranger.complaint()).toMatch(/forbidden|not yours/);
  const owner = await editor('guarded', 'theirs');
  owner.answers.set('session/request_permission', ({ options }) => ({
    outcome: { outcome: 'selected', optionId: options[0].optionId },
  }));
  const sessionId = await opened(owner);
  expect((await prompt(owner, sessionId, 'ask permission')).result.stopReason).toBe('end_turn');
  expect(owner.seen.filter((message) => message.method === 'session/request_permission')).toHaveLength(1);
});
