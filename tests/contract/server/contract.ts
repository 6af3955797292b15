/** What `serveAcp` promises, whatever stands between it and the client. */
import { client as sdkClient, methods } from '@agentclientprotocol/sdk';
import { afterEach, describe, expect, it } from 'vitest';
import type { MessageStream } from '../../../src/engine/ports.ts';
import type { AgentVariant } from '../../../src/testing/agents/index.ts';
import { IN_V2 } from '../../support/protocol.ts';
import { inVersion } from '../../support/v2-client.ts';
import { INITIALIZE, rawClient, text, type RawClient } from '../../unit/agents/raw-client.ts';

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- raw JSON, looked into by assertions
type Json = any;

/** A record and an agent's store, both of which outlive whoever serves them. */
export interface Place {
  readonly cwd: string;
  /** A new client. The first one of a life starts the server; clients of the same life share it where the way can. */
  connect(): Promise<MessageStream>;
  /** Everything live is ended; the next `connect` is another life on the same record. */
  sleep(): Promise<void>;
  /** The agent's process dies, as from `kill -9`. */
  killAgent(): Promise<void>;
  /** The agent loses what it stored. */
  loseStore(): Promise<void>;
  remove(): Promise<void>;
}

export interface Way {
  readonly name: string;
  /** Whether several clients can share one host. */
  readonly shared: boolean;
  /** True where every test starts several processes: then only what those could get wrong is shown. */
  readonly brief?: true;
  place(variant: AgentVariant): Promise<Place>;
}

export function serveAcpContract(way: Way): void {
  describe(`serveAcp ${way.name}`, () => {
    const alone = it.runIf(!way.brief);
    const places: Place[] = [];
    afterEach(async () => {
      for (const place of places.splice(0)) await place.remove();
    });
    const placeOf = async (variant: AgentVariant = 'native') => {
      const place = await way.place(variant);
      places.push(place);
      return place;
    };
    const clientOf = async (place: Place, initialize: object = INITIALIZE): Promise<RawClient & { hello: Json }> => {
      const client = rawClient(inVersion(await place.connect()));
      const hello = await client.request('initialize', initialize);
      expect(hello.error).toBeUndefined();
      return Object.assign(client, { hello: hello.result });
    };
    const opened = async (place: Place, client: RawClient): Promise<string> => {
      const { result } = await client.request('session/new', { cwd: place.cwd, mcpServers: [] });
      return result.sessionId;
    };
    const prompt = (client: RawClient, sessionId: string, words: string) =>
      client.request('session/prompt', { sessionId, prompt: text(words) });
    const load = (place: Place, client: RawClient, sessionId: string, more: object = {}) =>
      client.request('session/load', { sessionId, cwd: place.cwd, mcpServers: [], ...more });

    alone('offers what a record can do, whatever the agent can', async () => {
      const place = await placeOf('amnesiac');
      const { hello } = await clientOf(place);
      expect(hello).toMatchObject({
        protocolVersion: 1,
        agentCapabilities: { loadSession: true, sessionCapabilities: { list: {}, resume: {}, close: {}, delete: {} } },
      });
    });

    it('a turn: updates before the answer, and the answer says how the session became live', async () => {
      const place = await placeOf();
      const client = await clientOf(place);
      const sessionId = await opened(place, client);
      const { result } = await prompt(client, sessionId, 'my cat is called Miette');
      expect(result).toMatchObject({ stopReason: 'end_turn', _meta: { rehydrate: { report: { tier: 'new' } } } });
      const answered = client.seen.findIndex((message) => message.result?.stopReason === 'end_turn');
      expect(client.seen.slice(answered + 1).filter((message) => message.params?.update?.sessionUpdate === 'agent_message_chunk')).toEqual(
        [],
      );
      expect(client.said()).toContain('Miette');
      // A client knows what it said itself.
      expect(client.updates('user_message_chunk')).toEqual([]);
      expect(client.seen.filter((message) => message.method === 'session/update' && message.params.sessionId !== sessionId)).toEqual([]);
    });

    it('I3: another life loads the record, each message once, before the answer; then the agent still knows', async () => {
      const place = await placeOf();
      const first = await clientOf(place);
      const sessionId = await opened(place, first);
      await prompt(first, sessionId, 'my cat is called Miette');
      const said = first.said();
      await prompt(first, sessionId, 'stream 20 chunks');
      await place.sleep();

      const second = await clientOf(place);
      const { result: list } = await second.request('session/list', {});
      expect(list.sessions).toMatchObject([{ sessionId, cwd: place.cwd }]);
      const answer = await load(place, second, sessionId);
      expect(answer.result.modes.currentModeId).toBe('chatty');
      expect(answer.result.configOptions).toHaveLength(1);
      const before = second.seen.slice(0, second.seen.indexOf(answer));
      const messages = before.filter((message) => message.method === 'session/update').map((message) => message.params.update);
      const talk = messages.filter((update) => /_message_chunk$/.test(update.sessionUpdate));
      expect(talk.map((update) => update.sessionUpdate)).toEqual([
        'user_message_chunk',
        'agent_message_chunk',
        'user_message_chunk',
        'agent_message_chunk',
      ]);
      expect(talk[0].content.text).toBe('my cat is called Miette');
      expect(talk[1].content.text).toBe(said);

      const { result } = await prompt(second, sessionId, 'what is my cat called?');
      expect(result._meta.rehydrate.report.tier).toBe('resume');
      expect(
        second
          .said()
          .slice(talk.flatMap((update) => (update.sessionUpdate === 'agent_message_chunk' ? update.content.text : '')).join('').length),
      ).toContain('Miette');
    });

    alone('resume brings the session back without a replay', async () => {
      const place = await placeOf();
      const first = await clientOf(place);
      const sessionId = await opened(place, first);
      await prompt(first, sessionId, 'my cat is called Miette');
      await place.sleep();
      const second = await clientOf(place);
      const { result } = await second.request('session/resume', { sessionId, cwd: place.cwd });
      expect(result.modes.currentModeId).toBe('chatty');
      expect(second.updates()).toEqual([]);
      await prompt(second, sessionId, 'what is my cat called?');
      expect(second.said()).toContain('Miette');
    });

    alone('a client that names its last number gets what came since: no gap, no repeat', async () => {
      const place = await placeOf();
      const first = await clientOf(place);
      const sessionId = await opened(place, first);
      await prompt(first, sessionId, 'say one');
      const seq = Math.max(...first.seen.flatMap((message) => message.params?._meta?.rehydrate?.seq ?? []));
      await prompt(first, sessionId, 'say two');
      await place.sleep();
      const second = await clientOf(place);
      await load(place, second, sessionId, { _meta: { rehydrate: { after: seq } } });
      expect(second.said()).toBe('two');
      expect(second.updates('user_message_chunk').map((update) => update.content.text)).toEqual(['say two']);
      const wrong = await load(place, second, sessionId, { _meta: { rehydrate: { after: 1_000_000 } } });
      expect(wrong.error).toMatchObject({ code: -32602, data: { code: 'invalid_argument', sessionId } });
    });

    alone('the agent dies between turns: the next prompt answers from memory', async () => {
      const place = await placeOf();
      const client = await clientOf(place);
      const sessionId = await opened(place, client);
      await prompt(client, sessionId, 'my cat is called Miette');
      await place.killAgent();
      const said = client.said().length;
      const { result, error } = await prompt(client, sessionId, 'what is my cat called?');
      expect(error).toBeUndefined();
      expect(result.stopReason).toBe('end_turn');
      expect(client.said().slice(said)).toContain('Miette');
    });

    alone('I3: calls that do not wait for one another: each update comes once and in order, and a close is the end of it', async () => {
      const place = await placeOf();
      const client = await clientOf(place);
      const sessionId = await opened(place, client);
      await prompt(client, sessionId, 'say heron');
      const seqs = (from: number): number[] =>
        client.seen
          .slice(from)
          .flatMap(({ params }) => (/_chunk$/.test(params?.update?.sessionUpdate) ? (params._meta?.rehydrate?.seq ?? []) : []));
      for (const calls of [
        () => [load(place, client, sessionId), prompt(client, sessionId, 'say egret')],
        () => [load(place, client, sessionId), client.request('session/resume', { sessionId, cwd: place.cwd, mcpServers: [] })],
      ]) {
        const from = client.seen.length;
        await Promise.all(calls());
        await prompt(client, sessionId, 'say stork');
        const told = seqs(from);
        expect(told).toEqual([...new Set(told)].sort((a, b) => a - b));
      }
      const closed = await Promise.all([load(place, client, sessionId), client.request('session/close', { sessionId })]);
      expect(closed.map(({ error }) => error)).toEqual([undefined, undefined]);
      const other = way.shared ? await clientOf(place) : null;
      const from = client.seen.length;
      if (other) {
        await load(place, other, sessionId);
        await prompt(other, sessionId, 'say ibis');
        expect(seqs(from)).toEqual([]);
      }
    });

    it('I5: the agent dies in a turn: the prompt ends with an error that says so, and the next one goes on', async () => {
      const place = await placeOf();
      const client = await clientOf(place);
      const sessionId = await opened(place, client);
      await prompt(client, sessionId, 'my cat is called Miette');
      const { error } = await prompt(client, sessionId, 'crash');
      expect(error).toMatchObject({ code: -32603, data: { code: 'turn_outcome_unknown' } });
      const said = client.said().length;
      await prompt(client, sessionId, 'what is my cat called?');
      expect(client.said().slice(said)).toContain('Miette');
    });

    alone('a prompt that is no list, and a key that is no text, are refused: nothing runs', async () => {
      const place = await placeOf();
      const client = await clientOf(place);
      const sessionId = await opened(place, client);
      expect((await client.request('session/prompt', { sessionId, prompt: 'say heron' })).error).toMatchObject({ code: -32602 });
      const keyed = { sessionId, prompt: text('say heron'), _meta: { rehydrate: { idempotencyKey: 5 } } };
      expect((await client.request('session/prompt', keyed)).error).toMatchObject({ code: -32602, data: { code: 'invalid_argument' } });
      expect(client.said()).toBe('');
    });

    alone('a close in a turn cancels it, as ACP wants it', async () => {
      const place = await placeOf();
      const client = await clientOf(place);
      const sessionId = await opened(place, client);
      const running = prompt(client, sessionId, 'count to 400');
      await expect.poll(() => client.said()).not.toBe('');
      expect((await client.request('session/close', { sessionId })).error).toBeUndefined();
      expect(await running).toMatchObject({ result: { stopReason: 'cancelled' } });
    });

    it('a tool call that the agent dies in ends, when it happens and in a replay', async () => {
      const place = await placeOf();
      const client = await clientOf(place);
      const sessionId = await opened(place, client);
      client.answers.set('session/request_permission', () => place.killAgent().then(() => new Promise(() => undefined)));
      const { error } = await prompt(client, sessionId, 'delete file notes.md');
      expect(error).toMatchObject({ data: { code: 'turn_outcome_unknown' } });
      const ends = (of: RawClient) => of.updates('tool_call_update').map(({ toolCallId, status }) => [toolCallId, status]);
      const [{ toolCallId }] = client.updates('tool_call') as [Json];
      expect(ends(client)).toEqual([[toolCallId, 'failed']]);
      await place.sleep();
      const second = await clientOf(place);
      await load(place, second, sessionId);
      expect(second.updates('tool_call')).toMatchObject([{ toolCallId }]);
      expect(ends(second)).toEqual([[toolCallId, 'failed']]);
      // The agent may bring it back in another state: then that is how it is.
      await prompt(second, sessionId, 'say heron');
      expect(second.said()).toContain('heron');
    });

    it('secret values of MCP servers are the client’s to give again, and are on no disk', async () => {
      const place = await placeOf();
      const server = { name: 'notes', command: '/bin/true', args: [], env: [{ name: 'KEY', value: 'a-secret-value' }] };
      const first = await clientOf(place);
      const { result } = await first.request('session/new', { cwd: place.cwd, mcpServers: [server] });
      const { sessionId } = result;
      await place.sleep();
      const second = await clientOf(place);
      expect((await load(place, second, sessionId, { mcpServers: [server] })).error).toBeUndefined();
      expect((await prompt(second, sessionId, 'mcp')).result.stopReason).toBe('end_turn');
      expect(second.said()).toContain('notes');
    });

    it('what the agent asks of its client, and what the client asks of the agent, goes through', async () => {
      const place = await placeOf();
      const client = await clientOf(place);
      const sessionId = await opened(place, client);
      const files: Json[] = [];
      client.answers.set('fs/write_text_file', (params) => (files.push(params), {}));
      client.answers.set('session/request_permission', (params) => ({
        outcome: { outcome: 'selected', optionId: params.options[0].optionId },
      }));
      await prompt(client, sessionId, 'write file notes.md: hello');
      // In v2 files are the agent's own.
      expect(files).toMatchObject(IN_V2 ? [] : [{ sessionId, content: 'hello' }]);
      // The agent's own words, as without us.
      expect((await client.request('_demo/unknown', { sessionId })).error).toMatchObject({ code: -32601 });
    });

    it('I4: the agent lost the session: it gets the record, and a person is told, not in the agent’s name', async () => {
      const place = await placeOf();
      const first = await clientOf(place);
      const sessionId = await opened(place, first);
      await prompt(first, sessionId, 'my cat is called Miette');
      await place.sleep();
      await place.loseStore();
      const second = await clientOf(place);
      await second.request('session/resume', { sessionId, cwd: place.cwd });
      const { result } = await prompt(second, sessionId, 'what is my cat called?');
      expect(result._meta.rehydrate.report.tier).toBe('transcript');
      expect(second.said()).toContain('Miette');
      const [notice, ...more] = second.updates(IN_V2 ? 'notice' : 'tool_call');
      expect(more).toEqual([]);
      expect(notice).toMatchObject(IN_V2 ? { severity: 'warning' } : { kind: 'other', status: 'completed' });
      expect(notice.title).toMatch(/^Rehydrate: the agent no longer had this session/);
      expect(second.seen.findIndex((message) => message.params?.update === notice)).toBeLessThan(
        second.seen.findIndex((message) => message.params?.update?.sessionUpdate === 'agent_message_chunk'),
      );
      // It stands in the record, too.
      const third = way.shared ? await clientOf(place) : second;
      await load(place, third, sessionId);
      expect(third.updates('tool_call').at(-1)).toMatchObject({ title: notice.title, kind: 'other', status: 'completed' });
    });

    alone('I4: a client that shows notices gets one', async () => {
      const place = await placeOf('forgetful');
      const first = await clientOf(place);
      const sessionId = await opened(place, first);
      await prompt(first, sessionId, 'my cat is called Miette');
      await place.sleep();
      const second = await clientOf(place, { protocolVersion: 1, clientCapabilities: { session: { notices: {} } } });
      await second.request('session/resume', { sessionId, cwd: place.cwd });
      await prompt(second, sessionId, 'what is my cat called?');
      expect(second.updates('tool_call')).toEqual([]);
      expect(second.updates('notice')).toMatchObject([{ severity: 'warning' }]);
    });

    it('permission: the client that prompts is asked, and its answer reaches the agent', async () => {
      const place = await placeOf();
      const client = await clientOf(place);
      const sessionId = await opened(place, client);
      const asked: Json[] = [];
      client.answers.set('session/request_permission', (params) => {
        asked.push(params);
        return { outcome: { outcome: 'selected', optionId: params.options[0].optionId } };
      });
      const { result } = await prompt(client, sessionId, 'ask permission');
      expect(result.stopReason).toBe('end_turn');
      expect(asked).toMatchObject([{ sessionId }]);
      expect(Object.keys(asked[0]).sort()).toEqual(['options', 'sessionId', 'toolCall']);
    });

    alone('cancel ends the turn with its stop reason, and so does the cancelling of the request', async () => {
      const place = await placeOf();
      const client = await clientOf(place);
      const sessionId = await opened(place, client);
      const hanging = prompt(client, sessionId, 'count to 1000000');
      await expect.poll(() => client.said()).not.toBe('');
      await client.notify('session/cancel', { sessionId });
      expect((await hanging).result.stopReason).toBe('cancelled');
    });

    alone('a prompt that is cancelled before it was sent is answered as cancelled, and makes no turn', async () => {
      const place = await placeOf('hang-resume');
      const first = await clientOf(place);
      const sessionId = await opened(place, first);
      await prompt(first, sessionId, 'my cat is called Miette');
      await place.sleep();
      const client = await clientOf(place);
      await client.request('session/resume', { sessionId, cwd: place.cwd });
      for (const wait of [0, 0, 300]) {
        const waking = prompt(client, sessionId, 'what is my cat called?');
        await new Promise((resolve) => setTimeout(resolve, wait));
        await client.notify('session/cancel', { sessionId });
        expect((await waking).result).toMatchObject({ stopReason: 'cancelled' });
      }
    });

    alone('errors name what went wrong', async () => {
      const place = await placeOf();
      const client = await clientOf(place);
      expect((await load(place, client, 'nobody')).error).toMatchObject({
        code: -32002,
        data: { code: 'session_not_found', sessionId: 'nobody' },
      });
      expect((await client.request('session/prompt', { sessionId: 'nobody', prompt: text('hi') })).error.code).toBe(-32002);
      expect((await client.request('session/new', { cwd: 'nowhere', mcpServers: [] })).error).toMatchObject({
        code: -32602,
        data: { code: 'invalid_argument' },
      });
      expect((await client.request('session/load', {})).error.code).toBe(-32602);
      for (const wrong of [{ cursor: 7 }, { cursor: 'none of ours' }, { cwd: 7 }, { cwd: 'nowhere' }])
        expect((await client.request('session/list', wrong)).error, JSON.stringify(wrong)).toMatchObject({ code: -32602 });
      expect((await client.request('session/list', { cursor: null, cwd: null })).error).toBeUndefined();
      expect((await client.request('session/nonsense', {})).error.code).toBe(-32601);
      const sessionId = await opened(place, client);
      expect((await client.request('session/prompt', { sessionId, prompt: [] })).error.code).toBe(-32602);
      expect((await client.request('session/set_mode', { sessionId, modeId: 'no-such' })).error.code).toBe(-32602);
    });

    alone('settings hold for the next life', async () => {
      const place = await placeOf();
      const first = await clientOf(place);
      const sessionId = await opened(place, first);
      expect((await first.request('session/set_mode', { sessionId, modeId: 'brief' })).error).toBeUndefined();
      const { result } = await first.request('session/set_config_option', { sessionId, configId: 'model', value: 'memo-large' });
      expect(result.configOptions).toMatchObject([{ id: 'model', currentValue: 'memo-large' }]);
      await place.sleep();
      const second = await clientOf(place);
      const loaded = await load(place, second, sessionId);
      expect(loaded.result).toMatchObject({ modes: { currentModeId: 'brief' }, configOptions: [{ currentValue: 'memo-large' }] });
    });

    alone('list is filtered by directory; close lets the agent go and keeps the record; delete does not', async () => {
      const place = await placeOf();
      const client = await clientOf(place);
      const sessionId = await opened(place, client);
      const sessions = async (params: object) => (await client.request('session/list', params)).result.sessions;
      expect(await sessions({ cwd: place.cwd })).toMatchObject([{ title: null }]);
      await prompt(client, sessionId, 'call this session A talk');
      expect(await sessions({ cwd: place.cwd })).toMatchObject([{ title: 'A talk' }]);
      expect(await sessions({ cwd: '/elsewhere' })).toEqual([]);
      expect((await client.request('session/close', { sessionId })).result).toEqual({});
      expect(await sessions({})).toHaveLength(1);
      expect((await client.request('session/delete', { sessionId })).result).toEqual({});
      expect(await sessions({})).toEqual([]);
      expect((await client.request('session/delete', { sessionId })).error.code).toBe(-32002);
    });

    alone('fork: a second session that begins with the first one’s record, by an id of ours', async () => {
      const place = await placeOf();
      const client = await clientOf(place);
      const sessionId = await opened(place, client);
      await prompt(client, sessionId, 'my cat is called Miette');
      const { result: made } = await client.request('session/fork', { sessionId, cwd: place.cwd, mcpServers: [] });
      expect(made).toMatchObject({ modes: { currentModeId: 'chatty' } });
      expect(made.sessionId).not.toBe(sessionId);
      const before = client.said().length;
      await prompt(client, made.sessionId, 'what is my cat called?');
      expect(client.said().slice(before)).toContain('Miette');
      const { result: list } = await client.request('session/list', {});
      expect(list.sessions).toHaveLength(2);
    });

    describe.runIf(way.shared)('several clients', () => {
      it('each sees what the other says and hears, and nobody hears itself', async () => {
        const place = await placeOf();
        const one = await clientOf(place);
        const sessionId = await opened(place, one);
        const two = await clientOf(place);
        await load(place, two, sessionId);
        await prompt(one, sessionId, 'say one');
        await prompt(two, sessionId, 'say two');
        await expect.poll(() => [one.said(), two.said()]).toEqual(['onetwo', 'onetwo']);
        expect(one.updates('user_message_chunk').map((update) => update.content.text)).toEqual(['say two']);
        expect(two.updates('user_message_chunk').map((update) => update.content.text)).toEqual(['say one']);
        // The other's turn begins and ends, for whoever reads it.
        const turns = two.seen.flatMap((message) => message.params?._meta?.rehydrate?.turn?.state ?? []);
        expect(turns).toEqual(['running', 'completed']);
      });

      alone('one that comes back is told of the turns that it missed, as one that stayed', async () => {
        const place = await placeOf();
        const one = await clientOf(place);
        const sessionId = await opened(place, one);
        const [stayed, left] = [await clientOf(place), await clientOf(place)];
        for (const each of [stayed, left]) await load(place, each, sessionId);
        const news = (client: RawClient): Json[] =>
          client.seen.flatMap(({ params }) => (params?._meta?.rehydrate?.turn ? [params._meta.rehydrate] : []));
        const states = (client: RawClient): string[] => news(client).map(({ turn }) => turn.state);
        await prompt(one, sessionId, 'say one');
        const running = prompt(one, sessionId, 'stream 500 chunks');
        await expect.poll(() => states(left)).toEqual(['running', 'completed', 'running']);
        await left.leave();
        await left.ended;
        await running;
        await prompt(one, sessionId, 'say three');
        const hanging = prompt(one, sessionId, 'count to 1000000');
        await expect.poll(() => states(stayed).length).toBe(7);
        const back = await clientOf(place);
        const after = Math.max(...left.seen.flatMap(({ params }) => params?._meta?.rehydrate?.seq ?? []));
        await back.request('session/resume', { sessionId, cwd: place.cwd, _meta: { rehydrate: { after } } });
        await one.notify('session/cancel', { sessionId });
        await hanging;
        await expect.poll(() => states(stayed).at(-1)).toBe('cancelled');
        await expect.poll(() => [...news(left), ...news(back)]).toEqual(news(stayed));
      });

      it('permission: whoever answers first has answered, and the other’s question is withdrawn', async () => {
        const place = await placeOf();
        const one = await clientOf(place);
        const sessionId = await opened(place, one);
        const two = await clientOf(place);
        await load(place, two, sessionId);
        const never = new Promise(() => undefined);
        one.answers.set('session/request_permission', () => never);
        two.answers.set('session/request_permission', (params) => ({
          outcome: { outcome: 'selected', optionId: params.options[0].optionId },
        }));
        const { result } = await prompt(one, sessionId, 'ask permission');
        expect(result.stopReason).toBe('end_turn');
        const question = one.seen.find((message) => message.method === 'session/request_permission');
        expect(one.seen.find((message) => message.method === '$/cancel_request')?.params).toEqual({ requestId: question.id });
      });

      alone('permission: a client that cannot answer has not answered for the others; where nobody can, it is cancelled', async () => {
        const place = await placeOf();
        const one = await clientOf(place);
        const sessionId = await opened(place, one);
        const two = await clientOf(place);
        await load(place, two, sessionId);
        let refused = false;
        one.answers.set('session/request_permission', async (params) => {
          await expect.poll(() => refused).toBe(true);
          return { outcome: { outcome: 'selected', optionId: params.options[0].optionId } };
        });
        const turn = prompt(one, sessionId, 'ask permission');
        // The raw client answers −32601 where the test has no answer for it.
        await expect.poll(() => two.seen.some((message) => message.method === 'session/request_permission')).toBe(true);
        refused = true;
        await turn;
        expect(one.said()).toContain('Thank you. I did it.');
        one.answers.clear();
        await prompt(two, sessionId, 'ask permission');
        expect(two.said()).toContain('Nobody answered');
      });

      it('a client that comes while something is asked is asked, too', async () => {
        const place = await placeOf();
        const one = await clientOf(place);
        const sessionId = await opened(place, one);
        one.answers.set('session/request_permission', () => new Promise(() => undefined));
        const turn = prompt(one, sessionId, 'ask permission');
        await expect.poll(() => one.seen.some((message) => message.method === 'session/request_permission')).toBe(true);
        const two = await clientOf(place);
        two.answers.set('session/request_permission', (params) => ({
          outcome: { outcome: 'selected', optionId: params.options[0].optionId },
        }));
        await two.request('session/resume', { sessionId, cwd: place.cwd });
        expect((await turn).result.stopReason).toBe('end_turn');
      });

      alone('one prompts at a time; the other is told that a turn runs', async () => {
        const place = await placeOf();
        const one = await clientOf(place);
        const sessionId = await opened(place, one);
        const two = await clientOf(place);
        const running = prompt(one, sessionId, 'count to 1000000');
        await expect.poll(() => one.said()).not.toBe('');
        expect((await prompt(two, sessionId, 'say hi')).error).toMatchObject({ code: -32603, data: { code: 'turn_in_progress' } });
        // And it may stop what the other began.
        await two.notify('session/cancel', { sessionId });
        expect((await running).result.stopReason).toBe('cancelled');
      });

      it('a client that goes ends nothing; another one sees the turn through', async () => {
        const place = await placeOf();
        const stream = inVersion(await place.connect());
        const one = rawClient(stream);
        await one.request('initialize', INITIALIZE);
        const sessionId = await opened(place, one);
        void prompt(one, sessionId, 'stream 2000 chunks');
        await expect.poll(() => one.said()).not.toBe('');
        await one.leave();
        const two = await clientOf(place);
        await load(place, two, sessionId);
        // Whether it comes to see the turn or its record: all of it, and the turn has ended.
        await expect.poll(() => two.said().match(/\d+/g)?.length).toBe(2000);
        expect(two.said().match(/\d+/g)).toEqual(Array.from({ length: 2000 }, (_, i) => String(i + 1)));
        await expect.poll(async () => (await prompt(two, sessionId, 'say hi')).result?.stopReason).toBe('end_turn');
      });

      alone('a session that several have open is closed for one of them only', async () => {
        const place = await placeOf();
        const one = await clientOf(place);
        const sessionId = await opened(place, one);
        const two = await clientOf(place);
        await load(place, two, sessionId);
        const turn = prompt(one, sessionId, 'count to 20');
        await expect.poll(() => two.said()).not.toBe('');
        await two.request('session/close', { sessionId });
        expect((await turn).result.stopReason).toBe('end_turn');
      });
    });

    alone('the SDK’s own client works with it', async () => {
      const place = await placeOf();
      let said = '';
      const app = sdkClient({ name: 'a client' })
        .onNotification(methods.client.session.update, ({ params }) => {
          if (params.update.sessionUpdate === 'agent_message_chunk' && params.update.content.type === 'text')
            said += params.update.content.text;
        })
        .connect(inVersion(await place.connect()));
      await app.agent.request(methods.agent.initialize, { protocolVersion: 1, clientCapabilities: {} });
      const { sessionId } = await app.agent.request(methods.agent.session.new, { cwd: place.cwd, mcpServers: [] });
      const { stopReason } = await app.agent.request(methods.agent.session.prompt, {
        sessionId,
        prompt: [{ type: 'text', text: 'say hello' }],
      });
      expect([stopReason, said]).toEqual(['end_turn', 'hello']);
      const { sessions } = await app.agent.request(methods.agent.session.list, {});
      expect(sessions.map((session) => session.sessionId)).toEqual([sessionId]);
    });
  });
}
