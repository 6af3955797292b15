/** Who gets through to the bridge from a real browser: the page that was let in, and no other site. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test } from '@playwright/test';
import { type Bridge, type BridgeEvent, startBridge } from '../../src/bridge/index.ts';

interface Outcome {
  readonly socket: { readonly opened: boolean; readonly code: number; readonly answer: string | null };
  readonly list: string;
  readonly end: string;
  readonly blind: string;
}

const agent = {
  command: process.execPath,
  args: ['-e', `process.stdin.on('data', (d) => process.stdout.write(d)); process.stdin.on('end', () => process.exit(0))`],
};

let sites: Server[] = [];
let bridge: Bridge;
let log: BridgeEvent[] = [];

/** A site of its own: another port is another origin. */
async function site(html: string): Promise<string> {
  const server = createServer((_request, response) => {
    response.setHeader('Content-Type', 'text/html');
    response.end(html);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  sites.push(server);
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

test.afterEach(async () => {
  await bridge.close();
  for (const server of sites) server.close();
  sites = [];
  log = [];
});

/** Everything a page can try, with the right token in its hands. Runs in the page. */
async function attempt({ url, token }: { url: string; token: string }): Promise<Outcome> {
  const socket = await new Promise<Outcome['socket']>((resolve) => {
    const ws = new WebSocket(`${url}/agents/echo`, ['acp.v1', `bearer.${token}`]);
    let opened = false;
    ws.onopen = () => {
      opened = true;
      ws.send('{"jsonrpc":"2.0","id":1,"method":"ping"}');
    };
    ws.onmessage = ({ data }) => {
      resolve({ opened, code: 0, answer: String(data) });
      ws.close();
    };
    ws.onclose = ({ code }) => resolve({ opened, code, answer: null });
  });
  const http = url.replace('ws', 'http');
  const headers = { Authorization: `Bearer ${token}` };
  const read = async (path: string, init: RequestInit): Promise<string> => {
    try {
      const response = await fetch(`${http}${path}`, init);
      return response.type === 'opaque' ? 'opaque' : `${response.status} ${await response.text()}`;
    } catch (error) {
      return `blocked: ${(error as Error).name}`;
    }
  };
  return {
    socket,
    list: await read('/agents', { headers }),
    end: await read(`/connections/${'a'.repeat(22)}?how=kill`, { method: 'DELETE', headers }),
    blind: await read('/agents', { mode: 'no-cors' }),
  };
}

test('the page that was let in connects, lists and ends', async ({ page }) => {
  const origin = await site('<!doctype html><title>good</title>');
  bridge = await startBridge({ agents: { echo: agent }, origins: [origin] });
  await page.goto(origin);
  const outcome = await page.evaluate(attempt, { url: bridge.url, token: bridge.token });
  expect(outcome.socket).toEqual({ opened: true, code: 0, answer: '{"jsonrpc":"2.0","id":1,"method":"ping"}' });
  expect(outcome.list).toContain('"name":"echo"');
  expect(outcome.end).toContain('connection_unknown');
});

test('another site gets nothing, even with the token, and starts no process', async ({ page }) => {
  const good = await site('<!doctype html><title>good</title>');
  const evil = await site('<!doctype html><title>evil</title>');
  // Programs without an Origin are let in here; a browser must not pass for one.
  bridge = await startBridge({ agents: { echo: agent }, origins: [good], allowMissingOrigin: true, log: (event) => log.push(event) });
  await page.goto(evil);
  const outcome = await page.evaluate(attempt, { url: bridge.url, token: bridge.token });
  expect(outcome.socket).toEqual({ opened: false, code: 1006, answer: null });
  expect(outcome.list).toBe('blocked: TypeError');
  expect(outcome.end).toBe('blocked: TypeError');
  expect(outcome.blind).toBe('opaque');
  // The same site under another name of this machine is another site.
  await page.goto(evil.replace('127.0.0.1', 'localhost'));
  expect((await page.evaluate(attempt, { url: bridge.url, token: bridge.token })).socket.opened).toBe(false);
  expect(log.some(({ event }) => event === 'opened')).toBe(false);
  const reasons = new Set(log.flatMap((event) => (event.event === 'refused' ? [event.reason] : [])));
  expect([...reasons].toSorted()).toEqual(['origin_missing', 'origin_not_allowed']);
});

test('a sandboxed frame of the good page has the origin null, and gets nothing', async ({ page }) => {
  const origin = await site('<!doctype html><title>good</title><iframe sandbox="allow-scripts" srcdoc="<p>framed</p>"></iframe>');
  bridge = await startBridge({ agents: { echo: agent }, origins: [origin], allowMissingOrigin: true, log: (event) => log.push(event) });
  await page.goto(origin);
  const frame = page.frames().find((candidate) => candidate !== page.mainFrame())!;
  const outcome = await frame.evaluate(attempt, { url: bridge.url, token: bridge.token });
  expect(outcome.socket.opened).toBe(false);
  expect(outcome.list).toBe('blocked: TypeError');
  expect(log.some(({ event }) => event === 'opened')).toBe(false);
});
