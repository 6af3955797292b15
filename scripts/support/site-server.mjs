/** Serves the built site on 127.0.0.1, and the bridge's address to its own pages. */
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import path from 'node:path';
import sirv from 'sirv';
import { BRIDGE_ENDPOINT, hostIsOurs, mayHaveBridge } from './bridge-endpoint.mjs';
import { SetupError } from './run.mjs';

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
 * @param {{ dir: string, port?: number, defaultPort: number }} options `port` is the one asked for; 0 is any
 * @returns {Promise<{ url: string, origins: string[], setBridge(bridge: { url: string, token: string }): void, close(): Promise<void> }>}
 */
export async function serveSite({ dir, port, defaultPort }) {
  const files = sirv(dir, { etag: true, dotfiles: false });
  const notFound = readFileSync(path.join(dir, '404.html'));
  let bridge = null;
  let hosts = [];

  const server = createServer((request, response) => {
    const end = (status, type, body) => {
      response.writeHead(status, { 'content-type': type, 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' });
      response.end(request.method === 'HEAD' ? undefined : body);
    };
    if (!hostIsOurs(request.headers.host, hosts)) {
      end(403, 'text/plain; charset=utf-8', 'This server answers to its own name only.\n');
      return;
    }
    if (request.url?.split('?')[0] === BRIDGE_ENDPOINT) {
      const { host, origin, 'sec-fetch-site': fetchSite } = request.headers;
      const decision = mayHaveBridge({ method: request.method ?? '', host, origin, fetchSite }, hosts);
      if (!decision.ok) end(decision.status, 'text/plain; charset=utf-8', `${decision.reason}\n`);
      else if (!bridge) end(404, 'text/plain; charset=utf-8', 'no bridge\n');
      else end(200, 'application/json', JSON.stringify(bridge));
      return;
    }
    files(request, response, () => end(404, 'text/html; charset=utf-8', notFound));
  });

  await listen(server, port === undefined ? Array.from({ length: PORTS_TRIED }, (_, n) => defaultPort + n) : [port]);
  const chosen = server.address().port;
  hosts = [`${HOST}:${chosen}`, `localhost:${chosen}`];
  return {
    url: `http://${hosts[0]}/`,
    origins: hosts.map((host) => `http://${host}`),
    setBridge: (next) => {
      bridge = next;
    },
    close: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}
