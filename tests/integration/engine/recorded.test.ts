/** What OpenCode was recorded saying, without OpenCode: the same turns, wakes and losses at the engine's own speed. */
import { describe, expect, it } from 'vitest';
import type { Host, SessionEvent, SessionUpdate } from '../../../src/engine/index.ts';
import { classOf } from '../../../src/engine/protocol/updates.ts';
import { CWD, said, until, worldOf } from './helpers.ts';
import { life, recordedAgents, renamed, withoutResume, type Life } from './recorded.ts';

const FIRST_LIFE = life('new-and-prompt', 'write-file', 'plan', 'permission-once', 'permission-reject', 'cancel');
const RESUME = life('kill-and-resume');
const LOAD = withoutResume(life('kill-and-load'));

/** All the recorded turns of a first life, as their client had them. */
async function firstLife(host: Host): Promise<void> {
  await host.create({ agent: 'opencode', cwd: CWD, sessionId: 's' });
  for (const text of ['The codeword is heron.', 'Write the file.', 'Plan it.'])
    expect((await host.prompt('s', text)).stopReason).toBe('end_turn');
  for (const optionId of ['once', 'reject']) {
    const turn = host.prompt('s', 'Run the command.');
    await host.respondPermission('s', (await seen(host, 'permission_requested', optionId === 'once' ? 1 : 2)).payload.requestId, optionId);
    expect((await turn).stopReason).toBe('end_turn');
  }
  const cancelled = host.prompt('s', 'Count for ever.');
  await seen(host, 'turn_started', 6);
  await until(() => host.get('s').then(({ state }) => state === 'prompting'));
  await host.cancel('s');
  expect((await cancelled).stopReason).toBe('cancelled');
}

/** The `count`th event of a kind, once it is there. */
async function seen<K extends SessionEvent['kind']>(host: Host, kind: K, count: number): Promise<Extract<SessionEvent, { kind: K }>> {
  for await (const event of host.events('s')) {
    if (event.kind === kind && --count === 0) return event as Extract<SessionEvent, { kind: K }>;
  }
  throw new Error(`no ${kind} came`);
}

/** Wakes on the record of a first life, and asks; with several lives it does so in each. The last one's is told. */
async function wakeAs(...lives: readonly Life[]) {
  const agents = recordedAgents(FIRST_LIFE, ...lives);
  const { wake } = await worldOf(agents);
  let host = await wake({ permission: 'ask' });
  await firstLife(host);
  for (const last of lives.map((_, i) => i === lives.length - 1)) {
    const before = await host.history('s', { limit: 1_000 });
    await host.sleep();
    host = await wake();
    const { report, turnId } = await host.prompt('s', 'What is the codeword?');
    if (!last) continue;
    const after = await host.history('s', { limit: 1_000 });
    expect(after.slice(0, before.length), 'what was there is there').toEqual(before);
    return { host, agents, report, before, added: after.slice(before.length), answer: said(after, turnId) };
  }
  throw new Error('no life to wake to');
}

/** Neighbouring chunks of one message as one: text is stored in fewer pieces than it came in. */
const joined = (updates: readonly SessionUpdate[]): SessionUpdate[] =>
  updates.reduce<SessionUpdate[]>((told, update) => {
    const last = told.at(-1);
    if (
      last?.sessionUpdate === 'agent_message_chunk' &&
      update.sessionUpdate === 'agent_message_chunk' &&
      last.messageId === update.messageId &&
      last.content.type === 'text' &&
      update.content.type === 'text'
    ) {
      told[told.length - 1] = { ...last, content: { ...last.content, text: last.content.text + update.content.text } };
    } else told.push(update);
    return told;
  }, []);

/** State that says nothing new is not stored again. */
const withoutRepeats = (updates: readonly SessionUpdate[]): SessionUpdate[] => {
  const last = new Map<string, string>();
  return updates.filter((update) => {
    if (classOf(update) !== 'state') return true;
    const says = JSON.stringify(update);
    const repeated = last.get(update.sessionUpdate) === says;
    last.set(update.sessionUpdate, says);
    return !repeated;
  });
};

const updatesOf = (events: readonly SessionEvent[]) => events.flatMap((event) => (event.kind === 'update' ? [event.payload] : []));

/** What stands in the rows: their origin, their kind, and whether they are of a turn. A message of several rows is told once, and the commands, which come when they like, are left out. */
const rowsOf = (events: readonly SessionEvent[]): string[] =>
  events
    .map(
      ({ origin, turnId, ...event }) =>
        `${origin} ${event.kind === 'update' ? event.payload.sessionUpdate : event.kind}${turnId === null ? '' : ', of the turn'}`,
    )
    .filter((row, i, rows) => row !== rows[i - 1] && !row.includes('available_commands_update'));

/** All that a wake and one turn of the recorded agents add. */
const ONE_TURN = [
  'agent agent_exited',
  'host resumed',
  'host turn_started, of the turn',
  'host user_message_chunk, of the turn',
  'agent agent_message_chunk, of the turn',
  'agent usage_update, of the turn',
  'host turn_ended, of the turn',
];

describe('what OpenCode was recorded saying', () => {
  it('I1: every update is in the record as it came, in order; turns, permissions and the cancel around it', async () => {
    const { before } = await wakeAs(RESUME);
    const stored = updatesOf(before).filter((update) => update.sessionUpdate !== 'user_message_chunk');
    const recorded = withoutRepeats(
      FIRST_LIFE.flatMap(({ frame }) => (frame.method === 'session/update' ? [frame.params?.['update'] as SessionUpdate] : [])),
    );
    expect(recorded.length).toBeGreaterThan(20);
    expect(joined(stored)).toEqual(joined(recorded));
    expect(updatesOf(before).length - stored.length, 'one of the user for each prompt').toBe(6);
    const ends = before.flatMap((event) => (event.kind === 'turn_ended' ? [event.payload.stopReason] : []));
    expect(ends).toEqual(['end_turn', 'end_turn', 'end_turn', 'end_turn', 'end_turn', 'cancelled']);
    const chosen = before.flatMap((event) => (event.kind === 'permission_resolved' ? [event.payload] : []));
    expect(chosen).toMatchObject([
      { optionId: 'once', by: 'person' },
      { optionId: 'reject', by: 'person' },
    ]);
  });

  it('I4: after a kill it is resumed; nothing is replayed and nothing added but the turn', async () => {
    const { report, added, answer } = await wakeAs(RESUME);
    expect(report.tier).toBe('resume');
    expect(answer).toBe('You said: What is the codeword?');
    expect(rowsOf(added)).toEqual(ONE_TURN);
  });

  it('I3: after another it is loaded; its replay of every turn, told in other chunks, adds no row', async () => {
    const { report, added, answer } = await wakeAs(RESUME, LOAD);
    expect(report).toMatchObject({ tier: 'load', replay: { imported: 0, missing: 0 } });
    expect(answer).toBe('You said: What is the codeword?');
    // Its usage is what it was.
    expect(rowsOf(added)).toEqual(ONE_TURN.filter((row) => !row.includes('usage_update')));
  });

  it('I3: a turn it had with another client is imported, before the new one', async () => {
    // The recorded load comes after the recorded resume, of whose turn this record knows nothing.
    const { report, added, answer } = await wakeAs(LOAD);
    expect(report).toMatchObject({ tier: 'load', replay: { imported: 2, missing: 0 } });
    const imported = added.filter((event) => event.origin === 'import');
    expect(updatesOf(imported).map((update) => update.sessionUpdate)).toEqual(['user_message_chunk', 'agent_message_chunk']);
    expect(added.indexOf(imported.at(-1)!)).toBeLessThan(added.findIndex((event) => event.kind === 'turn_started'));
    expect(answer).toBe('You said: What is the codeword?');
  });

  it('I4: its opaque error is a lost session once its list does not have it; the preamble goes once', async () => {
    const successor = renamed(life('new-and-prompt').slice(2), 'ses_1', 'ses_2');
    const { host, report, agents } = await wakeAs([...life('store-lost'), ...successor, ...successor.slice(2)]);
    expect(report).toMatchObject({ tier: 'transcript', agentSessionId: 'ses_2', previousAgentSessionId: 'ses_1' });
    expect(report.attempts.map(({ method, outcome }) => [method, outcome])).toEqual([
      ['session/resume', 'unknown_session'],
      ['session/load', 'unknown_session'],
      ['session/new', 'ok'],
    ]);
    expect(agents.heard.map(({ method }) => method)).toContain('session/list');
    await host.prompt('s', 'The codeword is heron.');
    const prompts = agents.heard.filter(({ method }) => method === 'session/prompt').slice(-2);
    expect(prompts.map(({ params }) => params?.['sessionId'])).toEqual(['ses_2', 'ses_2']);
    expect(prompts.map(({ params }) => JSON.stringify(params?.['prompt']).includes('You said: The codeword is heron.'))).toEqual([
      true,
      false,
    ]);
    expect((await host.get('s')).sessionId).toBe('s');
  });

  it('I4: the same error with the session in the list leaves the session as it is', async () => {
    const listed = JSON.stringify(life('store-lost')).replace('"sessions":[]', '"sessions":[{"sessionId":"ses_1","cwd":"/project"}]');
    await expect(wakeAs(JSON.parse(listed) as Life)).rejects.toMatchObject({ code: 'resume_indeterminate' });
  });

  it('a session that was never prompted is loaded, and its replay is empty', async () => {
    const fresh = renamed(life('new-and-prompt'), 'ses_1', 'ses_2');
    const agents = recordedAgents(fresh, [...withoutResume(life('never-prompted')), ...fresh.slice(4)]);
    const { wake } = await worldOf(agents);
    const first = await wake();
    await first.create({ agent: 'opencode', cwd: CWD, sessionId: 's' });
    await first.sleep();
    const { report } = await (await wake()).prompt('s', 'The codeword is heron.');
    expect(report).toMatchObject({
      tier: 'load',
      verified: 'replay-matched',
      replay: { received: 0, matched: 0, missing: 0, imported: 0 },
    });
  });
});
