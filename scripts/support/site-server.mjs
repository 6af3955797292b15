/** Serves the site on 127.0.0.1. Its pages get the bridge's address, in browsers that were let in. */
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import path from 'node:path';
import sirv from 'sirv';
import { BRIDGE_ENDPOINT, browserAccess, ENTRANCE, notOwnPage } from './browser-access.mjs';
import { ROOT, SetupError } from './setup.mjs';

const HOST = '127.0.0.1';
const DEFAULT_PORT = 4321;

/** How many ports after the default one are tried if that is taken. */
const PORTS_TRIED = 20;

const USED = `This address has let a browser in already, or is not one of this run.
The terminal in which npm start runs shows the next one. If it was not you who used this one, stop npm start with Ctrl-C.`;

const TEXT = 'text/plain; charset=utf-8';

/**
 * Sees every request first, whoever serves the pages: refuses host names that are not ours, lets browsers in by the address in the terminal, and
 * gives our pages in those the bridge's address.
 *
 * @param {(address: string) => void} onNext told the address for the next browser when one was used
 */
function frontDoor(onNext = () => {}) {
  let bridge = null;
  let hosts = [];
  let access = null;
  const address = () => new URL(access.path(), `http://${hosts[0]}`).href;

  /** @returns {null | [status: number, body: string, headers?: object]} null: a page or a file is asked for */
  const answer = ({ method, url, headers: { host, origin, cookie, 'sec-fetch-site': fetchSite, ...headers } }) => {
    const asked = url.split('?')[0];
    if (!hosts.includes(host) || asked === BRIDGE_ENDPOINT) {
      const refused = notOwnPage({ method, host, origin, fetchSite }, hosts);
      if (refused) return refused;
      if (!access.knows(cookie)) return [401, 'This browser was not let in: open the address that npm start prints in its terminal.'];
      if (!bridge) return [503, 'The bridge is starting.'];
      return [200, JSON.stringify(bridge), { 'content-type': 'application/json' }];
    }
    if (!asked.startsWith(ENTRANCE)) return null;
    if (method !== 'GET') return [405, 'Only GET.'];
    // A browser may prefetch the address before the person opens it.
    if ('sec-purpose' in headers || 'purpose' in headers || 'x-moz' in headers) return [503, 'Only when it is opened.'];
    const entry = access.enter(asked.slice(ENTRANCE.length), cookie);
    if (entry === 'wrong') return [403, USED];
    if (entry === 'new') onNext(address());
    return [303, '', { location: '/playground/', ...(entry === 'new' ? { 'set-cookie': access.setCookie } : {}) }];
  };

  return {
    open: (port) => {
      hosts = [`${HOST}:${port}`, `localhost:${port}`];
      access = browserAccess(`rehydrate-${port}`);
      return { url: `http://${hosts[0]}/`, address: address(), origins: hosts.map((host) => `http://${host}`) };
    },
    setBridge: (next) => {
      bridge = next;
    },
    handle: (request, response, pass) => {
      const answered = answer(request);
      if (!answered) return pass();
      const [status, body, headers] = answered;
      const always = { 'content-type': TEXT, 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' };
      response.writeHead(status, { ...always, 'referrer-policy': 'no-referrer', ...headers }).end(request.method === 'HEAD' ? '' : body);
    },
  };
}

/** Without a port, the first free one from the default on. */
async function listen(server, wanted) {
  for (let port = wanted ?? DEFAULT_PORT; ; port += 1) {
    const error = await new Promise((resolve) => server.once('error', resolve).listen(port, HOST, resolve));
    server.removeAllListeners('error');
    if (!error) return;
    if (error.code !== 'EADDRINUSE' || wanted !== undefined || port === DEFAULT_PORT + PORTS_TRIED)
      throw new SetupError(
        `Port ${port} ${error.code === 'EADDRINUSE' ? 'is taken' : `cannot be used (${error.code})`}. Choose another with --port.`,
      );
  }
}

/** The names of these files contain a hash. */
const HASHED = '/_astro/';

/** Without a charset a browser would read text as Latin-1. */
const TEXTS = { '.md': 'text/markdown; charset=utf-8', '.txt': TEXT };

/** The headers that the build wrote for static hosts, so that the same policy holds here. */
function headersOf(dir) {
  const headers = JSON.parse(readFileSync(path.join(dir, 'headers.json'), 'utf8'));
  return (response, pathname) => {
    for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
    if (TEXTS[path.extname(pathname)]) response.setHeader('content-type', TEXTS[path.extname(pathname)]);
    response.setHeader('cache-control', pathname.startsWith(HASHED) ? 'public, max-age=31536000, immutable' : 'no-cache');
  };
}

/**
 * @typedef {object} SiteServer
 * @property {string} address what lets the first browser in, and leads to the playground
 * @property {string[]} origins the origins that its pages have
 */

/**
 * @param {{ dir: string, port?: number, onNext?: (address: string) => void }} options `port`: 0 is any
 * @returns {Promise<SiteServer>}
 */
export async function serveSite({ dir, port, onNext }) {
  const setHeaders = headersOf(dir);
  // Looked up for each request, because a later build may replace this one.
  const files = sirv(dir, { dev: true, etag: true, setHeaders });
  const notFound = readFileSync(path.join(dir, '404.html'));
  const door = frontDoor(onNext);
  const server = createServer((request, response) => {
    door.handle(request, response, () =>
      files(request, response, () => {
        setHeaders(response, '');
        response.writeHead(404, { 'content-type': 'text/html; charset=utf-8' }).end(request.method === 'HEAD' ? '' : notFound);
      }),
    );
  });
  await listen(server, port);
  return {
    ...door.open(server.address().port),
    setBridge: door.setBridge,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/**
 * From the sources, changed as files change.
 * @returns {Promise<SiteServer>}
 */
export async function serveSources({ port, onNext }) {
  const { dev } = await import('astro');
  const door = frontDoor(onNext);
  const plugin = { name: 'rehydrate-front-door', configureServer: (server) => void server.middlewares.use(door.handle) };
  const server = await dev({
    root: ROOT,
    logLevel: 'warn',
    server: { host: HOST, port: port ?? DEFAULT_PORT },
    vite: { plugins: [plugin], server: { strictPort: port !== undefined } },
  });
  return { ...door.open(server.address.port), setBridge: door.setBridge, close: () => server.stop() };
}
