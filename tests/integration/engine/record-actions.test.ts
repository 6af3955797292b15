/** Sessions as things to work with, on a host with an agent. */
import { describe, expect, it } from 'vitest';
import type { SessionChange } from '../../../src/engine/index.ts';
import { inProcessLauncher, memoryStore } from '../../../src/testing/agents/index.ts';
import { said, world, worldOf, itInV1 } from './helpers.ts';

const PLACE = { agent: 'demo', cwd: '/project' };

describe('a cursor', () => {
  it('beyond the log is refused by both', async () => {
    const host = await (await world()).wake();
    const { latestSeq } = await host.open('main', PLACE);
    expect(await host.history('main', { after: latestSeq })).toEqual([]);
    await expect(host.history('main', { after: latestSeq + 1 })).rejects.toMatchObject({ code: 'invalid_argument' });
    const beyond = host.events('main', { after: latestSeq + 1 });
    await expect(beyond[Symbol.asyncIterator]().next()).rejects.toMatchObject({ code: 'invalid_argument' });
  });
});

describe('open and update', () => {
  it('open makes a session once, and says when it is another one', async () => {
    const host = await (await world()).wake();
    const first = await host.open('main', PLACE);
    expect(await host.open('main', PLACE)).toMatchObject({ sessionId: 'main', createdAt: first.createdAt });
    await expect(host.open('main', { ...PLACE, cwd: '/elsewhere' })).rejects.toMatchObject({ code: 'invalid_argument' });
  });

  it.each([['live'], ['asleep']])('a title, metadata and a directory of its own, while it is %s', async (state) => {
    const { wake } = await world();
    const host = await wake();
    const { sessionId } = await host.create(PLACE);
    await host.prompt(sessionId, 'call this session The agent’s title');
    if (state === 'asleep') await host.close(sessionId);
    const before = (await host.get(sessionId)).latestSeq;
    const info = await host.update(sessionId, { title: 'Mine', metadata: { colour: 'red' } });
    expect(info).toMatchObject({ title: 'Mine', metadata: { colour: 'red' }, state });
    expect(await host.history(sessionId, { after: before })).toMatchObject([
      { kind: 'update', origin: 'host', payload: { sessionUpdate: 'session_info_update', title: 'Mine' } },
    ]);
    await host.update(sessionId, { title: null, metadata: null, cwd: '/moved' });
    const other = await wake();
    expect(await other.get(sessionId)).toMatchObject({ title: 'The agent’s title', metadata: null, cwd: '/moved' });
    await expect(host.update(sessionId, { metadata: { x: 'x'.repeat(20_000) } })).rejects.toMatchObject({ code: 'limit_exceeded' });
    await expect(host.update(sessionId, { colour: 'red' } as never)).rejects.toMatchObject({ code: 'invalid_argument' });
  });

  it('servers given again: their values are in memory, their names in the record', async () => {
    const { wake, db } = await world();
    const host = await wake();
    const server = (value: string) => ({ name: 'notes', command: '/bin/notes', args: [], env: [{ name: 'KEY', value }] });
    const { sessionId } = await host.create({ ...PLACE, mcpServers: [server('first-secret-value')] });
    await host.sleep();
    const next = await wake();
    await expect(next.prompt(sessionId, 'mcp')).rejects.toMatchObject({ code: 'secret_missing' });
    await next.update(sessionId, { mcpServers: [server('other-secret-value')] });
    const { turnId } = await next.prompt(sessionId, 'mcp');
    expect(said(await next.history(sessionId), turnId)).toContain('notes');
    expect(JSON.stringify(await db.query('SELECT * FROM acp_sessions'))).not.toContain('secret-value');
  });
});

describe('list and watch', () => {
  it('list is by agent and directory, with the questions that are open', async () => {
    const host = await (await world()).wake();
    const { sessionId } = await host.create(PLACE);
    await host.create({ ...PLACE, cwd: '/other' });
    expect((await host.list({ cwd: '/other' })).sessions).toHaveLength(1);
    expect((await host.list({ agent: 'nobody' })).sessions).toEqual([]);
    const turn = host.prompt(sessionId, 'ask permission');
    await expect.poll(async () => (await host.get(sessionId)).openPermissions).toHaveLength(1);
    await host.cancel(sessionId);
    await turn;
    expect((await host.get(sessionId)).openPermissions).toEqual([]);
  });

  it('watch tells what is made, changed and deleted, also by another host', async () => {
    const { wake } = await world();
    const host = await wake({ limits: { followMs: 20 } });
    const other = await wake();
    const { sessionId: old } = await other.create(PLACE);
    const stop = new AbortController();
    const seen: SessionChange[] = [];
    const watching = (async () => {
      for await (const change of host.watch({ signal: stop.signal })) seen.push(change);
    })();
    await new Promise((resolve) => setTimeout(resolve, 60));
    const { sessionId } = await other.create(PLACE);
    await expect.poll(() => seen.map(({ kind, sessionId: id }) => [kind, id])).toContainEqual(['created', sessionId]);
    await other.prompt(old, 'say hi');
    await expect.poll(() => seen.map(({ kind, sessionId: id }) => [kind, id])).toContainEqual(['changed', old]);
    await other.delete(sessionId);
    await expect.poll(() => seen).toContainEqual({ kind: 'deleted', sessionId });
    stop.abort();
    await watching;
  });
});

describe('fork, handoff, adopt', () => {
  it('a fork answers from the record up to its point, and the original goes on by itself', async () => {
    const host = await (await world()).wake();
    const { sessionId } = await host.create(PLACE);
    await host.prompt(sessionId, 'my cat is called Miette');
    const { latestSeq } = await host.get(sessionId);
    await host.prompt(sessionId, 'my dog is called Rex');
    const fork = await host.fork(sessionId, { after: latestSeq });
    const { turnId, report } = await host.prompt(fork.sessionId, 'what do you remember?');
    expect(report).toMatchObject({ tier: 'transcript', previousAgentSessionId: null });
    const answer = said(await host.history(fork.sessionId), turnId);
    expect(answer).toContain('Miette');
    expect(answer).not.toContain('Rex');
    const again = await host.prompt(sessionId, 'what do you remember?');
    expect(said(await host.history(sessionId), again.turnId)).toContain('Rex');
  });

  it('a handoff goes on with another agent, and back', async () => {
    const one = inProcessLauncher({ variant: 'native' });
    const two = inProcessLauncher({ variant: 'amnesiac' });
    const { wake } = await worldOf({
      launch: (spec, options) => (spec.agent === 'one' ? one : two).launch(spec, options),
    });
    const host = await wake();
    const { sessionId } = await host.create({ agent: 'one', cwd: '/project' });
    await host.prompt(sessionId, 'my cat is called Miette');
    const there = await host.fork(sessionId, { agent: 'two' });
    expect(there.agent).toBe('two');
    await host.prompt(there.sessionId, 'my dog is called Rex');
    const back = await host.fork(there.sessionId, { agent: 'one' });
    const { turnId } = await host.prompt(back.sessionId, 'what do you remember?');
    const answer = said(await host.history(back.sessionId), turnId);
    expect(answer).toContain('Miette');
    expect(answer).toContain('Rex');
  });

  it('a session begun without us comes in with what was said, once', async () => {
    const store = memoryStore();
    const agents = inProcessLauncher({ store });
    const { wake } = await worldOf(agents);
    const elsewhere = await (await worldOf(inProcessLauncher({ store }))).wake();
    const begun = await elsewhere.create(PLACE);
    await elsewhere.prompt(begun.sessionId, 'my cat is called Miette');
    await elsewhere.sleep();

    const host = await wake();
    const { sessionId } = await host.adopt({ ...PLACE, agentSessionId: begun.agentSessionId as string });
    const report = await host.resume(sessionId);
    expect(report).toMatchObject({ tier: 'load', replay: { imported: 2 } });
    const talk = async () =>
      (await host.history(sessionId)).flatMap((event) =>
        event.kind === 'update' && /_message_chunk$/.test(event.payload.sessionUpdate) ? [event.payload.sessionUpdate] : [],
      );
    expect(await talk()).toEqual(['user_message_chunk', 'agent_message_chunk']);
    await host.close(sessionId);
    await host.resume(sessionId);
    expect(await talk()).toHaveLength(2);
    const { turnId } = await host.prompt(sessionId, 'what is my cat called?');
    expect(said(await host.history(sessionId), turnId)).toContain('Miette');
  });

  it('I3: however often and from wherever it is adopted, it comes in once', async () => {
    const { wake, db } = await world();
    const [host, other] = [await wake(), await wake()];
    const one = { ...PLACE, agentSessionId: 'theirs' };
    const adopted = await Promise.all([
      host.adopt({ ...one, sessionId: 'theirs' }),
      other.adopt({ ...one, sessionId: 'theirs' }),
      host.adopt(one),
      other.adopt(one),
    ]);
    const [first] = adopted;
    expect(adopted.map(({ sessionId }) => sessionId)).toEqual(adopted.map(() => first?.sessionId));
    expect(await db.query('SELECT agent_session_id, began_seq FROM acp_agent_sessions')).toEqual([
      { agent_session_id: 'theirs', began_seq: 0 },
    ]);
    // Another agent's of the same id is another session, and cannot have the same id here.
    expect((await host.adopt({ ...one, agent: 'other' })).sessionId).not.toBe(first?.sessionId);
    await expect(host.adopt({ ...one, agentSessionId: 'another', sessionId: first!.sessionId })).rejects.toMatchObject({
      code: 'session_exists',
    });
  });

  it('the agent’s own sessions are listed, those of the record by their ids here, from one process', async () => {
    const store = memoryStore();
    const elsewhere = await (await worldOf(inProcessLauncher({ store }))).wake();
    const begun = [await elsewhere.create(PLACE), await elsewhere.create({ ...PLACE, cwd: '/other' })];
    for (const { sessionId } of begun) await elsewhere.prompt(sessionId, 'my cat is called Miette');
    await elsewhere.sleep();

    let launched = 0;
    const agents = inProcessLauncher({ store });
    const host = await (
      await worldOf({
        launch(...args) {
          launched++;
          return agents.launch(...args);
        },
      })
    ).wake();
    const ids = async (cwd?: string) =>
      (await host.agentSessions({ agent: 'demo', ...(cwd === undefined ? {} : { cwd }) })).sessions.map(
        ({ agentSessionId, sessionId, cwd: where }) => [agentSessionId, sessionId, where],
      );
    const [here, there] = begun.map(({ agentSessionId }) => agentSessionId as string) as [string, string];
    const [one, two] = await Promise.all([ids('/project'), ids()]);
    expect(one).toEqual([[here, null, '/project']]);
    expect(two).toHaveLength(2);
    await host.adopt({ ...PLACE, agentSessionId: here, sessionId: here });
    expect(await ids('/project')).toEqual([[here, here, '/project']]);
    const { report } = await host.prompt(here, 'what is my cat called?');
    expect(report.tier).toBe('load');
    const made = await host.create(PLACE);
    const all = await ids();
    expect(all).toContainEqual([there, null, '/other']);
    expect(all).toContainEqual([made.agentSessionId, made.sessionId, '/project']);
    // One to look and then for the session that was adopted, one for the session that was made.
    expect(launched).toBe(2);
  });

  itInV1('an agent that keeps no list has none to show', async () => {
    const host = await (await world('amnesiac')).wake();
    expect(await host.agentSessions({ agent: 'demo' })).toEqual({ sessions: [] });
    await expect(host.agentSessions({ agent: 'demo', cwd: 'here' })).rejects.toMatchObject({ code: 'invalid_argument' });
  });

  it('I4: one that the agent does not have is an error, not an empty session', async () => {
    const host = await (await world()).wake();
    const { sessionId } = await host.adopt({ ...PLACE, agentSessionId: 'nobody-knows-it' });
    await expect(host.prompt(sessionId, 'say hi')).rejects.toMatchObject({ code: 'session_not_resumable' });
  });
});

describe('export, import and search', () => {
  it('an exported session comes back elsewhere, and answers from what was said', async () => {
    const host = await (await world()).wake();
    const { sessionId } = await host.create(PLACE);
    await host.prompt(sessionId, 'my cat is called Miette, and my key is ghp_abcdefghijklmnopqrstuvwxyz0123456789');
    const lines: string[] = [];
    for await (const line of host.export(sessionId)) lines.push(line);
    expect(lines.join('\n')).not.toContain('abcdefghijklmnopqrstuvwxyz');
    const other = await (await world()).wake();
    const came = await other.import(lines);
    expect(came).toMatchObject({ sessionId, agentSessionId: null });
    const { turnId } = await other.prompt(sessionId, 'what is my cat called?');
    expect(said(await other.history(sessionId), turnId)).toContain('Miette');
  });

  it('a whole file is taken in as one text, and a piece of one is refused with what to give', async () => {
    const host = await (await world()).wake();
    const { sessionId } = await host.create(PLACE);
    await host.prompt(sessionId, 'say heron');
    const lines: string[] = [];
    for await (const line of host.export(sessionId)) lines.push(line);
    const file = `${lines.join('\r\n')}\r\n`;
    for (const given of [file, file.split('\n')]) {
      const { sessionId: copy } = await host.import(given, { sessionId: `copy-${typeof given}` });
      expect((await host.history(copy)).length).toBe((await host.history(sessionId)).length);
    }
    await expect(host.import([file.slice(0, file.indexOf('\n') + 50)], { sessionId: 'piece' })).rejects.toMatchObject({
      code: 'invalid_argument',
      message: expect.stringContaining('Give its lines one by one, or the whole file as one text'),
    });
  });

  it('what was deleted is found no more', async () => {
    const { wake, db } = await world();
    const host = await wake();
    const { sessionId } = await host.create(PLACE);
    await host.prompt(sessionId, 'say heron');
    expect((await host.search('heron')).hits).toMatchObject([
      { role: 'agent', snippet: 'heron' },
      { role: 'user', snippet: 'say heron' },
    ]);
    await host.delete(sessionId);
    expect((await host.search('heron')).hits).toEqual([]);
    expect(await db.query('SELECT 1 FROM acp_search')).toEqual([]);
    await expect(host.search('…')).rejects.toMatchObject({ code: 'invalid_argument' });
  });
});
