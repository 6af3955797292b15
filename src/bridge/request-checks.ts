/** What is checked of every request, be it an upgrade or plain: its form, its host and its origin. */
import { createHash, timingSafeEqual } from 'node:crypto';

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

export function refuse(status: Refusal['status'], reason: RefusalReason, message: string): Refusal {
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
export function splitTarget(target: string): { readonly path: string; readonly query: string | undefined } {
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
export function formProblem(request: RequestHead): Refusal | null {
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
export function accessProblem(request: RequestHead, policy: AccessPolicy): Refusal | null {
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
export function sameToken(given: string, token: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(given), digest(token));
}
