/** A value in the database that is not what it should be is named, and hides nothing else. */
import { describe, expect, it } from 'vitest';
import { RehydrateError } from '../../../src/engine/index.ts';
import { inProcessLauncher } from '../../../src/testing/agents/index.ts';
import { CWD, hostOf } from './helpers.ts';

describe('a column that is not JSON', () => {
  it.each([
    ['modes', '{'],
    ['mcp_servers', '{"a":1}'],
    ['env_names', '[1]'],
    ['additional_directories', 'null x'],
    ['usage', ''],
    ['metadata', '{"a"'],
  ])('%s = %s: list shows all sessions and names it; the session itself says which row and column', async (column, value) => {
    const { host, db } = await hostOf(inProcessLauncher({ variant: 'amnesiac' }));
    for (const sessionId of ['whole', 'broken']) await host.create({ agent: 'demo', cwd: CWD, sessionId });
    await host.close('broken');
    await db.batch([{ sql: `UPDATE acp_sessions SET ${column} = ? WHERE session_id = 'broken'`, params: [value] }]);
    const { sessions } = await host.list();
    expect(sessions.map(({ sessionId, damaged }) => [sessionId, damaged]).sort()).toEqual([
      ['broken', [column]],
      ['whole', undefined],
    ]);
    const error: unknown = await host.get('broken').catch((reason: unknown) => reason);
    expect(RehydrateError.is(error)).toBe(true);
    expect(error).toMatchObject({ code: 'database_corrupt', data: { column } });
    expect((error as Error).message).toMatch(new RegExp(`session "broken" in acp_sessions.*column ${column}`));
    expect((await host.get('whole')).sessionId).toBe('whole');
  });

  it('a lease that names nobody is nobody’s we can ask: it runs out', async () => {
    let now = 1_000;
    const { host, db } = await hostOf(inProcessLauncher({ variant: 'amnesiac' }), { clock: () => now });
    await host.create({ agent: 'demo', cwd: CWD, sessionId: 's' });
    await host.close('s');
    await db.batch([{ sql: `UPDATE acp_sessions SET lease_owner = '{', lease_expires_at = 5000` }]);
    expect(await host.get('s')).toMatchObject({ state: 'busy' });
    await expect(host.prompt('s', 'hello')).rejects.toMatchObject({ code: 'session_busy' });
    now = 6_000;
    await expect(host.prompt('s', 'hello')).resolves.toMatchObject({ stopReason: 'end_turn' });
  });

  it('an event', async () => {
    const { host, db } = await hostOf(inProcessLauncher({ variant: 'amnesiac' }));
    await host.create({ agent: 'demo', cwd: CWD, sessionId: 's' });
    await host.prompt('s', 'hello');
    await db.batch([{ sql: `UPDATE acp_session_events SET payload = '{' WHERE seq = 1` }]);
    await expect(host.history('s')).rejects.toMatchObject({
      code: 'database_corrupt',
      message: expect.stringMatching(/^Event 1 of session "s".*column payload/) as string,
    });
    expect((await host.history('s', { after: 1 })).length).toBeGreaterThan(0);
  });

  it.each([
    ['acp_session_events', 'payload', '{', 'Event 1 of session "s"'],
    ['acp_session_events', 'payload', '5', 'Event 1 of session "s"'],
    ['acp_session_events', 'meta', 'x', 'Event 1 of session "s"'],
    ['acp_turns', 'report', '{', 'Turn "'],
    ['acp_sessions', 'usage', '{', 'The row of session "s"'],
    ['acp_sessions', 'mcp_servers', '{}', 'The row of session "s"'],
  ])('export: %s.%s = %s', async (table, column, value, row) => {
    const { host, db } = await hostOf(inProcessLauncher({ variant: 'amnesiac' }));
    await host.create({ agent: 'demo', cwd: CWD, sessionId: 's' });
    await host.prompt('s', 'hello');
    await db.batch([{ sql: `UPDATE ${table} SET ${column} = ?`, params: [value] }]);
    const lines = async () => {
      for await (const _ of host.export('s'));
    };
    await expect(lines()).rejects.toMatchObject({
      code: 'database_corrupt',
      message: expect.stringMatching(new RegExp(`^${row}.*in ${table} cannot be read: its column ${column}`)) as string,
    });
  });

  it('what was put in front of an agent session’s first prompt', async () => {
    const { host, db } = await hostOf(inProcessLauncher({ variant: 'native' }));
    await host.create({ agent: 'demo', cwd: CWD, sessionId: 's' });
    await host.prompt('s', 'hello');
    await host.close('s');
    await db.batch([{ sql: `UPDATE acp_agent_sessions SET preamble = '{'` }]);
    await expect(host.prompt('s', 'again')).rejects.toMatchObject({
      code: 'database_corrupt',
      message: expect.stringMatching(/^The row of agent session ".*" of session "s" in acp_agent_sessions/) as string,
    });
  });
});
