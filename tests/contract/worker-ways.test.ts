/** A scripted agent behaves the same over stdio, in a worker and in the same process. */
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { stdioLauncher } from '../../src/adapters/stdio/index.ts';
import { workerLauncher } from '../../src/adapters/worker/index.ts';
import type { AgentLauncher } from '../../src/engine/ports.ts';
import { inProcessLauncher } from '../../src/testing/agents/in-process.ts';
import { directoryStore } from '../../src/testing/agents/node-store.ts';
import type { AgentVariant } from '../../src/testing/agents/variants.ts';
import { INITIALIZE, PLACE, rawClient, text } from '../unit/agents/raw-client.ts';
import { threadWorker } from './worker-shim.ts';

const scratch = mkdtempSync(path.join(os.tmpdir(), 'rehydrate-agents-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** How an agent ended is part of the story, so none is hurried. */
const PATIENCE_MS = 60_000;

const WAYS: Readonly<Record<string, (variant: AgentVariant, store: string) => AgentLauncher>> = {
  'in process': (variant, store) => inProcessLauncher({ variant, store: directoryStore(store) }),
  stdio: (variant, store) => {
    const script = fileURLToPath(new URL('../../src/testing/agents/stdio.ts', import.meta.url));
    return stdioLauncher({
      agents: { demo: { command: process.execPath, args: [script, '--variant', variant, '--store', store, '--pace', '0'] } },
      limits: { askMs: PATIENCE_MS },
    });
  },
  worker: (variant, store) =>
    workerLauncher({
      agents: {
        demo: () => threadWorker(new URL('./worker-agent.fixture.ts', import.meta.url), new URLSearchParams({ variant, store }).toString()),
      },
      startMs: PATIENCE_MS,
      graceMs: PATIENCE_MS,
    }),
};

/** What the client of two lives saw, with ids by order of appearance and without times. */
async function story(way: string, variant: AgentVariant): Promise<unknown[]> {
  const launcher = (WAYS[way] as (typeof WAYS)[string])(variant, path.join(scratch, `${way}-${variant}`));
  const seen: unknown[] = [];
  let sessionId = '';
  for (const life of [1, 2]) {
    const agent = await launcher.launch({ agent: 'demo', cwd: scratch, sessionId: 's' }, { signal: new AbortController().signal });
    const client = rawClient(agent.stream);
    client.answers.set('session/request_permission', () => ({ outcome: { outcome: 'selected', optionId: 'once' } }));
    await client.request('initialize', INITIALIZE);
    if (life === 1) sessionId = (await client.request('session/new', PLACE)).result.sessionId;
    else await client.request('session/load', { sessionId, ...PLACE });
    for (const words of ['my name is Ada', 'ask permission', 'what do you remember?'])
      await client.request('session/prompt', { sessionId, prompt: text(words) });
    const exit = await agent.end('ask');
    // When the commands come is for the event loop to say.
    seen.push(...client.seen.filter((message) => message.params?.update?.sessionUpdate !== 'available_commands_update'), {
      exit: exit.kind,
    });
  }
  const names = new Map<string, string>();
  const id = (value: string) => names.get(value) ?? (names.set(value, `#${names.size + 1}`), names.get(value));
  return JSON.parse(JSON.stringify(seen).replace(/[0-9a-f]{32}|[0-9a-f]{8}-[0-9a-f-]{27}/g, (value) => id(value) as string)) as unknown[];
}

describe.each(['native', 'load', 'amnesiac', 'other-chunks', 'unknown:pi', 'null-load', 'unknown-kinds'] as const)('%s', (variant) => {
  it('tells the same story three ways', async () => {
    const expected = await story('in process', variant);
    expect(expected.length).toBeGreaterThan(20);
    expect(await story('stdio', variant)).toEqual(expected);
    expect(await story('worker', variant)).toEqual(expected);
  });
});
