/** The same for plain requests: which of the few endpoints may answer, and to whom. */
import {
  type AccessPolicy,
  accessProblem,
  formProblem,
  header,
  refuse,
  type Refusal,
  type RequestFacts,
  sameToken,
  splitTarget,
} from './facts.ts';

export type HttpDecision =
  | { readonly ok: true; readonly action: 'preflight'; readonly headers: Readonly<Record<string, string>> }
  | { readonly ok: true; readonly action: 'agents' }
  | { readonly ok: true; readonly action: 'end'; readonly connection: string; readonly how: 'ask' | 'kill' }
  | { readonly ok: true; readonly action: 'diagnostics'; readonly connection: string }
  | Refusal;

/** Decides about one plain request. Upgrades and requests for an agent's own path go to `authorizeUpgrade`. */
export function authorizeHttp(request: RequestFacts, policy: AccessPolicy): HttpDecision {
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
function preflight(request: RequestFacts): HttpDecision {
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
