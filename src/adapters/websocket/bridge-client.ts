/** A client for the bridge's HTTP endpoints, for pages and programs. */
import { RehydrateError } from '../../engine/errors.ts';
import { fieldsOf } from '../../engine/objects.ts';
import { WEBSOCKET_LIMITS } from './limits.ts';

export interface BridgeAddress {
  /** `ws://HOST:PORT`, as the bridge prints it; `http://` and `wss://` work too. */
  readonly url: string;
  readonly token: string;
  /** Default: the global one. */
  readonly fetch?: typeof fetch | undefined;
}

export interface BridgeAgent {
  readonly name: string;
  /** Where the agent runs: the directory to give to `host.create`. */
  readonly cwd: string;
}

/** What a bridge answered, or why it did not. */
export type Answer<T> =
  | { readonly kind: 'answered'; readonly body: T }
  | { readonly kind: 'refused'; readonly status: number; readonly reason: string }
  | { readonly kind: 'unreachable'; readonly reason: string };

/** Error: `invalid_argument` for an address that is not absolute: a page would resolve it on its own site, and send that the token. */
export function httpUrl(url: string): string {
  if (!/^(?:ws|http)s?:\/\/[^/]/i.test(url) || !URL.canParse(url))
    throw new RehydrateError(
      'invalid_argument',
      `"${url}" is not the address of a bridge. It is ws://HOST:PORT, as the bridge prints it.`,
      {
        url,
      },
    );
  return url.replace(/^ws/i, 'http').replace(/\/+$/, '');
}

/** Error: `invalid_argument` for what cannot be in a header or subprotocol. The browser's own error would quote the token. */
export function checkToken(token: string): void {
  if (typeof token === 'string' && /^[\w-]+$/.test(token)) return;
  throw new RehydrateError('invalid_argument', 'token is not one of a bridge. It is 43 letters, digits, - and _, as the bridge prints it.');
}

export async function ask<T>(bridge: BridgeAddress, method: 'GET' | 'DELETE', path: string, ms: number): Promise<Answer<T>> {
  const request = bridge.fetch ?? globalThis.fetch;
  const address = `${httpUrl(bridge.url)}${path}`;
  try {
    const response = await request(address, {
      method,
      headers: { Authorization: `Bearer ${bridge.token}` },
      cache: 'no-store',
      credentials: 'omit',
      signal: AbortSignal.timeout(ms),
    });
    const body = (await response.json()) as T & { error?: string };
    if (response.ok) return { kind: 'answered', body };
    return { kind: 'refused', status: response.status, reason: body.error ?? `status ${response.status}` };
  } catch (error) {
    // A browser does not tell whether CORS, the network or its Local Network Access prompt was the reason.
    return { kind: 'unreachable', reason: error instanceof Error ? error.message : String(error) };
  }
}

/**
 * The agents that a bridge offers. Rejects with `agent_start_failed` when it cannot be reached or does not let us in, `limit_exceeded` at one of
 * its limits, `invalid_argument` for an address that is not a bridge's.
 *
 * @example
 * const [{ name, cwd }] = await listBridgeAgents({ url: 'ws://127.0.0.1:4711', token });
 */
export function listBridgeAgents(bridge: BridgeAddress): Promise<readonly BridgeAgent[]> {
  return agentsOf(bridge, WEBSOCKET_LIMITS.requestMs);
}

export async function agentsOf(bridge: BridgeAddress, ms: number): Promise<readonly BridgeAgent[]> {
  checkToken(bridge.token);
  const answer = await ask<unknown>(bridge, 'GET', '/agents', ms);
  if (answer.kind !== 'answered') throw bridgeProblem(bridge.url, answer);
  if (Array.isArray(answer.body) && answer.body.every(isAgent)) return answer.body;
  throw new RehydrateError('agent_start_failed', `What answers at ${bridge.url} is not a bridge. Check the address.`, { url: bridge.url });
}

function isAgent(value: unknown): value is BridgeAgent {
  const { name, cwd } = fieldsOf(value);
  return typeof name === 'string' && typeof cwd === 'string';
}

export function bridgeProblem(url: string, answer: Exclude<Answer<unknown>, { kind: 'answered' }>): RehydrateError {
  const data = answer.kind === 'refused' ? { url, status: answer.status, reason: answer.reason } : { url, reason: answer.reason };
  return new RehydrateError(
    answer.kind === 'refused' && answer.status >= 429 ? 'limit_exceeded' : 'agent_start_failed',
    `The bridge at ${url} ${describeAnswer(answer)}`,
    data,
  );
}

function describeAnswer(answer: Exclude<Answer<unknown>, { kind: 'answered' }>): string {
  if (answer.kind === 'unreachable') {
    return `cannot be reached (${answer.reason}). Start it, check the address, let this page's origin in with --origin, and allow the browser's local network prompt.`;
  }
  if (answer.status === 401)
    return `refused the token (${answer.reason}). Give it the one that the bridge printed; each start has a new one.`;
  if (answer.status === 403)
    return `does not let this page in (${answer.reason}). Start it with --origin and this page's exact origin, or with --allow-missing-origin for programs.`;
  if (answer.status >= 429) return `is at a limit (${answer.reason}). Close a connection or wait, and try again.`;
  return `refused with ${answer.status} (${answer.reason}).`;
}
