/** Serves the built site on 127.0.0.1, and the bridge's address to its own pages in browsers that were let in. */
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import path from 'node:path';
import sirv from 'sirv';
import { BRIDGE_ENDPOINT, BrowserAccess, ENTRANCE, hostIsOurs, isOwnPage } from './browser-access.mjs';
import { ROOT, SetupError } from './setup.mjs';
import { useSite } from './site-build.mjs';

export const HOST = '127.0.0.1';

/** How many ports after the default one are tried when it is taken. */
const PORTS_TRIED = 20;

/** Listens on the first free port of the candidates. */
async function listen(server, candidates) {
  for (const port of candidates) {
    const error = await new Promise((resolve) => {
      server.once('error', resolve);
      server.listen(port, HOST, () => {
        server.removeListener('error', resolve);
        resolve(null);
      });
    });
    if (!error) return;
    if (error.code === 'EACCES') throw new SetupError(`Port ${port} needs more rights than this process has. Choose another with --port.`);
    if (error.code !== 'EADDRINUSE') throw error;
  }
  throw new SetupError(
    candidates.length === 1
      ? `Port ${candidates[0]} is taken. Choose another with --port, or leave --port out for the next free one.`
      : `The ports ${candidates[0]} to ${candidates.at(-1)} are all taken. Choose one with --port.`,
  );
}

/**
 * What stands in front of every request, whoever serves the pages: names that are not ours are refused, the terminal's address lets
 * browsers in, and the bridge's address goes to our own pages there.
 *
 * @param {(address: string) => void} onNext told the address for the next browser when one was used
 */
export function frontDoor(onNext = () => {}) {
  let bridge = null;
  let hosts = [];
  let access = null;
  return {
    /** @param {number} port */
    open: (port) => {
      hosts = [`${HOST}:${port}`, `localhost:${port}`];
      const url = `http://${hosts[0]}/`;
      access = new BrowserAccess({ cookie: `rehydrate-${port}`, onNext: (path) => onNext(new URL(path, url).href) });
      return { url, address: new URL(access.path, url).href, origins: hosts.map((host) => `http://${host}`) };
    },
    /** @param {{ url: string, token: string }} next */
    setBridge: (next) => {
      bridge = next;
    },
    /** Answers the request, or passes it on. */
    handle: (request, response, pass) => {
      const end = (status, type, body, headers = {}) => {
        response.writeHead(status, {
          'content-type': type,
          'cache-control': 'no-store',
          'x-content-type-options': 'nosniff',
          'referrer-policy': 'no-referrer',
          ...headers,
        });
        response.end(request.method === 'HEAD' ? undefined : body);
      };
      const { host, origin, cookie, 'sec-fetch-site': fetchSite } = request.headers;
      if (!hostIsOurs(host, hosts)) return end(403, TEXT, 'This server answers to its own name only.\n');
      const path = request.url?.split('?')[0] ?? '';
      if (path.startsWith(ENTRANCE)) {
        if (request.method !== 'GET') return end(405, TEXT, 'Only GET.\n');
        const ahead = 'sec-purpose' in request.headers || 'purpose' in request.headers || 'x-moz' in request.headers;
        const entry = access.enter({ secret: path.slice(ENTRANCE.length), cookies: cookie, ahead });
        switch (entry.kind) {
          case 'in':
            return end(303, TEXT, '', { location: '/playground/', ...(entry.cookie ? { 'set-cookie': entry.cookie } : {}) });
          case 'ahead':
            return end(503, TEXT, 'Only when it is opened.\n');
          case 'too_many':
            return end(429, TEXT, 'Too many wrong addresses. Wait a second.\n');
          case 'wrong':
            return end(403, TEXT, USED);
        }
      }
      if (path !== BRIDGE_ENDPOINT) return pass();
      const decision = isOwnPage({ method: request.method ?? '', host, origin, fetchSite }, hosts);
      if (!decision.ok) return end(decision.status, TEXT, `${decision.reason}\n`);
      if (!access.knows(cookie))
        return end(401, TEXT, 'This browser was not let in: open the address that npm start prints in its terminal.\n');
      if (!bridge) return end(503, TEXT, 'The bridge is starting.\n');
      return end(200, 'application/json', JSON.stringify(bridge));
    },
  };
}

const USED = `This address has let a browser in already, or is not one of this run.
The terminal in which npm start runs shows the next one. If it was not you who used this one, stop npm start with Ctrl-C.
`;

const TEXT = 'text/plain; charset=utf-8';

/** Under this path a file's name carries a hash of what is in it. */
const HASHED = '/_astro/';

/** A browser reads text without a charset as Latin letters. */
const TEXTS = { '.md': 'text/markdown; charset=utf-8', '.txt': TEXT };

/** The headers that the build wrote for static hosts, so that pages meet the same policy here. */
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
 * @property {string} url
 * @property {string} address what lets the first browser in, and leads to the playground
 * @property {string[]} origins the origins its pages have
 * @property {(bridge: { url: string, token: string }) => void} setBridge
 * @property {() => Promise<void>} close
 */

/**
 * Serves the built site.
 * @param {{ dir: string, port?: number, defaultPort: number, onNext?: (address: string) => void }} options `port` is the one asked for; 0 is any
 * @returns {Promise<SiteServer>}
 */
export async function serveSite({ dir, port, defaultPort, onNext }) {
  const setHeaders = headersOf(dir);
  const files = sirv(dir, { etag: true, dotfiles: false, setHeaders });
  const notFound = readFileSync(path.join(dir, '404.html'));
  const door = frontDoor(onNext);
  const server = createServer((request, response) => {
    door.handle(request, response, () =>
      files(request, response, () => {
        setHeaders(response, '');
        response.writeHead(404, { 'content-type': 'text/html; charset=utf-8' });
        response.end(request.method === 'HEAD' ? undefined : notFound);
      }),
    );
  });
  const release = useSite(dir);
  await listen(server, port === undefined ? Array.from({ length: PORTS_TRIED }, (_, n) => defaultPort + n) : [port]);
  return {
    ...door.open(server.address().port),
    setBridge: door.setBridge,
    close: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
      release();
    },
  };
}

/**
 * Serves the site from its sources, changed as files change.
 * @param {{ port?: number, defaultPort: number, onNext?: (address: string) => void }} options
 * @returns {Promise<SiteServer>}
 */
export async function serveSources({ port, defaultPort, onNext }) {
  const { dev } = await import('astro');
  const door = frontDoor(onNext);
  const plugin = { name: 'rehydrate-front-door', configureServer: (server) => void server.middlewares.use(door.handle) };
  const server = await dev({
    root: ROOT,
    logLevel: 'warn',
    server: { host: HOST, port: port ?? defaultPort },
    vite: { plugins: [plugin], server: { strictPort: port !== undefined } },
  });
  return { ...door.open(server.address.port), setBridge: door.setBridge, close: () => server.stop() };
}
