/** An editor's standard input and output led to an agent of a server, line by message. */
import type { Readable, Writable } from 'node:stream';
import { WebSocket } from 'ws';
import { eachLine, findInLine, LineCutter } from '../adapters/stdio/lines.ts';
import { RehydrateError } from '../engine/errors.ts';
import { DEFAULT_LIMITS } from '../engine/limits.ts';

/** How much may wait for the server before the input is not read. */
const WAITING_BYTES = 1024 * 1024;

export interface ServerAddress {
  readonly url: string;
  /** What is asked for, the token among it. */
  readonly protocols: readonly string[];
}

/**
 * The way to an agent of a server. One of RivetKit's gateway leads to an actor: its path has a part of its own for WebSockets, and it
 * wants its own subprotocol, in which an actor's `onBeforeConnect` finds the token as `params.token`.
 */
export function agentAddress(server: string, agent: string, token: string): ServerAddress {
  const url = new URL(server);
  const isActor = url.pathname.startsWith('/gateway/');
  url.protocol = url.protocol.replace(/^http/, 'ws');
  url.pathname = `${url.pathname.replace(/\/+$/, '')}${isActor ? '/websocket' : ''}/agents/${encodeURIComponent(agent)}`;
  const actors = isActor ? ['rivet', `rivet_conn_params.${encodeURIComponent(JSON.stringify({ token }))}`] : [];
  return { url: url.href, protocols: [...actors, 'acp.v1', `bearer.${token}`] };
}

export interface Pump {
  /** Resolves when the input has ended and the server knows; rejects when the server has ended the connection, or never let us in. */
  readonly done: Promise<void>;
  close(): void;
}

export function pump({ url, protocols }: ServerAddress, input: Readable, output: Writable): Pump {
  const socket = new WebSocket(url, [...protocols], { maxPayload: DEFAULT_LIMITS.messageBytes, perMessageDeflate: false });
  const cutter = new LineCutter(DEFAULT_LIMITS.messageBytes);
  let leaving = false;
  const close = () => {
    leaving = true;
    socket.close(1000);
  };
  const send = (block: Buffer) =>
    eachLine(block, (start, end) => {
      const line = block.subarray(start, end);
      // A byte-order mark and its kind stay here; what is no message at all is the server's to refuse.
      const found = findInLine(line, false);
      socket.send(found === null ? line : line.subarray(found.start, found.end), { binary: false }, roomAgain);
    });
  const roomAgain = () => {
    if (socket.bufferedAmount < WAITING_BYTES) input.resume();
  };

  const done = new Promise<void>((resolve, reject) => {
    const fail = (message: string, data: Readonly<Record<string, unknown>> = {}) =>
      reject(new RehydrateError('agent_start_failed', `The server at ${url} ${message}`, { url, ...data }));
    socket.on('unexpected-response', (_request, response) => {
      let body = '';
      response.on('data', (chunk: Buffer) => (body += chunk.toString('utf8')));
      response.on('end', () => fail(`refused (${response.statusCode}): ${messageIn(body)}`, { status: response.statusCode }));
    });
    socket.on('error', (error) => fail(`cannot be reached: ${error.message}. Start it with rehydrate serve, or check --connect.`));
    socket.on('close', (code, reason) => {
      if (leaving) resolve();
      else
        fail(
          `ended the connection (${code}${reason.length > 0 ? ` ${reason.toString('utf8')}` : ''}). Start the client again: its sessions are on the server.`,
          { code },
        );
    });
    socket.on('message', (data) => {
      output.write(data as Buffer);
      if (!output.write('\n')) {
        socket.pause();
        output.once('drain', () => socket.resume());
      }
    });
    output.on('error', close);
    socket.once('open', () => {
      input.on('data', (chunk: Buffer) => {
        try {
          const block = cutter.push(chunk);
          if (block !== null) send(block);
        } catch (error) {
          reject(error);
          socket.terminate();
        }
        if (socket.bufferedAmount >= WAITING_BYTES) input.pause();
      });
      const finish = () => {
        const rest = cutter.rest();
        if (rest !== null) send(rest);
        close();
      };
      input.once('end', finish);
      input.once('error', finish);
    });
  });
  return { done, close };
}

function messageIn(body: string): string {
  try {
    return String((JSON.parse(body) as { message?: unknown }).message ?? body);
  } catch {
    return body;
  }
}
