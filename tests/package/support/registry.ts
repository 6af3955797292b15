/** A registry on this machine that knows one package at most, and keeps what it is sent. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

interface Publication {
  readonly name: string;
  readonly 'dist-tags': Readonly<Record<string, string>>;
  readonly versions: Readonly<Record<string, { readonly version: string }>>;
  readonly _attachments: Readonly<Record<string, { readonly data: string; readonly length: number }>>;
}

export interface Registry {
  readonly url: string;
  /** What was published here. */
  readonly received: readonly Publication[];
  /** Versions it says it has. */
  versions: readonly string[];
  close(): Promise<void>;
}

export async function startRegistry(): Promise<Registry> {
  const received: Publication[] = [];
  const server = createServer(async (request, response) => {
    const answer = (status: number, body: object) =>
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    if (request.method === 'PUT') {
      let text = '';
      for await (const part of request.setEncoding('utf8')) text += part as string;
      received.push(JSON.parse(text) as Publication);
      return void answer(201, { ok: true });
    }
    const name = decodeURIComponent((request.url ?? '/').slice(1));
    if (name !== 'acp-rehydrate' || registry.versions.length === 0) return void answer(404, { error: 'not_found' });
    const versions = Object.fromEntries(
      registry.versions.map((version) => [
        version,
        { name, version, dist: { tarball: `${registry.url}${name}/-/${name}-${version}.tgz`, shasum: '0'.repeat(40) } },
      ]),
    );
    return void answer(200, { name, 'dist-tags': { latest: registry.versions.at(-1) }, versions });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const registry: Registry = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    received,
    versions: [],
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return registry;
}
