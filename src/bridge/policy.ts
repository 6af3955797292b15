/**
 * Who is let in: one pure function from a request to a decision for upgrades, one for plain requests, so that every refusal is a row
 * in a table. Checked in this order, first failure first: 400 malformed, 403 host or origin, 426 no upgrade, 401 token, 404 agent,
 * 409 connection name, 429 rate, 503 capacity.
 */
import { createHash, timingSafeEqual } from 'node:crypto';

/** The subprotocol of the frames. */
export const SUBPROTOCOL = 'acp.v1';

/** The subprotocol of a client that only looks, where several share a session. */
export const OBSERVE_SUBPROTOCOL = 'observe.v1';

export interface UpgradePolicy extends AccessPolicy {
  /** The allow-list, fixed at start. */
  readonly agents: readonly string[];
  /** What is spoken here; a client offers exactly one of these. Default `acp.v1` alone. */
  readonly subprotocols?: readonly string[];
  readonly upgradesPerSecond: number;
  readonly connections: number;
  /** What is the case right now. */
  readonly load: {
    /** Upgrades that came this far in the last second. */
    readonly recentUpgrades: number;
    /** Connections whose tree is not gone yet. */
    readonly connections: number;
    readonly closing: boolean;
    /** Whether a connection of this name is open or still remembered. */
    readonly taken: (connection: string) => boolean;
  };
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

const CONNECTION = /^[A-Za-z0-9_-]{22,43}$/;
const TOKEN_CHARACTERS = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

/**
 * Decides about one upgrade request. Pure: the clock, the counts and the names in use are in `policy.load`.
 *
 * @example
 * const decision = authorizeUpgrade(request, policy);
 * if (!decision.ok) console.log(decision.status, decision.message);
 */
export function authorizeUpgrade(request: RequestHead, policy: UpgradePolicy): UpgradeDecision {
  const subprotocols = policy.subprotocols ?? [SUBPROTOCOL];
  const offer = readOffer(request, subprotocols);
  const problem = formProblem(request) ?? upgradeFormProblem(request, offer, subprotocols) ?? accessProblem(request, policy);
  if (problem !== null) return problem;
  const upgrade = header(request, 'upgrade');
  const version = header(request, 'sec-websocket-version');
  if (typeof upgrade !== 'string' || upgrade.toLowerCase() !== 'websocket' || version !== '13') {
    return refuse(426, 'upgrade_required', 'An agent is reached with a WebSocket (version 13).');
  }
  if (offer.tokens.length === 0) return refuse(401, 'token_missing', 'The subprotocol bearer.TOKEN is missing.');
  if (offer.tokens.length > 1) return refuse(401, 'token_repeated', 'More than one token was offered.');
  if (!sameToken(offer.tokens[0]!, policy.token))
    return refuse(401, 'token_wrong', 'The token is not the one this bridge was started with.');
  const agent = /^\/agents\/([^/]+)$/.exec(request.target)?.[1];
  if (agent === undefined || !policy.agents.includes(agent)) {
    return refuse(404, 'agent_unknown', 'There is no such agent here. GET /agents lists them.');
  }
  if (offer.connection !== null && policy.load.taken(offer.connection)) {
    return refuse(409, 'connection_taken', 'A connection of this name is open or ended just now. Choose a new name.');
  }
  if (policy.load.recentUpgrades >= policy.upgradesPerSecond) {
    return refuse(
      429,
      'upgradesPerSecond',
      `More than ${policy.upgradesPerSecond} upgrades in one second (upgradesPerSecond). Wait a second.`,
    );
  }
  if (policy.load.closing) return refuse(503, 'closing', 'The bridge is shutting down.');
  if (policy.load.connections >= policy.connections) {
    return refuse(503, 'connections', `${policy.connections} connections are open (connections). Close one and try again.`);
  }
  // A client that offered no subprotocol at all has no token, and did not come this far.
  return { ok: true, agent, subprotocol: offer.spoken!, connection: offer.connection };
}

interface Offer {
  readonly present: boolean;
  readonly valid: boolean;
  /** The one subprotocol that is spoken here, too. */
  readonly spoken: string | null;
  readonly tokens: readonly string[];
  readonly connection: string | null;
}

function readOffer(request: RequestHead, subprotocols: readonly string[]): Offer {
  const value = header(request, 'sec-websocket-protocol');
  if (typeof value !== 'string') return { present: false, valid: true, spoken: null, tokens: [], connection: null };
  const entries = value.split(',').map((entry) => entry.trim());
  const connections = entries.filter((entry) => entry.startsWith('conn.')).map((entry) => entry.slice('conn.'.length));
  const spoken = entries.filter((entry) => subprotocols.includes(entry));
  const valid =
    entries.every((entry) => TOKEN_CHARACTERS.test(entry)) &&
    spoken.length <= 1 &&
    connections.length <= 1 &&
    connections.every((connection) => CONNECTION.test(connection));
  return {
    present: true,
    valid,
    spoken: spoken[0] ?? null,
    tokens: entries.filter((entry) => entry.startsWith('bearer.')).map((entry) => entry.slice('bearer.'.length)),
    connection: connections[0] ?? null,
  };
}

/** What is malformed about an upgrade beyond what any request can get wrong. */
function upgradeFormProblem(request: RequestHead, offer: Offer, subprotocols: readonly string[]): Refusal | null {
  if (request.method !== 'GET') return refuse(400, 'malformed_method', 'A WebSocket is asked for with GET.');
  if (!offer.valid || (offer.present && offer.spoken === null)) {
    return refuse(
      400,
      'malformed_subprotocols',
      `Offer the subprotocols ${subprotocols.join(' or ')} and bearer.TOKEN, and conn.ID (22 to 43 base64url characters) at most once.`,
    );
  }
  if (header(request, 'upgrade') === null) return null;
  const key = header(request, 'sec-websocket-key');
  if (typeof key !== 'string' || !/^[+/0-9A-Za-z]{22}==$/.test(key)) {
    return refuse(400, 'malformed_key', 'The Sec-WebSocket-Key is missing or is not 16 bytes in base64.');
  }
  return null;
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
  if (typeof authorization !== 'string') return refuse(401, 'token_missing', 'The header Authorization: Bearer TOKEN is missing.');
  const given = /^Bearer ([A-Za-z0-9_-]+)$/i.exec(authorization)?.[1];
  if (given === undefined || !sameToken(given, policy.token))
    return refuse(401, 'token_wrong', 'The token is not the one this bridge was started with.');
  const { path, query } = splitTarget(request.target);
  if (path === '/agents') return request.method === 'GET' ? { ok: true, action: 'agents' } : wrongMethod('GET');
  const [, id, tail] = /^\/connections\/([A-Za-z0-9_-]{22,43})(\/diagnostics)?$/.exec(path) ?? [];
  if (id === undefined) return refuse(404, 'path_unknown', 'There is nothing here. See GET /agents.');
  if (tail !== undefined) {
    if (query !== undefined) return refuse(400, 'query_not_accepted', 'No query is accepted here.');
    return request.method === 'GET' ? { ok: true, action: 'diagnostics', connection: id } : wrongMethod('GET');
  }
  if (request.method !== 'DELETE') return wrongMethod('DELETE');
  const how = query === undefined ? 'ask' : /^how=(ask|kill)$/.exec(query)?.[1];
  if (how === undefined) return refuse(400, 'query_not_accepted', 'The query is how=ask or how=kill.');
  return { ok: true, action: 'end', connection: id, how: how as 'ask' | 'kill' };
}

function wrongMethod(allowed: string): Refusal {
  return refuse(405, 'method_not_allowed', `The method here is ${allowed}.`);
}

/** A browser asks before it sends Authorization. Nothing is given away: host and origin were checked. */
function preflight(request: RequestHead): HttpDecision {
  if (header(request, 'origin') === null) return refuse(403, 'origin_missing', 'A preflight has an Origin.');
  const headers: Record<string, string> = {
    'Access-Control-Allow-Methods': 'GET, DELETE',
    'Access-Control-Allow-Headers': 'authorization',
    'Access-Control-Max-Age': '600',
  };
  // Browsers that guard loopback and private addresses ask for this as well (Private Network Access, later Local Network Access).
  for (const kind of ['private', 'local']) {
    if (header(request, `access-control-request-${kind}-network`) === 'true')
      headers[`Access-Control-Allow-${kind === 'private' ? 'Private' : 'Local'}-Network`] = 'true';
  }
  return { ok: true, action: 'preflight', headers };
}

// ---------------------------------------------------------------- any request: its form, host and origin

/** One request as it came, without its body: no request here has one. */
export interface RequestHead {
  readonly method: string;
  readonly httpVersion: string;
  /** The request target, raw. */
  readonly target: string;
  /** Headers in order, names as they came: a repeated one must be seen. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** Bytes that came after the request before it was answered. */
  readonly earlyBytes: number;
}

export type Refusal = {
  readonly ok: false;
  readonly status: 400 | 401 | 403 | 404 | 405 | 409 | 426 | 429 | 503;
  /** Which rule or limit refused. */
  readonly reason: RefusalReason;
  /** What it means and what to do. */
  readonly message: string;
};

export type RefusalReason =
  | 'malformed_method'
  | 'malformed_target'
  | 'query_not_accepted'
  | 'malformed_headers'
  | 'malformed_key'
  | 'malformed_subprotocols'
  | 'malformed_body'
  | 'early_bytes'
  | 'host_not_allowed'
  | 'origin_missing'
  | 'origin_not_allowed'
  | 'upgrade_required'
  | 'token_missing'
  | 'token_wrong'
  | 'token_repeated'
  | 'agent_unknown'
  | 'path_unknown'
  | 'method_not_allowed'
  | 'connection_unknown'
  | 'connection_taken'
  | 'upgradesPerSecond'
  | 'connections'
  | 'closing';

/** Who may talk to the bridge at all. */
export interface AccessPolicy {
  /** Accepted `Host` values, exactly as they must appear. */
  readonly hosts: readonly string[];
  /** Accepted `Origin` values, exactly as they must appear. */
  readonly origins: readonly string[];
  /** Whether a request without `Origin` (no browser sends one) is accepted. */
  readonly allowMissingOrigin: boolean;
  readonly token: string;
}

function refuse(status: Refusal['status'], reason: RefusalReason, message: string): Refusal {
  return { ok: false, status, reason, message };
}

/** The one value of a header, null when absent, 'repeated' when it came more than once. */
export function header(request: RequestHead, name: string): string | null | { repeated: true } {
  let found: string | null = null;
  for (const [key, value] of request.headers) {
    if (key.toLowerCase() !== name) continue;
    if (found !== null) return { repeated: true };
    found = value;
  }
  return found;
}

/** The target up to its first question mark, and all that follows it: `split` would drop what follows a second one. */
function splitTarget(target: string): { readonly path: string; readonly query: string | undefined } {
  const mark = target.indexOf('?');
  return mark < 0 ? { path: target, query: undefined } : { path: target.slice(0, mark), query: target.slice(mark + 1) };
}

/** Headers that decide something: coming twice, two readers could believe two different things. */
const SINGLE = [
  'host',
  'origin',
  'authorization',
  'upgrade',
  'sec-websocket-key',
  'sec-websocket-version',
  'sec-websocket-protocol',
  'content-length',
  'transfer-encoding',
];

/** The checks of any request's form; null when it is well-formed. */
function formProblem(request: RequestHead): Refusal | null {
  if (request.httpVersion !== '1.1') return refuse(400, 'malformed_method', 'Only HTTP/1.1 is spoken here.');
  for (const name of SINGLE) {
    if (typeof header(request, name) === 'object' && header(request, name) !== null)
      return refuse(400, 'malformed_headers', `The header ${name} came more than once.`);
  }
  if (header(request, 'host') === null) return refuse(400, 'malformed_headers', 'The header host is missing.');
  if (header(request, 'transfer-encoding') !== null || (header(request, 'content-length') ?? '0') !== '0') {
    return refuse(400, 'malformed_body', 'No request here has a body.');
  }
  if (request.earlyBytes > 0) return refuse(400, 'early_bytes', 'Bytes came after the request before it was answered.');
  const { path, query } = splitTarget(request.target);
  // One spelling for each path: escapes, dots and doubled slashes have no use here but to be read in two ways.
  const plain = path === '/' || /^(?:\/[A-Za-z0-9._~-]+)+$/.test(path);
  if (!plain || path.split('/').some((part) => part === '.' || part === '..')) {
    return refuse(400, 'malformed_target', 'The path is not one of plain segments.');
  }
  if (query !== undefined && !path.startsWith('/connections/')) {
    return refuse(400, 'query_not_accepted', 'No query is accepted here. A token belongs in the subprotocol, never in an address.');
  }
  return null;
}

/** Whether the request's host and origin may talk to us; null when they may. */
function accessProblem(request: RequestHead, policy: AccessPolicy): Refusal | null {
  const host = header(request, 'host');
  // SECURITY: a page on a name that was rebound to loopback reaches us with its own name in Host.
  if (typeof host !== 'string' || !policy.hosts.includes(host)) {
    return refuse(403, 'host_not_allowed', `The Host is not one of this bridge's own: ${policy.hosts.join(', ')}.`);
  }
  const origin = header(request, 'origin');
  if (origin === null) {
    // SECURITY: a browser that leaves Origin out (an image, a link) still says that it is one.
    const site = header(request, 'sec-fetch-site');
    if (!policy.allowMissingOrigin || (site !== null && site !== 'none')) {
      return refuse(
        403,
        'origin_missing',
        'The Origin is missing. Start the bridge with --allow-missing-origin for clients that are not browsers.',
      );
    }
    return null;
  }
  // SECURITY: WebSocket upgrades bypass CORS; this line is what keeps other sites out.
  if (typeof origin !== 'string' || origin === 'null' || !policy.origins.includes(origin)) {
    return refuse(403, 'origin_not_allowed', "This Origin is not allowed. Start the bridge with --origin and the page's exact origin.");
  }
  return null;
}

/** Compares in constant time, whatever the lengths. */
function sameToken(given: string, token: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(given), digest(token));
}
