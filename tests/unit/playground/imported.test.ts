/** Sessions of a file, and agents on a real disk: the file's rows steer nothing, and nothing goes there unasked. */
import { describe, expect, it } from 'vitest';
import type { AnyMessage } from '@agentclientprotocol/sdk';
import { confined, confinedSpec } from '../../../playground/state/agents.ts';
import { readFile } from '../../../playground/platform/sql-console.ts';
import type { Playground } from '../../../playground/state/playground.ts';
import type { AgentSpec } from '../../../src/engine/ports.ts';
import { inProcessLauncher } from '../../../src/testing/agents/index.ts';
import { preparedFile } from './hostile-files.ts';
import { closePage, open, reload } from './open-pages.ts';
import { chosen, testPlatform, type TestPlatform } from './platform.ts';

const INSIDE = '/home/me/project';

/** A page with a bridge whose agents are the tab's own, and what its agents were started with and asked. */
function bridged(before?: TestPlatform) {
  const launched: AgentSpec[] = [];
  const asked: { method: string; params: Record<string, unknown> }[] = [];
  const inner = inProcessLauncher();
  const platform = Object.assign(testPlatform(before), {
    hash: '#v=1&scenario=free&agent=native',
    bridge: {
      discover: async () => ({ url: 'ws://127.0.0.1:1', token: 't' }),
      list: async () => [{ name: 'native', cwd: INSIDE }],
      launcher: () => ({
        launch: async (spec: AgentSpec, options: { signal: AbortSignal }) => {
          launched.push(spec);
          const agent = await inner.launch(spec, options);
          const writer = agent.stream.writable.getWriter();
          const writable = new WritableStream<AnyMessage>({
            write: (message) => {
              if ('method' in message && 'params' in message) asked.push(message as never);
              return writer.write(message);
            },
            close: () => writer.close(),
          });
          return {
            stream: { readable: agent.stream.readable, writable },
            exited: agent.exited,
            end: (how: 'ask' | 'kill') => agent.end(how),
            diagnostics: () => '',
          };
        },
      }),
    },
  });
  return { platform, launched, asked };
}

async function withFile(bytes: Promise<Uint8Array> = preparedFile()) {
  const { platform, launched, asked } = bridged();
  const pg = await open(platform);
  await pg.branches.importDatabase(chosen(await bytes, 'evil.sqlite'));
  expect(pg.branches.importing.value).toBeNull();
  return { pg, platform, launched, asked };
}

/** What the dialog shows, once it does; answered as the person would. */
async function decide(pg: Playground, send: boolean) {
  await expect.poll(() => pg.turns.consent.value).not.toBeNull();
  const { answer, ...shown } = pg.turns.consent.value!;
  answer(send);
  return shown;
}

describe('a session of a file', () => {
  it('goes to a bridged agent only after the person said so, and is asked for once', async () => {
    const { pg, launched, asked } = await withFile();
    expect([pg.session.id.value, pg.choice.agent.value]).toEqual(['prepared', 'bridge:native']);
    pg.turns.draft.value = 'What is my cat called?';
    const kept = pg.turns.sendDraft();
    expect(await decide(pg, false)).toEqual({ file: 'evil.sqlite', events: 4, agent: 'native', cwd: INSIDE });
    await kept;
    expect([pg.turns.draft.value, launched, pg.session.live.value.lastSeq]).toEqual(['What is my cat called?', [], 4]);
    expect(pg.notices.problem.value?.message).toContain('stays here');
    const sent = pg.turns.say('What is my cat called?');
    await decide(pg, true);
    const { report, reply, error } = await sent;
    expect([error, report?.tier]).toEqual([null, 'transcript']);
    expect(reply).toContain('Ada');
    expect(launched).toEqual([{ agent: 'native', cwd: INSIDE, sessionId: 'prepared' }]);
    const placed = asked.filter(({ params }) => 'cwd' in params);
    expect(
      placed.map(({ method, params: { cwd, mcpServers, additionalDirectories } }) => [method, cwd, mcpServers, additionalDirectories]),
    ).toEqual([['session/new', INSIDE, [], undefined]]);
    expect(asked.filter(({ method }) => method.startsWith('session/set'))).toEqual([]);
    expect(JSON.stringify(asked)).not.toContain('private');
    expect((await pg.turns.say('And now?')).error).toBeNull();
    await pg.faults.sleep();
    expect((await pg.turns.say('And after a sleep?')).error).toBeNull();
    expect(pg.turns.consent.value).toBeNull();
  });

  it('is asked for again in a fork and after a reload, until the person said so', async () => {
    const { pg, platform } = await withFile();
    await pg.timeline.refresh();
    await pg.branches.seek(0);
    await pg.branches.fork();
    const [again] = await reload(pg, platform);
    Object.assign(again.platform.bridge, platform.bridge);
    await again.connectBridge({ url: 'ws://127.0.0.1:1', token: 't' });
    expect(again.databases.branch.value).toBe('1');
    await again.navigation.chooseSession('prepared');
    const sent = again.turns.say('What is my cat called?');
    await decide(again, false);
    expect((await sent).error?.message).toContain('stays here');
  });

  it('that the agent of the session gets, whichever agent is chosen, is asked for all the same', async () => {
    const { pg, launched } = await withFile();
    pg.choice.agent.value = 'native';
    const sent = pg.turns.say('What is my cat called?');
    await decide(pg, false);
    await sent;
    expect(launched).toEqual([]);
  });

  it('is not sent by Cancel or by leaving the page', async () => {
    const { pg, launched } = await withFile();
    const ways = [() => pg.turns.cancel(), () => pg.navigation.chooseScenario('load-replay')];
    for (const leave of ways) {
      await pg.navigation.chooseSession('prepared');
      const sent = pg.turns.say('What is my cat called?');
      await expect.poll(() => pg.turns.consent.value).not.toBeNull();
      await leave();
      expect((await sent).error?.message).toContain('not sent');
      expect(pg.turns.consent.value).toBeNull();
    }
    await pg.navigation.chooseSession('prepared');
    const sent = pg.turns.say('What is my cat called?');
    await expect.poll(() => pg.turns.consent.value).not.toBeNull();
    await closePage(pg);
    expect((await sent).stored).toBe(false);
    expect(launched).toEqual([]);
  });

  it('is nobody’s business but the tab’s where its agent runs in the tab', async () => {
    const { pg } = await withFile(preparedFile({ agent: 'native' }));
    const { error, reply } = await pg.turns.say('What is my cat called?');
    expect([error, reply.includes('Ada'), pg.turns.consent.value]).toEqual([null, true, null]);
  });

  it('does not hinder one that is begun beside it', async () => {
    const { pg, launched } = await withFile();
    await pg.navigation.chooseSession(null);
    pg.choice.agent.value = 'bridge:native';
    expect((await pg.turns.say('My dog is called Argos.')).error).toBeNull();
    expect([pg.turns.consent.value, launched.length]).toEqual([null, 1]);
  });
});

describe('a file that cannot be opened', () => {
  it('is refused for its size before a byte of it is read', async () => {
    const pg = await open(bridged().platform);
    const bytes = () => Promise.reject(new Error('it was read'));
    await pg.branches.importDatabase({ name: 'huge.sqlite', size: 200 * 1024 * 1024, bytes });
    expect(pg.branches.importing.value?.problem).toContain('200 MiB');
    expect(pg.databases.branch.value).toBeNull();
  });

  it('is given up when reading it takes too long', async () => {
    let ended = 0;
    const worker = (answer?: object) => () => {
      const one = {
        onmessage: null as ((event: MessageEvent) => void) | null,
        onerror: null,
        terminate: () => void ended++,
        postMessage: () => answer && setTimeout(() => one.onmessage?.({ data: answer } as MessageEvent)),
      };
      return one as unknown as Worker;
    };
    const read = (answer?: object, limitMs?: number) =>
      readFile({ wasm: new ArrayBuffer(0), glue: '', bytes: new Uint8Array(1) }, worker(answer), limitMs);
    await expect(read(undefined, 20)).rejects.toThrow('was stopped after 0.02 s');
    await expect(read({ kind: 'file', bytes: new Uint8Array(2), sessions: 1 })).resolves.toMatchObject({ sessions: 1 });
    await expect(read({ kind: 'error', message: 'no' })).rejects.toThrow('no');
    expect(ended).toBe(3);
  });
});

describe('what a bridged agent is asked', () => {
  it.each([
    ['session/new', { cwd: '/etc', mcpServers: [{ name: 'evil' }], additionalDirectories: ['/'] }, { cwd: INSIDE, mcpServers: [] }],
    ['session/load', { sessionId: 'a', cwd: '/etc', mcpServers: [] }, { sessionId: 'a', cwd: INSIDE, mcpServers: [] }],
    ['session/resume', { sessionId: 'a', cwd: '/etc' }, { sessionId: 'a', cwd: INSIDE }],
    ['session/list', { cwd: '/etc', cursor: 'b' }, { cwd: INSIDE, cursor: 'b' }],
    ['session/prompt', { sessionId: 'a', prompt: [] }, { sessionId: 'a', prompt: [] }],
  ])('%s %j', (method, params, becomes) => {
    const message = { jsonrpc: '2.0', id: 1, method, params } as never;
    const spec = { agent: 'bridge:native', cwd: INSIDE, sessionId: 'a' };
    expect(confined(spec, message)).toEqual({ jsonrpc: '2.0', id: 1, method, params: becomes });
    expect(confined({ ...spec, agent: 'native' }, message)).toBe(message);
  });

  it('and started with is its bridge’s, too', () => {
    const agents = [
      { key: 'bridge:native', name: 'native', where: 'bridge', description: '', group: 'Over the bridge', cwd: INSIDE } as const,
    ];
    const spec = { agent: 'bridge:native', cwd: '/etc', sessionId: 'a', env: { PATH: '/evil' } };
    expect(confinedSpec(spec, agents)).toEqual({ agent: 'bridge:native', cwd: INSIDE, sessionId: 'a' });
    expect(confinedSpec({ ...spec, agent: 'native' }, agents)).toMatchObject({ cwd: '/etc' });
  });
});
