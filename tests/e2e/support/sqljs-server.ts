import { createServer, type Server } from 'node:http';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { build } from 'esbuild';

export interface SqljsServer {
  readonly url: string;
  stop(): Promise<void>;
}

/** Bundles the page and serves it on a free port of this machine. */
export async function serveSqljsPage(): Promise<SqljsServer> {
  const bundle = await build({
    entryPoints: [new URL('./sqljs-page.ts', import.meta.url).pathname],
    bundle: true,
    write: false,
    format: 'iife',
    platform: 'browser',
    conditions: ['browser'],
    define: { 'import.meta': '{}' },
    logLevel: 'error',
  });
  const wasm = await readFile(createRequire(import.meta.url).resolve('sql.js/dist/sql-wasm-browser.wasm'));
  const files: Readonly<Record<string, readonly [type: string, body: string | Uint8Array]>> = {
    '/': ['text/html', '<!doctype html><title>sql.js</title><script src="/page.js"></script>'],
    // An origin of its own kind, to which the browser denies all storage.
    '/denied': ['text/html', '<!doctype html><title>denied</title><script src="/page.js"></script>'],
    '/page.js': ['text/javascript', bundle.outputFiles[0]!.contents],
    '/sqljs.wasm': ['application/wasm', wasm],
  };
  const server: Server = createServer((request, response) => {
    const file = files[new URL(request.url ?? '/', 'http://page').pathname];
    if (!file) return void response.writeHead(404).end();
    const headers: Record<string, string> = { 'content-type': file[0] };
    if (request.url === '/denied') headers['content-security-policy'] = 'sandbox allow-scripts';
    // The sandboxed page is another origin, and fetches the wasm from this one.
    headers['access-control-allow-origin'] = '*';
    response.writeHead(200, headers).end(file[1]);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    stop: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}
