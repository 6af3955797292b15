/** `npm start` as people and pages meet it: one URL, a token for its own pages only, and nothing left behind. */
import { mkdtemp, readFile, realpath, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { createServer, request } from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import WebSocket from 'ws';
import { startChild } from '../../support/start-child.mjs';

let cwd;
let server;
let cookie;

beforeAll(async () => {
  cwd = await realpath(await mkdtemp(path.join(os.tmpdir(), 'rehydrate-start-')));
  server = await startChild([
    '--cwd',
    cwd,
    '--agent-store',
    path.join(cwd, '.agents'),
    '--agent',
    `mine="${process.execPath}" -e 'setInterval(() => {}, 1000)'`,
  ]);
  cookie = await letIn(server);
});

/** A browser's cookie, by the address that the terminal shows. */
async function letIn(child) {
  const { name, value } = await child.letIn();
  return `${name}=${value}`;
}

afterAll(async () => {
  await server?.stop();
  await rm(cwd, { recursive: true, force: true });
});

/** A request with exactly these headers, which `fetch` would not let us set. */
function get(target, headers = {}) {
  const url = new URL(target, server.url);
  return new Promise((resolve, reject) => {
    request({ host: url.hostname, port: url.port, path: target, headers: { host: url.host, ...headers } }, async (response) => {
      let body = '';
      for await (const chunk of response) body += chunk;
      resolve({ status: response.statusCode, headers: response.headers, body });
    })
      .once('error', reject)
      .end();
  });
}

const ENDPOINT = '/__rehydrate/bridge.json';
/** What everybody on this machine can say. */
const SAID = { 'sec-fetch-site': 'same-origin' };
const own = () => ({ ...SAID, cookie });

async function open(agent) {
  const { url, token } = JSON.parse((await get(ENDPOINT, own())).body);
  const socket = new WebSocket(`${url}/agents/${agent}`, ['acp.v1', `bearer.${token}`], { origin: new URL(server.url).origin });
  await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
  return socket;
}

function alive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

describe('the pages', () => {
  test('the home page, the playground and a page that is not there', async () => {
    expect((await get('/')).status).toBe(200);
    expect((await get('/playground/')).status).toBe(200);
    expect(await get('/no/such/page/')).toMatchObject({ status: 404, headers: { 'content-type': expect.stringContaining('html') } });
  });

  test.each(['/../package.json', '/..%2fpackage.json', '/%2e%2e/package.json', '/.git/config'])(
    'nothing outside the site is served: %s',
    async (target) => {
      expect((await get(target)).status).toBe(404);
    },
  );

  test('it answers to its own name only', async () => {
    expect((await get('/', { host: 'evil.example' })).status).toBe(403);
  });
});

describe('the bridge', () => {
  test('its token goes to pages of the site, and is in none of them', async () => {
    const handed = await get(ENDPOINT, own());
    expect(handed).toMatchObject({ status: 200, headers: { 'cache-control': 'no-store' } });
    const { url, token } = JSON.parse(handed.body);
    expect(token).toMatch(/^[A-Za-z0-9_-]{43}$/);
    expect(url).toMatch(/^ws:\/\/127\.0\.0\.1:\d+$/);
    for (const page of ['/', '/playground/']) expect((await get(page)).body).not.toContain(token);
    expect((await get(ENDPOINT)).status).toBe(403);
    expect((await get(ENDPOINT, { cookie })).status).toBe(403);
    expect((await get(ENDPOINT, { cookie, 'sec-fetch-site': 'cross-site', origin: 'https://example.org' })).status).toBe(403);
    expect((await get(ENDPOINT, { ...own(), host: 'evil.example' })).status).toBe(403);
  });

  test('a local user without the printed address gets nothing, whatever the request says', async () => {
    const wrong = `${cookie.slice(0, -1)}${cookie.endsWith('A') ? 'B' : 'A'}`;
    for (const headers of [SAID, { ...SAID, cookie: wrong }, { ...SAID, origin: new URL(server.url).origin, referer: server.url }]) {
      const refused = await get(ENDPOINT, headers);
      expect(refused.status).toBe(401);
      expect(refused.body).not.toMatch(/ws:|token/);
    }
    for (const target of ['/__rehydrate/open/', `/__rehydrate/open/${'A'.repeat(43)}`, '/__rehydrate/']) {
      const refused = await get(target);
      expect(refused.status, target).toBeGreaterThanOrEqual(403);
      expect(refused.headers['set-cookie']).toBeUndefined();
    }
  });

  test('the printed address lets one browser in and leads to the playground; the next one is printed then', async () => {
    const child = await startChild(['--cwd', cwd]);
    try {
      const entered = await fetch(child.address, { redirect: 'manual' });
      expect(entered.status).toBe(303);
      expect(entered.headers.get('location')).toBe('/playground/');
      expect(entered.headers.get('set-cookie')).toMatch(/HttpOnly; SameSite=Strict$/);
      expect(entered.headers.get('referrer-policy')).toBe('no-referrer');
      const again = await fetch(child.address, { redirect: 'manual' });
      expect({ status: again.status, cookie: again.headers.get('set-cookie') }).toEqual({ status: 403, cookie: null });
      expect(await again.text()).toContain('npm start');
    } finally {
      await child.stop();
    }
    expect([await letIn(server), await letIn(server)], 'the right is the same for all that are in').toEqual([cookie, cookie]);
  });

  test('an agent added on the command line comes first, and works where --cwd says', async () => {
    const { url, token } = JSON.parse((await get(ENDPOINT, own())).body);
    const response = await fetch(`${url.replace('ws:', 'http:')}/agents`, {
      headers: { authorization: `Bearer ${token}`, origin: new URL(server.url).origin },
    });
    const agents = await response.json();
    expect(agents[0]).toEqual({ name: 'mine', cwd });
    expect(agents.map(({ name }) => name)).toEqual(expect.arrayContaining(['native', 'load', 'amnesiac']));
  });

  test('a page of the site reaches an agent', async () => {
    const socket = await open('native');
    socket.send(JSON.stringify({ jsonrpc: '2.0', id: 0, method: 'initialize', params: { protocolVersion: 1, clientCapabilities: {} } }));
    const [answer] = await new Promise((resolve) => socket.once('message', (...message) => resolve(message)));
    expect(JSON.parse(String(answer))).toMatchObject({ id: 0, result: { protocolVersion: 1 } });
    socket.close();
  });
});

describe('the way down', () => {
  test.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ])('I7 after %s every agent is gone, its sockets are closed and the port is free', async (signal, code) => {
    const [before, its] = [server, cookie];
    const child = await startChild(['--cwd', cwd, '--agent', `prints=sh -c 'echo $$ >"${cwd}/${signal}.pid"; sleep 987'`]);
    [server, cookie] = [child, await letIn(child)];
    const socket = await open('prints');
    [server, cookie] = [before, its];
    const closed = new Promise((resolve) => socket.once('close', resolve));
    const readPid = () => readFile(path.join(cwd, `${signal}.pid`), 'utf8').then(Number, () => 0);
    await expect.poll(readPid).toBeGreaterThan(0);
    const pid = await readPid();
    expect(alive(pid)).toBe(true);
    expect(await child.stop(signal)).toEqual({ code, signal: null });
    expect(await closed).toBe(4005);
    expect(alive(pid)).toBe(false);
    const port = Number(new URL(child.url).port);
    await expect(
      new Promise((resolve) => connect(port, '127.0.0.1', () => resolve('open')).once('error', (error) => resolve(error.code))),
    ).resolves.toBe('ECONNREFUSED');
  });
});

describe('what it is told', () => {
  test.each([
    [['--agent', 'nonsense'], /NAME=COMMAND/],
    [['--agent', '=x'], /NAME=COMMAND/],
    [['--agent', 'a b=x'], /cannot name an agent/],
    [['--agent', 'a='], /has no command/],
    [['--port', 'x'], /number/],
    [['--cwd', '/no/such/folder'], /does not exist/],
    [['--frobnicate'], /--frobnicate/],
  ])('wrong options are explained: %j', async (args, words) => {
    await expect(startChild(args)).rejects.toThrow(words);
  });

  test('a port that is taken is said to be, not searched around', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => other.once('listening', resolve));
    const { port } = other.address();
    await expect(startChild(['--port', String(port)])).rejects.toThrow(`Port ${port} is taken`);
    await new Promise((resolve) => other.close(resolve));
  });
});
