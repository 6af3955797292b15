/** An option that nobody knows is refused by name, in every function that takes options and in every object of options among them. */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { openHost, preambleFiles, processSecrets } from '../../../src/adapters/node-host/index.ts';
import { openNodeSqlite } from '../../../src/adapters/node-sqlite/index.ts';
import { followSession, sessionActor } from '../../../src/adapters/rivetkit/index.ts';
import { openSqljs, salvageSqljs } from '../../../src/adapters/sqljs/index.ts';
import { nodeClientServices, stdioLauncher } from '../../../src/adapters/stdio/index.ts';
import { websocketLauncher } from '../../../src/adapters/websocket/index.ts';
import { workerLauncher } from '../../../src/adapters/worker/index.ts';
import { startBridge, streamDoor } from '../../../src/bridge/index.ts';
import { createHost, renderTranscript, workspaceFiles } from '../../../src/engine/index.ts';
import { serveAcp, startServer } from '../../../src/server/index.ts';
import {
  agentLauncherContract,
  inProcessLauncher,
  runScriptedAgent,
  scriptedAgent,
  serveInWorker,
  sqlDatabaseContract,
} from '../../../src/testing/index.ts';

const none = {} as never;
const database = { query: () => none, batch: () => none } as never;
const odd = (more: object = {}): never => ({ ...more, oddly: 1 }) as never;
const run = { command: 'true' };
const signal = new AbortController().signal;

it.each<[string, () => unknown]>([
  ['createHost', () => createHost(odd())],
  ['preamble', () => createHost({ database, agents: {}, preamble: odd() })],
  ['limits', () => createHost({ database, agents: {}, limits: odd() })],
  ['Each of knownSecrets', () => createHost({ database, agents: {}, knownSecrets: [odd({ name: 'TOKEN' })] })],
  ['renderTranscript', () => renderTranscript([], odd())],
  ['workspaceFiles', () => workspaceFiles(database, odd())],
  ['limits', () => workspaceFiles(database, { limits: odd() })],
  ['openHost', () => openHost(':memory:', odd())],
  ['limits', () => openHost(':memory:', { agents: {}, limits: odd() })],
  ['preamble', () => openHost(':memory:', { agents: {}, preamble: odd() })],
  ['The agent "mine"', () => openHost(':memory:', { agents: { mine: odd(run) } })],
  ['preambleFiles', () => preambleFiles(odd())],
  ['processSecrets', () => processSecrets(odd())],
  ['openNodeSqlite', () => openNodeSqlite(':memory:', odd())],
  ['openSqljs', () => openSqljs(odd())],
  ['storage', () => openSqljs({ storage: odd({ indexedDB: 'x' }) })],
  ['salvageSqljs', () => salvageSqljs(odd({ storage: { indexedDB: 'x' } }))],
  ['stdioLauncher', () => stdioLauncher(odd({ agents: {} }))],
  ['limits', () => stdioLauncher({ agents: {}, limits: odd() })],
  ['The agent "mine"', () => stdioLauncher({ agents: { mine: odd(run) } })],
  ['The agent "mine"', () => stdioLauncher({ agents: () => odd(run) }).launch({ agent: 'mine', cwd: '/', sessionId: 's' }, { signal })],
  ['nodeClientServices', () => nodeClientServices(odd())],
  ['limits', () => nodeClientServices({ limits: odd() })],
  ['websocketLauncher', () => websocketLauncher(odd({ url: 'ws://127.0.0.1:1', token: 't' }))],
  ['workerLauncher', () => workerLauncher(odd({ agents: {} }))],
  ['sessionActor', () => sessionActor(odd({ db: {}, UserError: Error, agents: {} }))],
  ['followSession', () => followSession(none, 's', odd()).next()],
  ['serveAcp', () => serveAcp(none, none, odd({ agent: 'mine' }))],
  ['limits', () => serveAcp(none, none, { agent: 'mine', limits: odd() })],
  ['startServer', () => startServer(none, odd({ agents: [] }))],
  ['limits', () => startServer(none, { agents: [], door: none, limits: odd() })],
  ['streamDoor', () => streamDoor(odd())],
  ['startBridge', () => startBridge(odd({ agents: { mine: run } }))],
  ['limits', () => startBridge({ agents: { mine: run }, limits: odd() })],
  ['processLimits', () => startBridge({ agents: { mine: run }, processLimits: odd() })],
  ['The agent "mine"', () => startBridge({ agents: { mine: odd(run) } })],
  ['inProcessLauncher', () => inProcessLauncher(odd())],
  ['runScriptedAgent', () => runScriptedAgent(none, odd({ variant: 'native' }))],
  ['serveInWorker', () => serveInWorker(none, odd({ variant: 'native' }))],
  ['scriptedAgent', () => scriptedAgent('native', odd())],
  ['sqlDatabaseContract', () => sqlDatabaseContract(odd())],
  ['agentLauncherContract', () => agentLauncherContract(odd())],
])('%s', async (whose, call) => {
  const words = `${whose} has no option "oddly". It knows `;
  await expect((async () => call())()).rejects.toMatchObject({
    code: 'invalid_argument',
    message: expect.stringContaining(words) as string,
    data: { options: ['oddly'] },
  });
});

it('says what was meant, and nothing is made', async () => {
  const directory = mkdtempSync(path.join(tmpdir(), 'rehydrate-options-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const file = path.join(directory, 'new.sqlite');
  await expect(openNodeSqlite(file, { readonly: true } as never)).rejects.toThrow(
    'openNodeSqlite has no option "readonly". Did you mean readOnly?',
  );
  expect(existsSync(file)).toBe(false);
  await expect(openHost(':memory:', { agents: {}, limits: { idleMS: 5 } as never })).rejects.toThrow(
    'limits has no option "idleMS". Did you mean idleMs?',
  );
  await expect(openHost(':memory:', { agents: {}, limits: { idleMs: '5' } as never })).rejects.toThrow('it is "5".');
});

it('a value that is refused is named as its caller knows it', async () => {
  const host = await openHost(':memory:', { agents: {} });
  await expect(host.open('', { agent: 'mine', cwd: '/' })).rejects.toThrow(/^sessionId must be a well-formed string .* it is ""\.$/);
  await host.sleep();
});

it.each<[string, object]>([
  ['args as a list of their own', { command: 'node', args: 'acp' }],
  ['args as a list of their own', { command: 'node', args: [5] }],
  ['needs a command', { command: '' }],
  ['env must be an object', { command: 'node', env: 'PATH' }],
  ['env.A=B must be a text without NUL, and its name without "="', { command: 'node', env: { 'A=B': 'x' } }],
  ['env.A must be a text', { command: 'node', env: { A: 5 } }],
  ['cwd must be the path of a directory', { command: 'node', cwd: 5 }],
])('what no agent can be run by is refused at each door: %s, %j', async (words, agent) => {
  const mine = agent as typeof run;
  for (const call of [
    async () => openHost(':memory:', { agents: { mine } }),
    async () => stdioLauncher({ agents: { mine } }),
    async () => stdioLauncher({ agents: () => mine }).launch({ agent: 'mine', cwd: '/', sessionId: 's' }, { signal }),
    async () => startBridge({ agents: { mine } }),
  ])
    await expect(call()).rejects.toMatchObject({ code: 'invalid_argument', message: expect.stringContaining(words) as string });
});

it.each<[string, () => unknown]>([
  ['stdioLauncher takes its options as an object; it is missing', () => stdioLauncher(undefined as never)],
  ['stdioLauncher needs the option "agents"', () => stdioLauncher(none)],
  ['websocketLauncher takes its options as an object', () => websocketLauncher(undefined as never)],
  ['websocketLauncher needs the option "url"', () => websocketLauncher(none)],
  ['workerLauncher needs the option "agents"', () => workerLauncher(none)],
  ['sessionActor takes its options as an object', () => sessionActor(undefined as never)],
  ['startBridge takes its options as an object', () => startBridge(undefined as never)],
  ['startBridge needs the option "agents"', () => startBridge(none)],
  ['streamDoor takes its options as an object', () => streamDoor(undefined as never)],
  ['startServer takes its options as an object', () => startServer(none, undefined as never)],
  ['startServer needs the option "door"', () => startServer(none, { agents: [] } as never)],
  ['serveAcp needs the option "agent"', () => serveAcp(none, none, none)],
  ['openNodeSqlite needs the path of a file', () => openNodeSqlite(undefined as never)],
])('what a function cannot do without is named: %s', async (words, call) => {
  await expect((async () => call())()).rejects.toMatchObject({ message: expect.stringContaining(words) as string });
  await expect((async () => call())()).rejects.not.toBeInstanceOf(TypeError);
});
