/** An agent that closes its standard input and lives on: what is said to it is lost, so it is ended, and why is said. */
import { tmpdir } from 'node:os';
import { expect, it, onTestFinished } from 'vitest';
import { openNodeSqlite } from '../../../src/adapters/node-sqlite/index.ts';
import { stdioLauncher } from '../../../src/adapters/stdio/index.ts';
import { createHost } from '../../../src/engine/index.ts';

/** Closes its input before it answers `session/new`, and then lives for `ms`. */
const agent = (ms: number) => `
let buffer = '';
const ok = (id, result) => process.stdout.write(JSON.stringify({ jsonrpc: '2.0', id, result }) + '\\n');
process.stdin.setEncoding('utf8').on('data', (text) => {
  buffer += text;
  for (let end; (end = buffer.indexOf('\\n')) >= 0; buffer = buffer.slice(end + 1)) {
    const { id, method } = JSON.parse(buffer.slice(0, end));
    if (method === 'initialize') ok(id, { protocolVersion: 1, agentCapabilities: {} });
    if (method === 'session/new') {
      process.stdin.destroy();
      require('node:fs').closeSync(0);
      ok(id, { sessionId: 's1' });
      setTimeout(() => process.exit(3), ${ms});
    }
  }
});
process.stdin.on('error', () => undefined);
`;

async function prompted(ms: number, deafMs: number) {
  const db = await openNodeSqlite(':memory:');
  const host = await createHost({
    database: db,
    agents: stdioLauncher({ agents: { deaf: { command: process.execPath, args: ['-e', agent(ms)] } }, limits: { deafMs } }),
  });
  onTestFinished(async () => {
    await host.sleep();
    await db.close();
  });
  await host.create({ agent: 'deaf', cwd: tmpdir(), sessionId: 's' });
  const told = await host.prompt('s', 'Are you there?').catch((error: unknown) => error as { code: string; message: string });
  return { told, exit: (await host.history('s')).find((event) => event.kind === 'agent_exited')?.payload };
}

it('I8: it is ended, and the caller and the log are told why', async () => {
  const { told, exit } = await prompted(3_000_000, 500);
  expect(told).toMatchObject({
    code: 'turn_outcome_unknown',
    message: expect.stringContaining('was ended with SIGKILL, because it closed its standard input and stayed') as string,
  });
  expect(exit).toMatchObject({ kind: 'killed', signal: 'SIGKILL', why: 'it closed its standard input and stayed' });
});

it('I8: one that only closes it on its way out ends as it ends', async () => {
  const { told, exit } = await prompted(250, 60_000);
  expect(told).toMatchObject({ code: 'turn_outcome_unknown' });
  expect(exit).toMatchObject({ kind: 'failed', code: 3 });
});
