/** Calls that only read know the session's secrets as those that prompt do. */
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { openNodeSqlite } from '../../../src/adapters/node-sqlite/index.ts';
import { openReader } from '../../../src/cli/host.ts';
import { createHost } from '../../../src/engine/index.ts';
import { inProcessLauncher } from '../../../src/testing/agents/index.ts';

const VALUE = 'correct horse battery';
const TOOLS = 'mare, staple, battery';
const base64 = (text: string): string => Buffer.from(text).toString('base64');
let directory: string;
let file: string;

beforeEach(async () => {
  directory = mkdtempSync(path.join(os.tmpdir(), 'rehydrate-reader-'));
  file = path.join(directory, 'sessions.sqlite');
  vi.stubEnv('XDG_STATE_HOME', path.join(directory, 'state'));
  const database = await openNodeSqlite(file);
  const host = await createHost({ database, agents: inProcessLauncher() });
  const mcpServers = [{ name: 'files', command: 'mcp-files', args: [], env: [{ name: 'READER_MCP_WORD', value: TOOLS }] }];
  await host.create({
    sessionId: 's',
    agent: 'demo',
    cwd: directory,
    env: { READER_WORD: VALUE, READER_OTHER: 'not set again' },
    mcpServers,
  });
  // The value itself is never stored. What is made of it is, and goes when it leaves the log.
  await host.prompt('s', `the header is ${base64(VALUE)}, and ${base64(TOOLS)} too`);
  await host.sleep();
  await database.close();
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(directory, { recursive: true });
});

async function transcript(): Promise<string> {
  const open = await openReader(file);
  try {
    return await open.host.transcript('s');
  } finally {
    await open.close();
  }
}

it('a transcript holds nothing made of the secrets that the environment has', async () => {
  vi.stubEnv('READER_WORD', VALUE);
  vi.stubEnv('READER_MCP_WORD', TOOLS);
  const text = await transcript();
  expect(text).toContain('the header is [secret READER_WORD], and [secret READER_MCP_WORD] too');
  expect(text).not.toContain(base64(VALUE).slice(0, 16));
});

it('there is one when the environment has none of them', async () => {
  expect(await transcript()).toContain('the header is');
});
