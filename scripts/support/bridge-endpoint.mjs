/**
 * The one place where the bridge's address and token are handed to a page. The token is the right to run agents
 * here, so it is never in HTML, a URL or a fragment: a page of this very site asks for it and no other page can.
 */

/** Where the page asks. */
export const BRIDGE_ENDPOINT = '/__rehydrate/bridge.json';

/**
 * Whether a request may go on at all. A page of another site that made its own name point at this machine
 * (DNS rebinding) still sends its own name as `Host`.
 *
 * @param {string | undefined} host the request's `Host` header
 * @param {readonly string[]} hosts the exact hosts, with their port, this server is reached by
 */
export function hostIsOurs(host, hosts) {
  return host !== undefined && hosts.includes(host);
}

/**
 * Whether a request for the bridge's token gets it.
 *
 * @param {{ method: string, host?: string, fetchSite?: string, origin?: string }} request
 * @param {readonly string[]} hosts
 * @returns {{ ok: true } | { ok: false, status: number, reason: string }}
 */
export function mayHaveBridge({ method, host, fetchSite, origin }, hosts) {
  if (!hostIsOurs(host, hosts)) return { ok: false, status: 403, reason: 'not this server’s host' };
  if (method !== 'GET') return { ok: false, status: 405, reason: 'only GET' };
  // Browsers set it and scripts cannot; `none` is a person typing the address, who needs no token.
  if (fetchSite !== 'same-origin') return { ok: false, status: 403, reason: 'only for pages of this site' };
  if (origin !== undefined && origin !== `http://${host}`) return { ok: false, status: 403, reason: 'not this site’s origin' };
  return { ok: true };
}
