/** A value belongs to the place it was given for: servers that change between two wakes change whole, and no value goes elsewhere. */
import { describe, expect, it } from 'vitest';
import { processSecrets } from '../../../src/adapters/node-host/index.ts';
import type { McpServer, SecretRef } from '../../../src/engine/index.ts';
import { resolveSecrets, secretValues, withoutValues } from '../../../src/engine/sessions/secrets.ts';
import { inProcessLauncher } from '../../../src/testing/agents/index.ts';
import { said, worldOf, itInV1 } from './helpers.ts';
import { watched } from './watched-agents.ts';

const PLACE = { agent: 'demo', cwd: '/project' };
const command = (value: string, ...args: string[]) => ({ name: 'notes', command: '/bin/notes', args, env: [{ name: 'KEY', value }] });
const http = (value: string, url: string) => ({ type: 'http' as const, name: 'web', url, headers: [{ name: 'X-Key', value }] });
const OLD = http('old-header-value', 'https://old.example/mcp');
const NEW = http('new-header-value', 'https://new.example/mcp');

const watchedWorld = () => worldOf(watched(inProcessLauncher({ variant: 'native' })));

/** The servers of each time an agent was given a session, in order. */
const given = ({ sent }: { readonly sent: readonly { readonly method: string; readonly params: Readonly<Record<string, unknown>> }[] }) =>
  sent.filter(({ method }) => /^session\/(new|load|resume)$/.test(method)).map(({ params }) => params['mcpServers']);

describe('servers that change', () => {
  itInV1('while the session sleeps: address, names and values go to the agent together', async () => {
    const { wake, agents } = await watchedWorld();
    const host = await wake();
    const { sessionId } = await host.create({ ...PLACE, mcpServers: [OLD, command('first-value')] });
    await host.close(sessionId);
    await host.update(sessionId, { mcpServers: [NEW] });
    await host.prompt(sessionId, 'mcp');
    await host.close(sessionId);
    await host.update(sessionId, { mcpServers: [] });
    await host.prompt(sessionId, 'mcp');
    expect(given(agents)).toEqual([[OLD, command('first-value')], [NEW], []]);
  });

  it('as it is opened again: the list given there is the one it has', async () => {
    const { wake, agents } = await watchedWorld();
    const first = await wake();
    await first.open('main', { ...PLACE, mcpServers: [OLD] });
    await first.sleep();
    const host = await wake();
    const { open } = host;
    await open('main', { ...PLACE, mcpServers: [NEW] });
    await host.prompt('main', 'say hi');
    expect(given(agents)).toEqual([[OLD], [NEW]]);
  });

  it('while it is live: its agent keeps the servers it has, the next wake has the new ones', async () => {
    const { wake, agents } = await watchedWorld();
    const host = await wake();
    const { sessionId } = await host.create({ ...PLACE, mcpServers: [OLD] });
    const info = await host.update(sessionId, { mcpServers: [NEW] });
    expect(info).toMatchObject({ state: 'live', mcpServers: withoutValues([NEW]) });
    await host.prompt(sessionId, 'say hi');
    expect(given(agents)).toEqual([[OLD]]);
    await host.close(sessionId);
    await host.prompt(sessionId, 'say hi');
    expect(given(agents)).toEqual([[OLD], [NEW]]);
  });

  it('while it wakes: record and values change together, so that every wake has the one list or the other', async () => {
    const { wake, agents } = await watchedWorld();
    const host = await wake();
    const { sessionId } = await host.create({ ...PLACE, mcpServers: [OLD] });
    await host.close(sessionId);
    for (let ticks = 0; ticks < 24; ticks++) {
      const updated = host.update(sessionId, { mcpServers: [http('a-header-value', `https://${ticks}.example/mcp`)] });
      for (let tick = 0; tick < ticks; tick++) await null;
      await host.resume(sessionId);
      await updated;
      await host.close(sessionId);
    }
    expect(given(agents)).toHaveLength(25);
  });

  it('by another host: what this one holds of them is not used, neither there nor here', async () => {
    const { wake, agents } = await watchedWorld();
    const host = await wake();
    const other = await wake();
    const { sessionId } = await host.create({ ...PLACE, env: { TOKEN: 'token-value' }, mcpServers: [OLD, command('first-value')] });
    await host.close(sessionId);
    await other.update(sessionId, { mcpServers: [{ ...OLD, url: NEW.url }, command('second-value')] });
    await expect(host.prompt(sessionId, 'say hi')).rejects.toMatchObject({
      code: 'secret_missing',
      data: { missing: ['X-Key (of MCP server web)'] },
    });
    expect(given(agents)).toHaveLength(1);
    expect(agents.running).toBe(0);
  });

  it('of which the environment is not known yet: the change stands, and the wake says what is missing', async () => {
    const { wake, agents } = await watchedWorld();
    const first = await wake();
    const { sessionId } = await first.create({ ...PLACE, env: { TOKEN: 'token-value' }, mcpServers: [OLD] });
    await first.sleep();
    const host = await wake({ secrets: ({ kind, name }) => (kind === 'env' && name === 'TOKEN' ? 'token-value' : undefined) });
    const missing = await host.prompt(sessionId, 'say hi').catch((error: unknown) => error);
    expect(missing).toMatchObject({ code: 'secret_missing', message: expect.stringContaining('Give X-Key again') });
    // What the message advises.
    await host.update(sessionId, { mcpServers: [OLD] });
    const { turnId } = await host.prompt(sessionId, 'mcp');
    expect(said(await host.history(sessionId), turnId)).toBe('web: X-Key=[secret X-Key]');
    expect(given(agents)).toEqual([[OLD], [OLD]]);
  });

  it('other values for the same servers need no lease: a session that is live elsewhere is not in the way', async () => {
    const { wake } = await watchedWorld();
    const host = await wake();
    const other = await wake();
    const { sessionId } = await host.create({ ...PLACE, mcpServers: [OLD] });
    expect(await other.update(sessionId, { mcpServers: [{ ...OLD, headers: [{ name: 'X-Key', value: 'other' }] }] })).toMatchObject({
      state: 'busy',
    });
    await expect(other.update(sessionId, { mcpServers: [NEW] })).rejects.toMatchObject({ code: 'session_busy' });
    expect((await host.get(sessionId)).mcpServers).toEqual(withoutValues([OLD]));
  });

  it('an adopted session has the values it was adopted with', async () => {
    const { wake, agents } = await watchedWorld();
    const host = await wake();
    const { sessionId } = await host.create(PLACE);
    await host.prompt(sessionId, 'my cat is called Miette');
    const { agentSessionId } = (await host.prompt(sessionId, 'say hi')).report;
    await host.close(sessionId);
    const adopted = await host.adopt({ ...PLACE, agentSessionId: agentSessionId as string, mcpServers: [OLD] });
    await host.resume(adopted.sessionId);
    expect(given(agents).at(-1)).toEqual([OLD]);
  });

  it.each([
    ['no list', { notes: {} }],
    ['no name', [{ command: '/bin/notes', args: [], env: [] }]],
    ['nothing', [null]],
    ['values that are none', [{ ...OLD, headers: { 'X-Key': 'a-value' } }]],
  ])('%s is invalid_argument, at update, create and adopt alike', async (_, mcpServers) => {
    const host = await (await watchedWorld()).wake();
    const { sessionId } = await host.create(PLACE);
    const wrong = { mcpServers } as never as { mcpServers: McpServer[] };
    for (const call of [
      () => host.update(sessionId, wrong),
      () => host.create({ ...PLACE, ...wrong }),
      () => host.adopt({ ...PLACE, agentSessionId: 'x', ...wrong }),
    ])
      await expect(call()).rejects.toMatchObject({ code: 'invalid_argument', message: expect.not.stringContaining('a-value') });
  });
});

describe('where values come from', () => {
  it('a value that was rotated: the port is asked at each wake, and never for what a caller gave', async () => {
    const { wake, agents } = await watchedWorld();
    const first = await wake();
    const { sessionId } = await first.create({ ...PLACE, env: { TOKEN: 'first-token-value' }, mcpServers: [OLD] });
    await first.sleep();
    let rotations = 0;
    const host = await wake({ secrets: ({ name }) => `${name}-rotated-${++rotations}` });
    for (let wakes = 0; wakes < 2; wakes++) {
      await host.resume(sessionId);
      await host.close(sessionId);
    }
    await host.update(sessionId, { mcpServers: [NEW] });
    await host.resume(sessionId);
    expect(given(agents)).toEqual([[OLD], [http('X-Key-rotated-2', OLD.url)], [http('X-Key-rotated-4', OLD.url)], [NEW]]);
    expect(rotations).toBe(5);
  });

  const odd = { ...command('c'), url: 'https://both.example', headers: [{ name: 'H', value: 'h' }] } as McpServer;
  const held = (...servers: McpServer[]) => secretValues({ TOKEN: 'held' }, servers);
  const twice = { ...OLD, headers: [...OLD.headers, { name: 'X-Key', value: 'another' }] };
  it.each([
    ['nothing is held', null, [OLD], [{ ...OLD, headers: [{ name: 'X-Key', value: 'port' }] }]],
    ['the same server', held(OLD), [OLD], [OLD]],
    ['two headers of one name', held(twice), [twice], [twice]],
    ['another address', held(OLD), [{ ...OLD, url: 'https://new.example/' }], ['X-Key=port']],
    ['another name', held(OLD), [{ ...OLD, name: 'other' }], ['X-Key=port']],
    ['a header more', held(OLD), [twice], ['X-Key=port', 'X-Key=port']],
    ['other arguments', held(command('c')), [command('', '--evil')], ['KEY=port']],
    ['another command', held(command('c')), [{ ...command(''), command: '/bin/evil' }], ['KEY=port']],
    ['a server of both kinds', held(odd), [odd], [odd]],
    ['a server less', held(OLD, NEW), [NEW], [NEW]],
  ])('%s', async (_, holds, servers, expected) => {
    const asked: SecretRef[] = [];
    const port = (ref: SecretRef) => {
      asked.push(ref);
      return 'port';
    };
    const named = { sessionId: 's', envNames: [], mcpServers: withoutValues(servers as McpServer[]) };
    const { mcpServers } = await resolveSecrets(port, named, holds);
    if (typeof expected[0] === 'string') {
      const pairs = mcpServers.flatMap((server) => ('command' in server ? server.env : server.headers));
      expect(pairs.map(({ name, value }) => `${name}=${value}`)).toEqual(expected);
    } else expect(mcpServers).toEqual(expected);
    const [server] = servers as { url?: string; command?: string; args?: string[] }[];
    for (const { place } of asked)
      expect(place).toEqual(server?.command ? { command: server.command, args: server.args } : { url: server?.url });
  });

  it('a record that was changed gets no header out of the environment', async () => {
    const secrets = processSecrets({ environment: { WEB_KEY: 'k' }, headers: { [OLD.url]: { 'X-Key': 'WEB_KEY' } } });
    const of = (server: McpServer) => resolveSecrets(secrets, { sessionId: 's', envNames: [], mcpServers: withoutValues([server]) });
    expect((await of(OLD)).known).toEqual([{ name: 'X-Key', value: 'k' }]);
    await expect(of({ ...OLD, url: 'https://evil.example/mcp' })).rejects.toMatchObject({ code: 'secret_missing' });
  });

  it.each([
    ['env', 'TOKEN', /Set TOKEN in the environment/],
    ['mcp-env', 'KEY', /Set KEY in the environment/],
    ['mcp-header', 'X-Key', /^(?!.*Set X-Key).*Give X-Key again.*--mcp FILE.*host\.update.*processSecrets/],
  ])('a missing %s says what to do', async (kind, _, advice) => {
    const missing = (ref: SecretRef) => (ref.kind === kind ? undefined : 'there');
    const named = { sessionId: 's', envNames: ['TOKEN'], mcpServers: withoutValues([OLD, command('c')]) };
    await expect(resolveSecrets(missing, named)).rejects.toMatchObject({ message: expect.stringMatching(advice) });
  });
});
