/** Agents in a real browser's workers: what a shim cannot prove. Skipped where there is no Chromium. */
import path from 'node:path';
import { chromium } from '@playwright/test';
import type { Browser, Page } from '@playwright/test';
import { createServer } from 'vite';
import type { ViteDevServer } from 'vite';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { chromiumArgs, installedChromium } from '../../scripts/support/chromium.mjs';
import type { workerLauncher as WorkerLauncher } from '../../src/adapters/worker/index.ts';

const CHROMIUM = installedChromium();
const ROOT = path.resolve(import.meta.dirname, '../..');

/** A page with the adapter in it, and nothing else. */
const BLANK =
  '<!doctype html><title>blank</title><script type="module">import * as adapter from "/src/adapters/worker/index.ts"; globalThis.adapter = adapter;</script>';

describe.skipIf(CHROMIUM === null)('in Chromium', () => {
  let server: ViteDevServer;
  let browser: Browser;
  let page: Page;
  beforeAll(async () => {
    server = await createServer({
      root: ROOT,
      configFile: false,
      logLevel: 'error',
      server: { host: '127.0.0.1', port: 0, hmr: false, ws: false, watch: null },
      optimizeDeps: { include: ['@agentclientprotocol/sdk'], noDiscovery: true },
      cacheDir: path.join(ROOT, 'node_modules/.cache/worker-browser'),
      plugins: [
        {
          name: 'blank',
          configureServer: ({ middlewares }) =>
            void middlewares.use('/blank', (_request, response) => response.setHeader('content-type', 'text/html').end(BLANK)),
        },
      ],
    });
    await server.listen();
    browser = await chromium.launch({ executablePath: CHROMIUM as string, args: chromiumArgs() });
  });
  afterAll(async () => {
    await browser?.close();
    await server?.close();
  });
  beforeEach(async () => {
    const address = server.httpServer?.address() as { port: number };
    page = await (await browser.newContext()).newPage();
    // The test has a limit of its own.
    page.setDefaultTimeout(0);
    page.setDefaultNavigationTimeout(0);
    await page.goto(`http://127.0.0.1:${address.port}/blank`);
    await page.waitForFunction(() => 'adapter' in globalThis);
    await page.evaluate(() => {
      const { workerLauncher } = (globalThis as unknown as { adapter: { workerLauncher: typeof WorkerLauncher } }).adapter;
      const worker = (name: string) => () => new Worker('/src/testing/agents/worker.ts', { type: 'module', name });
      const script = (code: string) => () => new Worker(URL.createObjectURL(new Blob([code], { type: 'text/javascript' })));
      const agents = {
        native: worker('variant=native&pace=0'),
        stubborn: worker('variant=stubborn&store=memory&pace=0'),
        late: script(
          `addEventListener('message', ({ data }) => { if (data.rehydrate === 'message') throw new Error('gone wrong'); }); postMessage({ rehydrate: 'ready' })`,
        ),
        broken: script('throw new Error("no such thing")'),
        absent: () => new Worker('/no/such/script.js', { type: 'module' }),
      };
      // Only the one that stays has its time run out.
      const launcher = (agent: string) => workerLauncher({ agents, startMs: 60_000, graceMs: agent === 'stubborn' ? 200 : 60_000 });
      const launch = (agent: string) =>
        launcher(agent).launch({ agent, cwd: '/', sessionId: 's' }, { signal: new AbortController().signal });
      /** Runs requests one after the other on a fresh agent, and says what it said. */
      const life = async (agent: string, requests: readonly (readonly [string, object])[], how: 'ask' | 'kill') => {
        const process = await launch(agent);
        const writer = process.stream.writable.getWriter();
        const reader = process.stream.readable.getReader();
        const results: unknown[] = [];
        let said = '';
        for (const [index, [method, params]] of requests.entries()) {
          await writer.write({ jsonrpc: '2.0', id: index, method, params });
          for (;;) {
            const { value } = await reader.read();
            const message = value as {
              id?: number;
              result?: unknown;
              params?: { update?: { sessionUpdate: string; content?: { text: string } } };
            };
            if (message.params?.update?.sessionUpdate === 'agent_message_chunk') said += message.params.update.content?.text ?? '';
            if (message.id === index) {
              results.push(message);
              break;
            }
          }
        }
        return { results, said, exit: await process.end(how) };
      };
      Object.assign(globalThis, { launch, life });
    });
  });

  const life = (agent: string, requests: readonly (readonly [string, object])[], how: 'ask' | 'kill' = 'ask') =>
    page.evaluate(
      ([a, r, h]) =>
        (
          globalThis as unknown as {
            life: (...args: unknown[]) => Promise<{ results: { result: { sessionId: string } }[]; said: string; exit: object }>;
          }
        ).life(a, r, h),
      [agent, requests, how] as const,
    );
  const initialize = ['initialize', { protocolVersion: 1 }] as const;
  const place = { cwd: '/', mcpServers: [] };

  it('an agent remembers over the death of its worker, in IndexedDB', async () => {
    const one = await life('native', [initialize, ['session/new', place]]);
    const sessionId = one.results[1]?.result.sessionId as string;
    expect(one.exit).toMatchObject({ kind: 'ended', code: 0 });
    const two = await life(
      'native',
      [
        initialize,
        ['session/resume', { sessionId, ...place }],
        ['session/prompt', { sessionId, prompt: [{ type: 'text', text: 'my name is Ada' }] }],
      ],
      'kill',
    );
    expect([two.said, two.exit]).toMatchObject(['Noted. Your name: Ada.', { kind: 'killed' }]);
    const three = await life('native', [
      initialize,
      ['session/load', { sessionId, ...place }],
      ['session/prompt', { sessionId, prompt: [{ type: 'text', text: 'what is my name?' }] }],
    ]);
    expect(three.said).toContain('Your name: Ada (from my own memory of this session).');
  });

  it('I8: what goes wrong in a worker is never clean', async () => {
    const end = (agent: string) =>
      page.evaluate(async (name) => {
        const process = await (
          globalThis as unknown as {
            launch: ReturnType<typeof WorkerLauncher>['launch'] extends (...of: never[]) => infer Launched
              ? (agent: string) => Launched
              : never;
          }
        ).launch(name);
        await process.stream.writable.getWriter().write({ jsonrpc: '2.0', method: 'go' });
        return process.exited;
      }, agent);
    expect(await end('late')).toMatchObject({ kind: 'failed', code: 1, stderr: expect.stringContaining('gone wrong') });
    await expect(end('broken')).rejects.toThrow('no such thing');
    await expect(end('absent')).rejects.toThrow(/could not be started/);
    expect((await life('stubborn', [initialize])).exit).toMatchObject({ kind: 'killed' });
  });
});
