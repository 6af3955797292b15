/** Serves a built site under a base, compressed and with the response headers the build wrote, as a static host would. */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { gzipSync } from 'node:zlib';

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.webp': 'image/webp',
  '.json': 'application/json',
  '.wasm': 'application/wasm',
  '.md': 'text/markdown; charset=utf-8',
  '.txt': 'text/plain; charset=utf-8',
  '.xml': 'application/xml',
};

const COMPRESSED = /^text\/|javascript|json|xml|wasm/;

export interface StaticServer {
  /** With the base, with a slash at its end. */
  readonly url: string;
  close(): Promise<void>;
}

export async function serveStatic(directory: string, base: string): Promise<StaticServer> {
  const headers = JSON.parse(readFileSync(path.join(directory, 'headers.json'), 'utf8')) as Record<string, string>;
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://site');
    const found = url.pathname.startsWith(base) ? fileFor(directory, decodeURIComponent(url.pathname.slice(base.length))) : null;
    const file = found ?? path.join(directory, '404.html');
    const type = TYPES[path.extname(file)] ?? 'application/octet-stream';
    const packed = COMPRESSED.test(type) && /\bgzip\b/.test(String(request.headers['accept-encoding']));
    response.writeHead(found ? 200 : 404, { ...headers, 'Content-Type': type, ...(packed ? { 'Content-Encoding': 'gzip' } : {}) });
    const body = readFileSync(file);
    response.end(packed ? gzipSync(body) : body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}${base}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function fileFor(directory: string, relative: string): string | null {
  const full = path.join(directory, relative);
  if (!full.startsWith(directory)) return null;
  if (existsSync(full) && statSync(full).isFile()) return full;
  const index = path.join(full, 'index.html');
  return relative.endsWith('/') || relative === '' ? (existsSync(index) ? index : null) : null;
}
