/** Passes an agent's requests, and its notifications other than updates, to one client, with the ids that the client knows. */
import type { ClientServices } from '../engine/index.ts';
import type { Connection, Params } from './connection.ts';
import { RpcFailure } from './errors.ts';
import { RPC } from '../engine/protocol/agent-protocol.ts';
import type { Names } from './names.ts';
import { object } from './params.ts';

interface Client {
  readonly connection: Pick<Connection, 'request' | 'offer'>;
  readonly capabilities: () => Params;
  /** The ids as the client knows them, of a session that it has open. */
  readonly namesOf: (sessionId: string) => Names | undefined;
  /** Resolves when the client was sent what is in the record. */
  readonly caughtUp: (sessionId: string) => Promise<void>;
}

export function clientServices({ connection, capabilities, namesOf, caughtUp }: Client): ClientServices {
  /** Terminals that a session's agent has started in this client and not released. */
  const terminals = new Map<string, Set<string>>();

  function told(sessionId: string, params: Params): Params {
    const names = namesOf(sessionId);
    const given = 'sessionId' in params ? { ...params, sessionId } : params;
    return names && typeof given['toolCallId'] === 'string' ? names.current({ ...given, toolCallId: given['toolCallId'] }) : given;
  }

  /** Nobody waits for the client's answer. */
  const releaseTerminal = (sessionId: string, terminalId: string): void =>
    void connection.request('terminal/release', { sessionId, terminalId });

  function trackTerminal(method: string, params: Params, sessionId: string, result: unknown, { aborted }: AbortSignal): void {
    if (method === 'terminal/create') {
      const { terminalId } = object(result);
      if (typeof terminalId !== 'string') return;
      if (aborted) releaseTerminal(sessionId, terminalId);
      else terminals.set(sessionId, (terminals.get(sessionId) ?? new Set()).add(terminalId));
    } else if (method === 'terminal/release') terminals.get(sessionId)?.delete(params['terminalId'] as string);
  }

  return {
    get capabilities() {
      return capabilities();
    },
    async handle({ method, params, sessionId, signal }) {
      // First send the client what was said before the question. Ask even if that cannot be read.
      if (method === 'elicitation/create') await caughtUp(sessionId).catch(() => undefined);
      // Not withdrawn: if the client still makes the terminal, its id is needed to release it.
      const until = method === 'terminal/create' && !signal.aborted ? undefined : signal;
      const response = await connection.request(method, told(sessionId, params), until);
      if (response === null) throw new RpcFailure({ code: RPC.cancelled, message: 'The client is gone, or the request was withdrawn.' });
      if ('error' in response) throw new RpcFailure(response.error);
      trackTerminal(method, params, sessionId, response.result, signal);
      return response.result;
    },
    notify: ({ method, params, sessionId }) => connection.offer(method, told(sessionId, params)),
    /** Releases what an agent that died has left open. */
    async release(sessionId) {
      const left = [...(terminals.get(sessionId) ?? [])];
      terminals.delete(sessionId);
      for (const terminalId of left) releaseTerminal(sessionId, terminalId);
    },
  };
}
