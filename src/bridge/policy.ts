/**
 * Decides who is let in, with one pure function for upgrades and one for plain requests. Checked in this order: 400 malformed, 403 host or origin,
 * 426 no upgrade, 401 token, 404 agent, 409 connection name, 429 rate, 503 capacity.
 */
import { createHash, timingSafeEqual } from 'node:crypto';

/** The subprotocol for ACP. */
export const SUBPROTOCOL = 'acp.v1';

/** What every request is checked against. */
export interface AccessPolicy {
  /** Accepted `Host` values, exactly as they must appear. */
  readonly hosts: readonly string[];
  /** Accepted `Origin` values, exactly as they must appear. */
  readonly origins: readonly string[];
  /** Whether a request without `Origin` (no browser sends one) is accepted. */
  readonly allowMissingOrigin: boolean;
  readonly token: string;
}

export interface UpgradePolicy extends AccessPolicy {
  /** The allow-list, fixed at start. */
  readonly agents: readonly string[];
  /** A client must offer exactly one of these. Default: `acp.v1` alone. */
  readonly subprotocols?: readonly string[];
  readonly upgradesPerSecond: number;
  readonly connections: number;
  readonly load: {
    /** Upgrades that were let in during the last second. */
    readonly recentUpgrades: number;
    /** Connections whose process tree is not gone yet. */
    readonly connections: number;
    readonly closing: boolean;
    /** Whether a connection of this name is open or still remembered. */
    readonly taken: (connection: string) => boolean;
  };
}

/** One request, as it came. No valid request has a body. */
export interface RequestHead {
  readonly method: string;
  readonly httpVersion: string;
  /** The request target, raw. */
  readonly target: string;
  /** All headers in order, with names as they came, including repeated ones. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** Bytes that came after the request before it was answered. */
  readonly earlyBytes: number;
}

/** Every rule and limit for which a request may be refused, with the status. */
const STATUS = {
  malformed_method: 400,
  malformed_target: 400,
  query_not_accepted: 400,
  malformed_headers: 400,
  malformed_key: 400,
  malformed_subprotocols: 400,
  malformed_body: 400,
  early_bytes: 400,
  host_not_allowed: 403,
  origin_missing: 403,
  origin_not_allowed: 403,
  upgrade_required: 426,
  token_missing: 401,
  token_wrong: 401,
  token_repeated: 401,
  agent_unknown: 404,
  path_unknown: 404,
  method_not_allowed: 405,
  connection_unknown: 404,
  connection_taken: 409,
  upgradesPerSecond: 429,
  connections: 503,
  closing: 503,
} as const;

export type RefusalReason = keyof typeof STATUS;

export type Refusal = {
  readonly ok: false;
  readonly status: (typeof STATUS)[RefusalReason];
  /** The rule or limit. */
  readonly reason: RefusalReason;
  /** What it means and what to do. */
  readonly message: string;
};

export function refuse(reason: RefusalReason, message: string): Refusal {
  return { ok: false, status: STATUS[reason], reason, message };
}

export type UpgradeDecision =
  | {
      readonly ok: true;
      readonly agent: string;
      /** The one of the policy's subprotocols that the client offered. */
      readonly subprotocol: string;
      /** The name the client gave the connection, if it gave one. */
      readonly connection: string | null;
    }
  | Refusal;

/**
 * Decides about one upgrade request. Pure: counts and names in use are in `policy.load`.
 *
 * @example
 * const decision = authorizeUpgrade(request, policy);
 * if (!decision.ok) console.log(decision.status, decision.message);
 */
export function authorizeUpgrade(request: RequestHead, policy: UpgradePolicy): UpgradeDecision {
  const { subprotocols = [SUBPROTOCOL], load } = policy;
  const offer = readOffer(request, subprotocols);
  const problem = formProblem(request) ?? upgradeFormProblem(request, offer, subprotocols) ?? accessProblem(request, policy);
  if (problem !== null) return problem;
  if (header(request, 'upgrade')?.toLowerCase() !== 'websocket' || header(request, 'sec-websocket-version') !== '13')
    return refuse('upgrade_required', 'An agent is reached with a WebSocket (version 13).');
  const [token] = offer.tokens;
  if (token === undefined) return refuse('token_missing', 'The subprotocol bearer.TOKEN is missing.');
  if (offer.tokens.length > 1) return refuse('token_repeated', 'More than one token was offered.');
  if (!sameToken(token, policy.token)) return WRONG_TOKEN;
  const agent = /^\/agents\/([^/]+)$/.exec(request.target)?.[1];
  if (agent === undefined || !policy.agents.includes(agent))
    return refuse('agent_unknown', 'There is no such agent here. GET /agents lists them.');
  if (offer.connection !== null && load.taken(offer.connection))
    return refuse('connection_taken', 'A connection of this name is open or ended just now. Choose a new name.');
  const { upgradesPerSecond: rate, connections } = policy;
  if (load.recentUpgrades >= rate)
    return refuse('upgradesPerSecond', `More than ${rate} upgrades in one second (upgradesPerSecond). Wait a second.`);
  if (load.closing) return refuse('closing', 'The bridge is shutting down.');
  if (load.connections >= connections)
    return refuse('connections', `${connections} connections are open (connections). Close one and try again.`);
  // Not null: a client that offered no subprotocol has no token, so it was refused above.
  return { ok: true, agent, subprotocol: offer.spoken!, connection: offer.connection };
}

/** The subprotocols that a client offers. */
interface Offer {
  readonly valid: boolean;
  /** The one of them that the policy has, too. */
  readonly spoken: string | null;
  readonly tokens: readonly string[];
  readonly connection: string | null;
}

function readOffer(request: RequestHead, subprotocols: readonly string[]): Offer {
  const value = header(request, 'sec-websocket-protocol');
  const entries = value?.split(',').map((entry) => entry.trim()) ?? [];
  const after = (prefix: string): string[] =>
    entries.filter((entry) => entry.startsWith(prefix)).map((entry) => entry.slice(prefix.length));
  const connections = after('conn.');
  const spoken = entries.filter((entry) => subprotocols.includes(entry));
  const wellFormed =
    entries.every((entry) => /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(entry)) &&
    spoken.length === 1 &&
    connections.length <= 1 &&
    connections.every((connection) => /^[A-Za-z0-9_-]{22,43}$/.test(connection));
  return {
    valid: value === null || wellFormed,
    spoken: spoken[0] ?? null,
    tokens: after('bearer.'),
    connection: connections[0] ?? null,
  };
}

/** What is malformed in an upgrade, beyond what is checked for any request. */
function upgradeFormProblem(request: RequestHead, offer: Offer, subprotocols: readonly string[]): Refusal | null {
  if (request.method !== 'GET') return refuse('malformed_method', 'A WebSocket is asked for with GET.');
  if (!offer.valid)
    return refuse(
      'malformed_subprotocols',
      `Offer the subprotocols ${subprotocols.join(' or ')} and bearer.TOKEN, and conn.ID (22 to 43 base64url characters) at most once.`,
    );
  if (header(request, 'upgrade') === null || /^[+/0-9A-Za-z]{22}==$/.test(header(request, 'sec-websocket-key') ?? '')) return null;
  return refuse('malformed_key', 'The Sec-WebSocket-Key is missing or is not 16 bytes in base64.');
}

export type HttpDecision =
  | { readonly ok: true; readonly action: 'preflight'; readonly headers: Readonly<Record<string, string>> }
  | { readonly ok: true; readonly action: 'agents' }
  | { readonly ok: true; readonly action: 'end'; readonly connection: string; readonly how: 'ask' | 'kill' }
  | { readonly ok: true; readonly action: 'diagnostics'; readonly connection: string }
  | Refusal;

/**
 * Decides about one plain request: which of the few endpoints answers. Upgrades and requests for an agent's own path go to `authorizeUpgrade`.
 *
 * @example
 * const decision = authorizeHttp(request, policy);
 * if (!decision.ok) console.log(decision.status, decision.message);
 */
export function authorizeHttp(request: RequestHead, policy: AccessPolicy): HttpDecision {
  const problem = formProblem(request) ?? accessProblem(request, policy);
  if (problem !== null) return problem;
  if (request.method === 'OPTIONS') return preflight(request);
  const authorization = header(request, 'authorization');
  if (authorization === null) return refuse('token_missing', 'The header Authorization: Bearer TOKEN is missing.');
  const given = /^Bearer ([A-Za-z0-9_-]+)$/i.exec(authorization)?.[1];
  if (given === undefined || !sameToken(given, policy.token)) return WRONG_TOKEN;
  const { path, query } = splitTarget(request.target);
  const allowed = (method: string): Refusal | null =>
    request.method === method ? null : refuse('method_not_allowed', `The method here is ${method}.`);
  if (path === '/agents') return allowed('GET') ?? { ok: true, action: 'agents' };
  const [, connection, tail] = /^\/connections\/([A-Za-z0-9_-]{22,43})(\/diagnostics)?$/.exec(path) ?? [];
  if (connection === undefined) return refuse('path_unknown', 'There is nothing here. See GET /agents.');
  if (tail !== undefined) {
    if (query !== undefined) return refuse('query_not_accepted', 'No query is accepted here.');
    return allowed('GET') ?? { ok: true, action: 'diagnostics', connection };
  }
  const how = /^how=(ask|kill)$/.exec(query ?? 'how=ask')?.[1] as 'ask' | 'kill' | undefined;
  const refused = allowed('DELETE') ?? (how === undefined ? refuse('query_not_accepted', 'The query is how=ask or how=kill.') : null);
  return refused ?? { ok: true, action: 'end', connection, how: how! };
}

/** Answers a browser that asks whether it may send Authorization. Host and origin have been checked. */
function preflight(request: RequestHead): HttpDecision {
  if (header(request, 'origin') === null) return refuse('origin_missing', 'A preflight has an Origin.');
  const headers: Record<string, string> = {
    'Access-Control-Allow-Methods': 'GET, DELETE',
    'Access-Control-Allow-Headers': 'authorization',
    'Access-Control-Max-Age': '600',
  };
  // Browsers that protect loopback and private addresses also ask for this (Private Network Access, now Local Network Access).
  for (const kind of ['Private', 'Local'])
    if (header(request, `access-control-request-${kind.toLowerCase()}-network`) === 'true')
      headers[`Access-Control-Allow-${kind}-Network`] = 'true';
  return { ok: true, action: 'preflight', headers };
}

// ---------------------------------------------------------------- any request: its form, host and origin

const valuesOf = (request: RequestHead, name: string): string[] =>
  request.headers.filter(([key]) => key.toLowerCase() === name).map(([, value]) => value);

/** A header's value; null if it is absent. Repeated headers are joined, so that they match none of the values we look for. */
export function header(request: RequestHead, name: string): string | null {
  const values = valuesOf(request, name);
  return values.length === 0 ? null : values.join(', ');
}

/** Splits at the first question mark. (`String.split` would drop what follows a second one.) */
function splitTarget(target: string): { readonly path: string; readonly query: string | undefined } {
  const mark = target.indexOf('?');
  return mark < 0 ? { path: target, query: undefined } : { path: target.slice(0, mark), query: target.slice(mark + 1) };
}

/** Headers that decide something may come only once, because two programs could believe different ones of two values. */
const SINGLE =
  'host origin authorization upgrade sec-websocket-key sec-websocket-version sec-websocket-protocol content-length transfer-encoding'.split(
    ' ',
  );

/** What is malformed in a request of any kind; null if nothing is. */
function formProblem(request: RequestHead): Refusal | null {
  if (request.httpVersion !== '1.1') return refuse('malformed_method', 'Only HTTP/1.1 is spoken here.');
  const repeated = SINGLE.find((name) => valuesOf(request, name).length > 1);
  if (repeated !== undefined) return refuse('malformed_headers', `The header ${repeated} came more than once.`);
  if (header(request, 'host') === null) return refuse('malformed_headers', 'The header host is missing.');
  if (header(request, 'transfer-encoding') !== null || (header(request, 'content-length') ?? '0') !== '0')
    return refuse('malformed_body', 'No request here has a body.');
  if (request.earlyBytes > 0) return refuse('early_bytes', 'Bytes came after the request before it was answered.');
  const { path, query } = splitTarget(request.target);
  // Each path has one spelling, because escapes, dots and doubled slashes can be read in two ways.
  const plain = path === '/' || /^(?:\/(?!\.{1,2}(?:\/|$))[A-Za-z0-9._~-]+)+$/.test(path);
  if (!plain) return refuse('malformed_target', 'The path is not one of plain segments.');
  if (query !== undefined && !path.startsWith('/connections/'))
    return refuse('query_not_accepted', 'No query is accepted here. A token belongs in the subprotocol, never in an address.');
  return null;
}

/** Why the request's host or origin is refused; null if both are allowed. */
function accessProblem(request: RequestHead, policy: AccessPolicy): Refusal | null {
  // SECURITY: against DNS rebinding. A page whose name was rebound to loopback sends that name as Host.
  if (!policy.hosts.includes(header(request, 'host') ?? ''))
    return refuse('host_not_allowed', `The Host is not one of this bridge's own: ${policy.hosts.join(', ')}.`);
  const origin = header(request, 'origin');
  if (origin === null) {
    // SECURITY: a browser that sends no Origin (for an image or a link) still sends Sec-Fetch-Site.
    if (policy.allowMissingOrigin && (header(request, 'sec-fetch-site') ?? 'none') === 'none') return null;
    return refuse(
      'origin_missing',
      'The Origin is missing. Start the bridge with --allow-missing-origin for clients that are not browsers.',
    );
  }
  // SECURITY: CORS does not cover WebSocket upgrades, so this line keeps other sites out.
  if (origin !== 'null' && policy.origins.includes(origin)) return null;
  return refuse('origin_not_allowed', "This Origin is not allowed. Start the bridge with --origin and the page's exact origin.");
}

const WRONG_TOKEN = refuse('token_wrong', 'The token is not the one this bridge was started with.');

/** Compares in constant time, whatever the lengths. */
function sameToken(given: string, token: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(given), digest(token));
}
