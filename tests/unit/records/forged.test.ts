/** A file that anybody may have written: what of it is taken can be read, prompted from and exported again; the rest is refused by its line. */
import { expect, it, onTestFinished } from 'vitest';
import { openNodeSqlite } from '../../../src/adapters/node-sqlite/index.ts';
import { createHost, foldEvents } from '../../../src/engine/index.ts';
import { SESSION } from '../../../src/engine/records/portable.ts';

const HEAD = {
  session_id: 's',
  agent: 'demo',
  cwd: '/project',
  title: null,
  title_set: null,
  additional_directories: [],
  mcp_servers: [],
  env_names: [],
};
const HELLO = { sessionUpdate: 'user_message_chunk', content: { type: 'text', text: 'hello' } };
/** What is no session's, wherever it stands. */
const ODD: readonly unknown[] = [
  ...[3, null, true, '', 'x', [], {}, [3], [null], ['x'], [{}], [[]], { toString: 1 }],
  ...[{ name: 3 }, { name: 'n' }, { name: 'n', env: [{ name: 'K' }] }, { name: 'n', headers: 'h' }].map((server) => [server]),
  ...[[{ id: 'a' }], [{ id: 'a', currentValue: 3 }], { currentModeId: 3 }, { currentModeId: 'a', availableModes: 3 }],
  ...[
    { mode: 3, options: 3 },
    { mode: 'a', options: { b: {} } },
  ],
];
const PAYLOADS: readonly object[] = [
  ...[{}, { state: 'x' }, { state: 'failed', error: 3 }, { tier: 3 }, { requestId: 3 }, { requestId: 'r', toolCall: 3, options: 3 }],
  ...[{ requestId: 'r', question: 3 }, { requestId: 'r', answer: 3 }, { kind: null }, { sessionUpdate: 3 }],
  ...[null, 3, [3], {}, [{ type: 'content' }]].flatMap((content) =>
    ['user_message_chunk', 'agent_message_chunk', 'agent_message', 'tool_call', 'plan'].map((sessionUpdate) => ({
      sessionUpdate,
      content,
    })),
  ),
  ...['plan', 'tool_call_update', 'current_mode_update', 'config_option_update', 'notice'].map((sessionUpdate) => ({
    ...{ sessionUpdate, entries: [null], toolCallId: 3, currentModeId: 3, configOptions: [null], title: 3 },
  })),
];
const KINDS = ['turn_started', 'update', 'permission_requested', 'permission_resolved', 'elicitation_requested', 'elicitation_resolved']; // prettier-ignore

const file = (session: object, kind = 'update', payload: object = HELLO): string[] => {
  const event = (seq: number, fields: object) => ({ event: { seq, turn_id: 't', at: 1, origin: 'host', meta: null, ...fields } });
  const events = [event(1, { kind: 'update', payload: HELLO }), event(2, { kind, payload })];
  return [{ rehydrate: 'session', version: 1, session }, ...events, { end: { lines: 2, events: 2 } }].map((line) => JSON.stringify(line));
};

async function opened() {
  const database = await openNodeSqlite(':memory:');
  const host = await createHost({ database, agents: {} });
  onTestFinished(async () => {
    await host.sleep();
    await database.close();
  });
  return host;
}

/** Null: it was refused, by its line. Else everything that can be done without an agent is, and it is gone again. */
async function use(host: Awaited<ReturnType<typeof opened>>, lines: readonly string[]): Promise<string[] | null> {
  const made = await host.import(lines).catch((error: { code: string; data: object }) => {
    expect(error).toMatchObject({ code: 'invalid_argument', data: { line: 1 } });
    return null;
  });
  if (made === null) return null;
  const { sessionId } = made;
  foldEvents(await host.history(sessionId));
  const [text] = [await host.transcript(sessionId), await host.previewPreamble(sessionId), await host.search('hello'), await host.list()];
  expect(text).toContain('hello');
  await host.fork(sessionId, { sessionId: 'fork' });
  const again: string[] = [];
  for await (const line of host.export(sessionId)) again.push(line);
  await host.delete('fork');
  await host.delete(sessionId);
  return again;
}

it.each(Object.keys(SESSION))('in the session’s %s', async (column) => {
  const host = await opened();
  for (const value of ODD) {
    const again = await use(host, file({ ...HEAD, [column]: value }));
    if (again) expect(await use(host, again), JSON.stringify(value)).not.toBeNull();
  }
});

it.each([...KINDS, 'turn_ended', 'resumed', 'agent_exited'])('in what a %s says', async (kind) => {
  const host = await opened();
  for (const payload of PAYLOADS) expect(await use(host, file(HEAD, kind, payload)), JSON.stringify(payload)).not.toBeNull();
});
