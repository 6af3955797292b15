/**
 * Who gets a WebSocket, and with it an agent: one pure function from a request to a decision, so that
 * every refusal is a row in a table. Checked in this order, first failure first: 400 malformed,
 * 403 host or origin, 426 no upgrade, 401 token, 404 agent, 409 connection name, 429 rate, 503 capacity.
 */
import { type AccessPolicy, accessProblem, formProblem, header, refuse, type Refusal, type RequestFacts, sameToken } from './facts.ts';

export interface UpgradePolicy extends AccessPolicy {
  /** The allow-list, fixed at start. */
  readonly agents: readonly string[];
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
      /** The name the client gave the connection, if it gave one. */
      readonly connection: string | null;
    }
  | Refusal;

/** The subprotocol of the frames. */
export const SUBPROTOCOL = 'acp.v1';

const CONNECTION = /^[A-Za-z0-9_-]{22,43}$/;
const TOKEN_CHARACTERS = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

/** Decides about one upgrade request. Pure: the clock, the counts and the names in use are in `policy.load`. */
export function authorizeUpgrade(request: RequestFacts, policy: UpgradePolicy): UpgradeDecision {
  const offer = readOffer(request);
  const problem = formProblem(request) ?? upgradeFormProblem(request, offer) ?? accessProblem(request, policy);
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
  return { ok: true, agent, connection: offer.connection };
}

interface Offer {
  readonly present: boolean;
  readonly valid: boolean;
  readonly speaksAcp: boolean;
  readonly tokens: readonly string[];
  readonly connection: string | null;
}

function readOffer(request: RequestFacts): Offer {
  const value = header(request, 'sec-websocket-protocol');
  if (typeof value !== 'string') return { present: false, valid: true, speaksAcp: false, tokens: [], connection: null };
  const entries = value.split(',').map((entry) => entry.trim());
  const connections = entries.filter((entry) => entry.startsWith('conn.')).map((entry) => entry.slice('conn.'.length));
  const valid =
    entries.every((entry) => TOKEN_CHARACTERS.test(entry)) &&
    entries.filter((entry) => entry === SUBPROTOCOL).length <= 1 &&
    connections.length <= 1 &&
    connections.every((connection) => CONNECTION.test(connection));
  return {
    present: true,
    valid,
    speaksAcp: entries.includes(SUBPROTOCOL),
    tokens: entries.filter((entry) => entry.startsWith('bearer.')).map((entry) => entry.slice('bearer.'.length)),
    connection: connections[0] ?? null,
  };
}

/** What is malformed about an upgrade beyond what any request can get wrong. */
function upgradeFormProblem(request: RequestFacts, offer: Offer): Refusal | null {
  if (request.method !== 'GET') return refuse(400, 'malformed_method', 'A WebSocket is asked for with GET.');
  if (!offer.valid || (offer.present && !offer.speaksAcp)) {
    return refuse(
      400,
      'malformed_subprotocols',
      `Offer the subprotocols ${SUBPROTOCOL} and bearer.TOKEN, and conn.ID (22 to 43 base64url characters) at most once.`,
    );
  }
  if (header(request, 'upgrade') === null) return null;
  const key = header(request, 'sec-websocket-key');
  if (typeof key !== 'string' || !/^[+/0-9A-Za-z]{22}==$/.test(key)) {
    return refuse(400, 'malformed_key', 'The Sec-WebSocket-Key is missing or is not 16 bytes in base64.');
  }
  return null;
}
