/** Serves the built site on 127.0.0.1, and the bridge's address to its own pages. */
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import path from 'node:path';
import sirv from 'sirv';
import { BRIDGE_ENDPOINT, hostIsOurs, mayHaveBridge } from './bridge-endpoint.mjs';
import { ROOT } from './paths.mjs';
import { SetupError } from './run.mjs';
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
 * What stands in front of every request, whoever serves the pages: names that are not ours are refused, and
 * the bridge's address goes to our own pages.
 */
export function frontDoor() {
  let bridge = null;
  let hosts = [];
  return {
    /** @param {number} port */
    open: (port) => {
      hosts = [`${HOST}:${port}`, `localhost:${port}`];
      return { url: `http://${hosts[0]}/`, origins: hosts.map((host) => `http://${host}`) };
    },
    /** @param {{ url: string, token: string }} next */
    setBridge: (next) => {
      bridge = next;
    },
    /** Answers the request, or passes it on. */
    handle: (request, response, pass) => {
      const end = (status, type, body) => {
        response.writeHead(status, { 'content-type': type, 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' });
        response.end(request.method === 'HEAD' ? undefined : body);
      };
      if (!hostIsOurs(request.headers.host, hosts)) return end(403, TEXT, 'This server answers to its own name only.\n');
      if (request.url?.split('?')[0] !== BRIDGE_ENDPOINT) return pass();
      const { host, origin, 'sec-fetch-site': fetchSite } = request.headers;
      const decision = mayHaveBridge({ method: request.method ?? '', host, origin, fetchSite }, hosts);
      if (!decision.ok) return end(decision.status, TEXT, `${decision.reason}\n`);
      if (!bridge) return end(503, TEXT, 'The bridge is starting.\n');
      return end(200, 'application/json', JSON.stringify(bridge));
    },
  };
}

const TEXT = 'text/plain; charset=utf-8';

/** Under this path a file's name carries a hash of what is in it. */
const HASHED = '/_astro/';

/** The headers that the build wrote for static hosts, so that pages meet the same policy here. */
function headersOf(dir) {
  const headers = JSON.parse(readFileSync(path.join(dir, 'headers.json'), 'utf8'));
  return (response, pathname) => {
    for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
    response.setHeader('cache-control', pathname.startsWith(HASHED) ? 'public, max-age=31536000, immutable' : 'no-cache');
  };
}

/**
 * @typedef {object} SiteServer
 * @property {string} url
 * @property {string[]} origins the origins its pages have
 * @property {(bridge: { url: string, token: string }) => void} setBridge
 * @property {() => Promise<void>} close
 */

/**
 * Serves the built site.
 * @param {{ dir: string, port?: number, defaultPort: number }} options `port` is the one asked for; 0 is any
 * @returns {Promise<SiteServer>}
 */
export async function serveSite({ dir, port, defaultPort }) {
  const setHeaders = headersOf(dir);
  const files = sirv(dir, { etag: true, dotfiles: false, setHeaders });
  const notFound = readFileSync(path.join(dir, '404.html'));
  const door = frontDoor();
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
 * @param {{ port?: number, defaultPort: number }} options
 * @returns {Promise<SiteServer>}
 */
export async function serveSources({ port, defaultPort }) {
  const { dev } = await import('astro');
  const door = frontDoor();
  const plugin = { name: 'rehydrate-front-door', configureServer: (server) => void server.middlewares.use(door.handle) };
  const server = await dev({
    root: ROOT,
    logLevel: 'warn',
    server: { host: HOST, port: port ?? defaultPort },
    vite: { plugins: [plugin], server: { strictPort: port !== undefined } },
  });
  return { ...door.open(server.address.port), setBridge: door.setBridge, close: () => server.stop() };
}
