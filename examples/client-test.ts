/** How a client is tested: on scripted agents in its own process, with the faults that real ones have. `node --test client-test.ts` */
// #region setup
import { createHost, foldEvents, RehydrateError, type Host } from 'acp-rehydrate';
import { openNodeSqlite } from 'acp-rehydrate/node-sqlite';
import { inProcessLauncher, type AgentVariant } from 'acp-rehydrate/testing';
import assert from 'node:assert/strict';
import { test } from 'node:test';

async function withHost(variant: AgentVariant, body: (host: Host, again: () => Promise<Host>) => Promise<void>): Promise<void> {
  const database = await openNodeSqlite(':memory:');
  const agents = inProcessLauncher({ variant });
  const open = () => createHost({ database, agents, permission: 'allow' });
  let host = await open();
  await body(host, async () => {
    await host.sleep(); // what a restart of your program comes to
    return (host = await open());
  });
  await host.sleep();
  await database.close();
}
// #endregion setup

// #region tests
test('an agent that lost the session: my client says that it was given the record', () =>
  withHost('forgetful', async (host, again) => {
    const { sessionId } = await host.create({ agent: 'mine', cwd: '/' });
    await host.prompt(sessionId, 'my dog is called Ada');
    const { report } = await (await again()).prompt(sessionId, 'what is my dog called?');
    assert.equal(report.tier, 'transcript'); // here: what your interface shows for it
  }));

test('an agent that dies in the middle of a turn: my client offers to look, and does not send it again', () =>
  withHost('crash-prompt', async (host) => {
    const { sessionId } = await host.create({ agent: 'mine', cwd: '/' });
    await assert.rejects(host.prompt(sessionId, 'go'), (error) => RehydrateError.is(error) && error.code === 'turn_outcome_unknown');
    const view = foldEvents(await host.history(sessionId));
    assert.equal(view.lastTurn?.state, 'interrupted');
    assert.equal(view.running, null);
  }));
// #endregion tests
