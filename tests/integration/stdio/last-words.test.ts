/** An agent that dies has said why on stderr: whatever it was asked, the error tells how it ended and quotes that, without secrets. */
import { tmpdir } from 'node:os';
import { expect, it, onTestFinished } from 'vitest';
import { openNodeSqlite } from '../../../src/adapters/node-sqlite/index.ts';
import { stdioLauncher } from '../../../src/adapters/stdio/index.ts';
import { createHost, type Host } from '../../../src/engine/index.ts';

/** Dies of one method, and answers every other. */
const AGENT = `
const RESULTS = {
  initialize: { protocolVersion: 1, agentCapabilities: { loadSession: true } },
  'session/new': { sessionId: 's1' },
  'session/prompt': { stopReason: 'end_turn' },
};
require('node:readline').createInterface({ input: process.stdin }).on('line', (line) => {
  const { id, method } = JSON.parse(line);
  if (method === process.argv[1]) {
    require('node:fs').writeSync(2, 'Traceback\\n' + 'x'.repeat(5_000) + '\\nquota file missing: run "myagent login" (' + process.env.KEY + ', ghp_${'a1B2'.repeat(9)})\\n');
    process.exit(1);
  }
  if (id !== undefined) process.stdout.write(JSON.stringify({ jsonrpc: '2.0', id, result: RESULTS[method] ?? {} }) + '\\n');
});`;

const CALLS: readonly [method: string, code: string, call: (host: Host) => Promise<unknown>][] = [
  ['initialize', 'agent_exited', (host) => host.resume('s')],
  ['session/load', 'agent_exited', (host) => host.resume('s')],
  ['session/prompt', 'turn_outcome_unknown', (host) => host.prompt('s', 'hi')],
  ['_mine/usage', 'agent_exited', (host) => host.request('s', '_mine/usage', {})],
];

it.each(CALLS)('I8: one that dies of %s', async (method, code, call) => {
  const db = await openNodeSqlite(':memory:');
  let dies = '';
  const agents = () => ({ command: process.execPath, args: ['-e', AGENT, dies] });
  const host = await createHost({ database: db, agents: stdioLauncher({ agents }) });
  onTestFinished(async () => {
    await host.sleep();
    await db.close();
  });
  await host.create({ agent: 'mine', cwd: tmpdir(), sessionId: 's', env: { KEY: 'a-very-secret-value' } });
  await host.prompt('s', 'hi');
  await host.close('s');
  dies = method;
  const error = (await call(host).catch((reason: unknown) => reason)) as { code: string; message: string };
  expect(error.code).toBe(code);
  expect(error.message).toContain('exited with code 1');
  expect(error.message).toMatch(/It last wrote:\nTraceback\nx{600}…\nquota file missing: run "myagent login" \(.*\)$/);
  expect(error.message).not.toMatch(/a-very-secret-value|ghp_/);
  const stored = JSON.stringify(await host.history('s'));
  expect(stored).not.toMatch(/a-very-secret-value|ghp_/);
  if (code === 'turn_outcome_unknown') expect(stored).toContain('It last wrote:');
});
