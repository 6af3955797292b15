/**
 * Decides which browser of this machine gets the bridge's address and token, and with them the right to run agents here. Every local user can
 * send any request to our port, so the contents of a request prove nothing. Instead the terminal shows an address that lets in one browser,
 * once, and gives it a cookie; the endpoint answers only requests with that.
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';

/** Where the page asks for the bridge. */
export const BRIDGE_ENDPOINT = '/__rehydrate/bridge.json';

/** The secret follows. */
export const ENTRANCE = '/__rehydrate/open/';

const digest = (text) => createHash('sha256').update(text).digest();
const isSame = (one, other) => timingSafeEqual(digest(one), digest(other));
const fresh = () => randomBytes(32).toString('base64url');

/**
 * Whether this request for the bridge's token may come from a page of this site. Only a first check, because a program can forge it.
 *
 * @param {readonly string[]} hosts the exact hosts, with their port, that this server is reached by
 * @returns {null | [status: number, reason: string]} null: it is
 */
export function notOwnPage({ method, host, fetchSite, origin }, hosts) {
  // DNS rebinding makes another name point at this machine, and the request still has that name.
  if (!hosts.includes(host)) return [403, 'This server answers to its own name only.'];
  if (method !== 'GET') return [405, 'Only GET.'];
  // Scripts cannot set it; `none` is a person typing the address, who needs no token.
  if (fetchSite !== 'same-origin' || (origin !== undefined && origin !== `http://${host}`)) return [403, 'Only for pages of this site.'];
  return null;
}

/** @param {string} name the cookie's: all ports of a host share cookies, so each server needs its own */
export function browserAccess(name) {
  const cookie = `${name}=${fresh()}`;
  let secret = fresh();
  const knows = (cookies = '') => cookies.split(/;\s*/).some((one) => isSame(one, cookie));
  return {
    knows,
    /** The path that lets in the next browser. */
    path: () => ENTRANCE + secret,
    /** @returns {'new' | 'known' | 'wrong'} a browser that is in may open its address again */
    enter: (given, cookies) => {
      if (!isSame(given, secret)) return knows(cookies) ? 'known' : 'wrong';
      secret = fresh();
      return 'new';
    },
    setCookie: `${cookie}; Path=/__rehydrate/; HttpOnly; SameSite=Strict`,
  };
}
