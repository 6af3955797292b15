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

/** Browsers that are let in at once. The one that came first is forgotten for one more. */
const BROWSERS = 100;

/** Wrong addresses in one second, before all are refused until the second is over. */
const WRONG_PER_SECOND = 20;

const digest = (text) => createHash('sha256').update(text).digest();
const fresh = () => randomBytes(32).toString('base64url');

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
 * Whether a request for the bridge's token is one that a page of this site makes. It is a first sieve: a program can say so, too.
 *
 * @param {{ method: string, host?: string, fetchSite?: string, origin?: string }} request
 * @param {readonly string[]} hosts
 * @returns {{ ok: true } | { ok: false, status: number, reason: string }}
 */
export function isOwnPage({ method, host, fetchSite, origin }, hosts) {
  if (!hostIsOurs(host, hosts)) return { ok: false, status: 403, reason: 'not this server’s host' };
  if (method !== 'GET') return { ok: false, status: 405, reason: 'only GET' };
  // Browsers set it and scripts cannot; `none` is a person typing the address, who needs no token.
  if (fetchSite !== 'same-origin') return { ok: false, status: 403, reason: 'only for pages of this site' };
  if (origin !== undefined && origin !== `http://${host}`) return { ok: false, status: 403, reason: 'not this site’s origin' };
  return { ok: true };
}

/** The browsers that are let in, and the secret that lets in the next one. */
export class BrowserAccess {
  #secret = fresh();
  /** Hashes of the cookies, oldest first. */
  #browsers = [];
  #wrong = { since: -Infinity, count: 0 };
  #cookie;
  #onNext;
  #now;

  /**
   * @param {object} options
   * @param {string} options.cookie its name: cookies are shared by all ports of a host, so each server needs its own
   * @param {(path: string) => void} [options.onNext] told the next address when one was used
   * @param {() => number} [options.now] milliseconds
   */
  constructor({ cookie, onNext = () => {}, now = () => performance.now() }) {
    this.#cookie = cookie;
    this.#onNext = onNext;
    this.#now = now;
  }

  /** The path that lets in the next browser. */
  get path() {
    return `${ENTRANCE}${this.#secret}`;
  }

  /** Whether the request's cookies are those of a browser that was let in. */
  knows(cookies) {
    const given = (cookies ?? '').split(';').map((one) => one.trim());
    const mine = given.filter((one) => one.startsWith(`${this.#cookie}=`)).map((one) => digest(one.slice(this.#cookie.length + 1)));
    // Every pair is compared, so that the time tells nothing.
    let known = false;
    for (const one of mine.slice(0, 4)) for (const browser of this.#browsers) known = timingSafeEqual(one, browser) || known;
    return known;
  }

  /**
   * Somebody opens an address under the entrance.
   *
   * @param {{ secret: string, cookies?: string, ahead?: boolean }} request `ahead`: a browser fetches what a person has not asked for yet
   * @returns {{ kind: 'in', cookie?: string } | { kind: 'ahead' } | { kind: 'wrong' } | { kind: 'too_many' }}
   */
  enter({ secret, cookies, ahead = false }) {
    if (ahead) return { kind: 'ahead' };
    const now = this.#now();
    if (now - this.#wrong.since >= 1_000) this.#wrong = { since: now, count: 0 };
    if (this.#wrong.count >= WRONG_PER_SECOND) return { kind: 'too_many' };
    if (timingSafeEqual(digest(secret), digest(this.#secret))) {
      const value = fresh();
      this.#browsers = [...this.#browsers, digest(value)].slice(-BROWSERS);
      this.#secret = fresh();
      this.#onNext(this.path);
      return { kind: 'in', cookie: `${this.#cookie}=${value}; Path=/__rehydrate/; HttpOnly; SameSite=Strict` };
    }
    // A browser that is in may open its address again.
    if (this.knows(cookies)) return { kind: 'in' };
    this.#wrong.count += 1;
    return { kind: 'wrong' };
  }
}
