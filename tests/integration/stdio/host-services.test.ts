/** Files and terminals as an agent gets them from a whole host. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { openNodeSqlite } from '../../../src/adapters/node-sqlite/index.ts';
import { guard } from '../../../src/adapters/stdio/guard.ts';
import { nodeClientServices, stdioLauncher } from '../../../src/adapters/stdio/index.ts';
import { carriesMark, readProcesses } from '../../../src/adapters/stdio/process-table.ts';
import { createHost } from '../../../src/engine/index.ts';

it('I7: an agent writes, reads and runs through its host, and what it left running goes with it', async () => {
  const cwd = mkdtempSync(path.join(tmpdir(), 'rehydrate-host-'));
  const script = fileURLToPath(new URL('./asking-agent.mjs', import.meta.url));
  const database = await openNodeSqlite(':memory:');
  const host = await createHost({
    database,
    agents: stdioLauncher({ agents: { asking: { command: process.execPath, args: [script] } } }),
    client: nodeClientServices({ limits: { termMs: 300 }, info: { name: 'an editor', version: '9' } }),
  });
  const alive = async (): Promise<number> =>
    (await readProcesses()).filter(({ pid, zombie }) => !zombie && carriesMark(pid, guard.mark)).length;
  const { sessionId } = await host.create({ agent: 'asking', cwd });
  await host.prompt(sessionId, [{ type: 'text', text: 'go' }]);
  const said = (await host.history(sessionId)).flatMap((event) =>
    event.kind === 'update' && event.payload.sessionUpdate === 'agent_message_chunk' && event.payload.content.type === 'text'
      ? [event.payload.content.text]
      : [],
  );
  expect(JSON.parse(said.join(''))).toEqual({
    client: { name: 'an editor', version: '9' },
    offered: { fs: { readTextFile: true, writeTextFile: true }, terminal: true },
    content: 'kept',
    outside: -32602,
    output: 'up\n',
  });
  // The agent, its terminal's shell and that one's sleep.
  expect(await alive()).toBeGreaterThanOrEqual(2);
  await host.sleep();
  expect(await alive()).toBe(0);
  await database.close();
  rmSync(cwd, { recursive: true });
});
