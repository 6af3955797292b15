/** `rehydrate acp --connect`: connects our standard input and output to an agent of a server. */
import { isUtf8 } from 'node:buffer';
import type { Readable, Writable } from 'node:stream';
import { WebSocket } from 'ws';
import { STDIO_LIMITS } from '../adapters/stdio/limits.ts';
import { findInLine, parseMessage, readLines } from '../adapters/stdio/lines.ts';
import { RehydrateError } from '../engine/errors.ts';
import { DEFAULT_LIMITS } from '../engine/limits.ts';
import { within } from '../engine/waiting.ts';
import { fieldsOf } from '../engine/objects.ts';
import { ANSWERS_MS, tooLarge } from './stdio-messages.ts';

type ServerAddress = ReturnType<typeof agentAddress>;

/**
 * Where and how to connect. The URL of an actor, at RivetKit's gateway, also needs `/websocket` in its path, and RivetKit's own subprotocol
 * with the token, which the actor's `onBeforeConnect` gets as `params.token`.
 */
export function agentAddress(server: string, agent: string, token: string) {
  const url = new URL(server);
  const isActor = url.pathname.startsWith('/gateway/');
  url.protocol = url.protocol.replace(/^http/, 'ws');
  url.pathname = `${url.pathname.replace(/\/+$/, '')}${isActor ? '/websocket' : ''}/agents/${encodeURIComponent(agent)}`;
  const actors = isActor ? ['rivet', `rivet_conn_params.${encodeURIComponent(JSON.stringify({ token }))}`] : [];
  return { url: url.href, protocols: [...actors, 'acp.v1', `bearer.${token}`] };
}

/** Whether a closed connection can be opened again: an actor went to sleep (1012), or RivetKit says so for it. */
const isComingBack = (code: number, reason: string): boolean => code === 1012 || reason === 'actor.stopped';
const RECONNECT_MS = 250;
const MOST_RECONNECTS = 120;
const CLOSE_MS = 2_000;
/** How long nothing comes before the system asks whether the server's machine is still there. */
const KEEP_ALIVE_MS = 30_000;

/**
 * Passes messages on, byte for byte. `done` resolves when the input has ended and the connection is closed. It rejects when the server closes
 * the connection, or does not accept it.
 */
export function pump({ url, protocols }: ServerAddress, input: Readable, output: Writable) {
  let leaving = false;
  /** What was sent before the server said anything; null after that. A server going to sleep has not read it, so it is sent again. */
  let unheard: Buffer[] | null = [];
  let unheardBytes = 0;
  let reconnects = 0;
  let socket: WebSocket;
  let isOpen = Promise.withResolvers<void>();
  /** Ids, as JSON, of requests that wait for an answer. Prompts are not counted: their turns go on without the client. */
  const due = new Set<string>();
  let onAnswered: () => void = () => undefined;
  const close = () => {
    leaving = true;
    const mine = socket;
    mine.close(1000);
    // The server cannot answer the close frame while our reader does not read.
    setTimeout(() => mine.terminate(), CLOSE_MS).unref();
  };
  const done = new Promise<void>((resolve, reject) => {
    const fail = (message: string, data: Readonly<Record<string, unknown>> = {}) =>
      reject(new RehydrateError('agent_start_failed', `The server at ${url} ${message}`, { url, ...data }));
    const connect = () => {
      if (leaving) return resolve();
      const mine = (socket = new WebSocket(url, protocols, { maxPayload: DEFAULT_LIMITS.messageBytes, perMessageDeflate: false }));
      mine.on('unexpected-response', (_request, response) => {
        let body = '';
        response.on('data', (chunk: Buffer) => (body += chunk.toString('utf8')));
        response.on('end', () => fail(`refused (${response.statusCode}): ${messageIn(body)}`, { status: response.statusCode }));
      });
      mine.on('error', (error) => fail(`cannot be reached: ${error.message}. Start it with rehydrate serve, or check --connect.`));
      mine.on('close', (code, reason) => {
        if (leaving) return resolve();
        if (unheard && isComingBack(code, reason.toString('utf8')) && ++reconnects < MOST_RECONNECTS) {
          isOpen = Promise.withResolvers();
          setTimeout(connect, RECONNECT_MS);
          return;
        }
        const why = reason.length > 0 ? ` ${reason.toString('utf8')}` : '';
        fail(`ended the connection (${code}${why}). Start the client again: its sessions are on the server.`, { code });
      });
      mine.on('message', (data) => {
        unheard = null;
        const id = ANSWER.exec((data as Buffer).toString('utf8', 0, LONGEST_ID))?.[1];
        if (id !== undefined && due.delete(id) && due.size === 0) onAnswered();
        output.write(data as Buffer);
        if (output.write('\n')) return;
        mine.pause();
        output.once('drain', () => mine.resume());
      });
      // A client that waits for an answer sends nothing, and would wait for ever for a machine that is gone.
      mine.once('upgrade', ({ socket: tcp }) => tcp.setKeepAlive(true, KEEP_ALIVE_MS));
      mine.once('open', () => {
        for (const line of unheard ?? []) mine.send(line, { binary: false });
        isOpen.resolve();
      });
    };
    connect();
    output.on('error', close);
    input.on('error', () => undefined); // 'close' follows
    const lines = readLines(input, STDIO_LIMITS, trimmed, {
      tooLong: ({ limit }) => tooLarge(limit),
      left: () => {
        input.destroy();
      },
    });
    const send = async (line: Buffer) => {
      await isOpen.promise;
      const { id, method } = fieldsOf(parseMessage(line));
      if (id !== undefined && typeof method === 'string' && method !== 'session/prompt') due.add(JSON.stringify(id));
      unheard?.push(line);
      unheardBytes += line.length;
      if (unheardBytes > DEFAULT_LIMITS.messageBytes) unheard = null;
      await new Promise<void>((sent) => socket.send(line, { binary: false }, () => sent()));
    };
    /** The input has ended. The client may still read its answers. */
    const leave = async () => {
      const answered = new Promise<void>((resolve) => (onAnswered = resolve));
      if (due.size > 0) await within(Promise.race([answered, done.catch(() => undefined)]), ANSWERS_MS);
      close();
    };
    const begin = () =>
      lines.pipeTo(new WritableStream({ write: send })).then(leave, (error) => {
        reject(error);
        socket.terminate();
      });
    void isOpen.promise.then(begin);
  });
  return { done, close };
}

/** How our server's responses begin; the id is captured. */
const ANSWER = /^\{"jsonrpc":"2\.0","id":("(?:[^"\\]|\\.)*"|[^,"]+),"(?:result|error)"/;
const LONGEST_ID = 512;

/** A message without a byte-order mark and the like. A line that is not a message is sent as it is, for the server to refuse. */
function trimmed(line: Buffer): Buffer {
  const found = isUtf8(line) ? findInLine(line, false) : null;
  return found === null ? line : line.subarray(found.start, found.end);
}

function messageIn(body: string): string {
  try {
    return String((JSON.parse(body) as { message?: unknown }).message ?? body);
  } catch {
    return body;
  }
}
