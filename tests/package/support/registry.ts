/** A registry on this machine that knows no package, and keeps what it is sent. */
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
    return void answer(404, { error: 'not_found' });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    received,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
