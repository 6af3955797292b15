/**
 * Who of this machine gets the bridge's address and token, which are the right to run agents here. Every local user can send any request
 * to our port, so what a request says about itself proves nothing. The terminal shows an address that lets one browser in, once; that
 * browser then has a cookie, and the endpoint answers to it alone.
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';

/** Where the page asks. */
export const BRIDGE_ENDPOINT = '/__rehydrate/bridge.json';

/** What the address in the terminal begins with; the secret follows. */
export const ENTRANCE = '/__rehydrate/open/';

const digest = (text) => createHash('sha256').update(text).digest();
const isSame = (one, other) => timingSafeEqual(digest(one), digest(other));
const fresh = () => randomBytes(32).toString('base64url');

/**
 * Whether a request for the bridge's token is one that a page of this site makes. It is a first sieve: a program can say so, too.
 *
 * @param {{ method: string, host?: string, fetchSite?: string, origin?: string }} request
 * @param {readonly string[]} hosts the exact hosts, with their port, this server is reached by
 * @returns {null | [status: number, reason: string]} null: it is
 */
export function notOwnPage({ method, host, fetchSite, origin }, hosts) {
  // A page of another site that made its own name point at this machine (DNS rebinding) still sends its own name.
  if (!hosts.includes(host)) return [403, 'This server answers to its own name only.'];
  if (method !== 'GET') return [405, 'Only GET.'];
  // Browsers set it and scripts cannot; `none` is a person typing the address, who needs no token.
  if (fetchSite !== 'same-origin' || (origin !== undefined && origin !== `http://${host}`)) return [403, 'Only for pages of this site.'];
  return null;
}

/**
 * The secret that lets in the next browser, and the cookie of those that are in.
 *
 * @param {string} name the cookie's: cookies are shared by all ports of a host, so each server needs its own
 */
export function browserAccess(name) {
  const cookie = `${name}=${fresh()}`;
  let secret = fresh();
  /** Whether the request's cookies are those of a browser that was let in. */
  const knows = (cookies = '') => cookies.split(/;\s*/).some((one) => isSame(one, cookie));
  return {
    knows,
    /** The path that lets in the next browser. */
    path: () => ENTRANCE + secret,
    /**
     * Somebody opens an address under the entrance.
     * @returns {'new' | 'known' | 'wrong'} a browser that is in may open its address again
     */
    enter: (given, cookies) => {
      if (!isSame(given, secret)) return knows(cookies) ? 'known' : 'wrong';
      secret = fresh();
      return 'new';
    },
    setCookie: `${cookie}; Path=/__rehydrate/; HttpOnly; SameSite=Strict`,
  };
}
