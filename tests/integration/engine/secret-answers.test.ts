/** Known secret values in what an agent answers, and in what is put together here: none of it reaches the database or the caller. */
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { openNodeSqlite } from '../../../src/adapters/node-sqlite/index.ts';
import { createHost, RehydrateError, type CreateOptions, type HostOptions } from '../../../src/engine/index.ts';
import { CWD, PATIENT } from './helpers.ts';
import { ordinary, rawAgents, words, type Heard, type RawAgent } from './raw-agent.ts';

const SECRET = 'canary-7f3d9a1c55e0';
const secrets: HostOptions['secrets'] = () => SECRET;

/** Runs on a database file, and gives every byte that is then on disk. */
async function onDisk(
  agents: ReturnType<typeof rawAgents>,
  run: (wake: () => ReturnType<typeof createHost>) => Promise<unknown>,
): Promise<{ bytes: string; told: string }> {
  const directory = mkdtempSync(path.join(tmpdir(), 'rehydrate-secret-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  const database = await openNodeSqlite(path.join(directory, 'db.sqlite'));
  const hosts: Awaited<ReturnType<typeof createHost>>[] = [];
  const wake = async () => {
    const host = await createHost({ database, agents, secrets, limits: PATIENT });
    hosts.push(host);
    return host;
  };
  const told = await run(wake).catch((error: unknown) => error);
  for (const host of hosts) await host.sleep();
  const bytes = readdirSync(directory)
    .map((file) => readFileSync(path.join(directory, file), 'latin1'))
    .join('');
  await database.close();
  return { bytes, told: told instanceof Error ? `${told.message} ${JSON.stringify(told)}` : JSON.stringify(told) };
}

const CREATE: CreateOptions = { agent: 'raw', cwd: CWD, sessionId: 's', env: { TOKEN: SECRET } };
type Answer = (message: Heard, agent: RawAgent) => object | undefined;
/** Does all right, but for what `odd` answers. */
const agentThat = (odd: Answer) =>
  rawAgents((message, agent) => {
    const answer = odd(message, agent);
    if (answer) agent.say({ jsonrpc: '2.0', id: message.id, ...answer });
    else if (message.method) agent.say(ordinary(message, { loadSession: true }));
  });
const refusal = { error: { code: -32603, message: `Incorrect API key provided: ${SECRET}`, data: { key: SECRET } } };

describe('a known secret in an answer is not stored, and not told', () => {
  it.each<[string, Answer]>([
    [
      'initialize',
      ({ method }) =>
        method === 'initialize'
          ? { result: { protocolVersion: 1, agentCapabilities: { _meta: { key: SECRET } }, agentInfo: { name: SECRET, version: '1' } } }
          : undefined,
    ],
    [
      'session/new',
      ({ method }) =>
        method === 'session/new'
          ? {
              result: {
                sessionId: 'raw-1',
                modes: { currentModeId: 'ask', availableModes: [{ id: 'ask', name: SECRET }] },
                configOptions: [{ id: 'key', name: 'Key', type: 'select', currentValue: SECRET, options: [] }],
              },
            }
          : undefined,
    ],
    ['an error to session/new', ({ method }) => (method === 'session/new' ? refusal : undefined)],
    ['an error to session/prompt', ({ method }) => (method === 'session/prompt' ? refusal : undefined)],
    ['an error to session/load', ({ method }) => (method === 'session/load' ? refusal : undefined)],
    ['an error to session/set_mode', ({ method }) => (method === 'session/set_mode' ? refusal : undefined)],
  ])('%s', async (_where, odd) => {
    const { bytes, told } = await onDisk(agentThat(odd), async (wake) => {
      const host = await wake();
      await host.create(CREATE);
      const outcomes: unknown[] = [];
      const attempt = async (work: Promise<unknown>) =>
        outcomes.push(await work.catch((error: unknown) => `${String(error)} ${JSON.stringify(error)}`));
      await attempt(host.prompt('s', 'go'));
      await attempt(host.setMode('s', 'ask'));
      await host.close('s');
      await attempt(host.prompt('s', 'go'));
      await attempt(host.prompt('s', 'go', { policy: 'transcript' }));
      outcomes.push(await host.transcript('s'), await host.history('s'), await host.get('s'));
      return outcomes;
    });
    expect(bytes).not.toContain(SECRET);
    expect(told).not.toContain(SECRET);
    expect(told + bytes).toContain('[secret TOKEN]');
  });

  it.each([2, 3, 7])('said in %i chunks that are stored as one', async (pieces) => {
    const text = `well, it is ${SECRET}, I think`;
    const cuts = Array.from({ length: pieces + 1 }, (_, index) => Math.round((index * text.length) / pieces));
    const { bytes, told } = await onDisk(
      agentThat(({ method }, agent) => {
        // The first opens a commit by itself; the others wait for it and are joined.
        if (method === 'session/prompt')
          agent.say(words('so: '), ...cuts.slice(1).map((cut, index) => words(text.slice(cuts[index], cut))));
        return undefined;
      }),
      async (wake) => {
        const host = await wake();
        await host.create(CREATE);
        await host.prompt('s', 'go');
        return host.history('s');
      },
    );
    // In one row, or in rows none of which holds all of it.
    expect(bytes).not.toContain(SECRET);
    expect(told).not.toContain(SECRET);
  });
});

describe('a token that nobody told us about, on stderr or in an error, is not stored, and not told', () => {
  const TOKEN = `sk-proj-${'aZ3kQ9xT7bLm2WcR5vNy8PdF4gHs6JtK'}`;
  const stderr = `Incorrect API key provided: ${TOKEN}\n`;
  /** The same agents, with a stderr; or one that does not even start. */
  const withStderr = (agents: ReturnType<typeof rawAgents>): ReturnType<typeof rawAgents> => ({
    ...agents,
    async launch(spec, options) {
      const agent = await agents.launch(spec, options);
      const told = async (exit: ReturnType<typeof agent.end>) => ({ ...(await exit), stderr });
      return { ...agent, exited: told(agent.exited), end: (how) => told(agent.end(how)), diagnostics: () => stderr };
    },
  });

  it.each<[string, ReturnType<typeof rawAgents>]>([
    ['an agent that refuses a session', withStderr(agentThat(({ method }) => (method === 'session/new' ? refusal : undefined)))],
    [
      'an agent that cannot tell whether it has the session',
      withStderr(agentThat(({ method }) => (method === 'session/load' ? { error: { code: -32603, message: TOKEN } } : undefined))),
    ],
    ['an agent that works, and ends', withStderr(agentThat(() => undefined))],
    [
      'an agent that does not start',
      { ...agentThat(() => undefined), launch: () => Promise.reject(new RehydrateError('agent_start_failed', `It wrote: ${stderr}`)) },
    ],
  ])('%s', async (_what, agents) => {
    const { bytes, told } = await onDisk(agents, async (wake) => {
      const host = await wake();
      const outcomes: unknown[] = [];
      const attempt = async (work: Promise<unknown>) =>
        outcomes.push(await work.catch((error: unknown) => `${String(error)} ${JSON.stringify(error)}`));
      await attempt(host.create(CREATE));
      await attempt(host.prompt('s', 'go'));
      await attempt(host.close('s'));
      await attempt(host.prompt('s', 'go'));
      await attempt(host.history('s'));
      return outcomes;
    });
    expect(bytes).not.toContain(TOKEN.slice(-8));
    expect(told).not.toContain(TOKEN.slice(-8));
    expect(told).toContain('[secret token]');
  });
});

describe('I4: a value that is an ordinary word of the protocol leaves the protocol as it is', () => {
  it.each(['message', 'user_message_chunk', 'agent_message_chunk', 'content', 'completed', 'end_turn'])('%s', async (word) => {
    const agents = agentThat(() => undefined);
    const database = await openNodeSqlite(':memory:');
    onTestFinished(() => database.close());
    const options = { database, agents, secrets: () => word, limits: PATIENT };
    const first = await createHost(options);
    await first.create({ ...CREATE, env: { WORD: word } });
    await first.prompt('s', `remember the ${word} of heron`);
    await first.sleep();
    const second = await createHost(options);
    onTestFinished(() => second.sleep());
    const { report, stopReason } = await second.prompt('s', 'what was it?', { policy: 'transcript' });
    expect(stopReason).toBe('end_turn');
    expect(report).toMatchObject({ tier: 'transcript', preamble: { truncated: false } });
    const events = await second.history('s');
    const kinds = events.flatMap((event) => (event.kind === 'update' ? [event.payload.sessionUpdate] : []));
    expect(kinds).toContain('user_message_chunk');
    expect(JSON.stringify(events)).toContain('remember the [secret WORD] of heron');
    expect(JSON.stringify(agents.heard.at(-1)?.params)).toContain('of heron');
  });
});

describe('MCP servers', () => {
  const pair = { name: 'T', value: SECRET };
  it.each<[string, object]>([
    ['command, env and headers', { name: 'x', command: 'c', args: [], env: [pair], headers: [] }],
    ['url, headers and env', { type: 'http', name: 'x', url: 'https://x', headers: [], env: [pair] }],
    ['more in a pair', { name: 'x', command: 'c', args: [], env: [{ ...pair, _meta: { note: SECRET } }] }],
  ])('%s: no value is on disk, and the agent gets it again', async (_what, server) => {
    const agents = agentThat(() => undefined);
    const { bytes } = await onDisk(agents, async (wake) => {
      const host = await wake();
      await host.create({ agent: 'raw', cwd: CWD, sessionId: 's', mcpServers: [server as never] });
      await host.prompt('s', 'go');
      await host.sleep();
      return (await wake()).prompt('s', 'go');
    });
    expect(bytes).not.toContain(SECRET);
    const given = agents.heard
      .filter(({ method }) => method === 'session/new' || method === 'session/load')
      .map(({ params }) => JSON.stringify(params));
    expect(given.length).toBeGreaterThan(1);
    for (const params of given) expect(params).toContain(SECRET);
  });

  it.each<[string, unknown]>([
    ['an object', { T: SECRET }],
    ['pairs without a value', [{ name: 'T' }]],
  ])('%s as env is refused by name', async (_what, env) => {
    const { told } = await onDisk(
      agentThat(() => undefined),
      async (wake) => (await wake()).create({ ...CREATE, mcpServers: [{ name: 'x', command: 'c', args: [], env } as never] }),
    );
    expect(told).toMatch(/The env of MCP server \\?"x\\?" must be a list/);
  });
});
