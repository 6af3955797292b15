import { describe, expect, test } from 'vitest';
import { BrowserAccess, ENTRANCE, isOwnPage } from '../../../scripts/support/browser-access.mjs';

const hosts = ['127.0.0.1:4321', 'localhost:4321'];
const page = { method: 'GET', host: '127.0.0.1:4321', fetchSite: 'same-origin' };

describe('the bridge token is asked for by pages of this very site and by nobody else', () => {
  test.each([
    ['a page of the site', page, true],
    ['the same by its other name', { ...page, host: 'localhost:4321' }, true],
    ['a page that also sends its origin', { ...page, origin: 'http://127.0.0.1:4321' }, true],
    ['a page on another port of this machine', { ...page, fetchSite: 'same-site', origin: 'http://127.0.0.1:8080' }, false],
    ['a page of another site', { ...page, fetchSite: 'cross-site', origin: 'https://example.org' }, false],
    ['an address typed by a person', { ...page, fetchSite: 'none' }, false],
    ['a program that sets no Sec-Fetch-Site', { ...page, fetchSite: undefined }, false],
    ['a name that was made to point here', { ...page, host: 'evil.example:4321' }, false],
    ['our name on another port', { ...page, host: '127.0.0.1:4322' }, false],
    ['our name without its port', { ...page, host: '127.0.0.1' }, false],
    ['our name with a dot', { ...page, host: 'localhost.:4321' }, false],
    ['our name in capitals', { ...page, host: 'LOCALHOST:4321' }, false],
    ['no host', { ...page, host: undefined }, false],
    ['an origin that is not the host', { ...page, origin: 'http://localhost:4321' }, false],
    ['an opaque origin', { ...page, origin: 'null' }, false],
    ['a post', { ...page, method: 'POST' }, false],
    ['a head request', { ...page, method: 'HEAD' }, false],
    ['two values in one header', { ...page, fetchSite: 'same-origin, cross-site' }, false],
  ])('%s', (_what, request, allowed) => {
    expect(isOwnPage(request, hosts).ok).toBe(allowed);
  });
});

describe('an address lets one browser in, once', () => {
  let now = 0;
  const open = (more = {}) => new BrowserAccess({ cookie: 'rehydrate-4321', now: () => now, ...more });
  const secretOf = (access) => access.path.slice(ENTRANCE.length);
  const cookieOf = (entry) => entry.cookie.split(';')[0];

  test('the one who opens it gets a strict cookie that scripts cannot read, and the next address is another', () => {
    const told = [];
    const access = open({ onNext: (path) => told.push(path) });
    const first = secretOf(access);
    expect(first).toMatch(/^[A-Za-z0-9_-]{43}$/);
    const entry = access.enter({ secret: first });
    expect(entry.cookie).toMatch(/^rehydrate-4321=[A-Za-z0-9_-]{43}; Path=\/__rehydrate\/; HttpOnly; SameSite=Strict$/);
    expect(entry.cookie).not.toContain(first);
    expect(access.knows(cookieOf(entry))).toBe(true);
    expect(told).toEqual([access.path]);
    expect(secretOf(access)).not.toBe(first);
  });

  test('a second use lets nobody in, but leads a browser that is in to its page', () => {
    const access = open();
    const secret = secretOf(access);
    const entry = access.enter({ secret });
    expect(access.enter({ secret })).toEqual({ kind: 'wrong' });
    expect(access.enter({ secret, cookies: cookieOf(entry) })).toEqual({ kind: 'in' });
  });

  test('a browser that only fetches ahead does not use it up', () => {
    const access = open();
    const secret = secretOf(access);
    expect(access.enter({ secret, ahead: true })).toEqual({ kind: 'ahead' });
    expect(access.enter({ secret }).kind).toBe('in');
  });

  test.each([
    ['nothing', undefined],
    ['another cookie', 'session=1; theme=dark'],
    ['ours, empty', 'rehydrate-4321='],
    ['ours, guessed', `rehydrate-4321=${'A'.repeat(43)}`],
    ['one of another server', (cookie) => cookie.replace('4321', '4322')],
    ['a prefix of it', (cookie) => cookie.slice(0, -1)],
    ['it in another case', (cookie) => cookie.toUpperCase()],
  ])('a browser is not known by %s', (_what, cookies) => {
    const access = open();
    const entry = access.enter({ secret: secretOf(access) });
    expect(access.knows(typeof cookies === 'function' ? cookies(cookieOf(entry)) : cookies)).toBe(false);
    expect(access.knows(`a=b; ${cookieOf(entry)}; c=d`)).toBe(true);
  });

  test('wrong addresses are bounded in a second; the right one works in the next', () => {
    const access = open();
    now = 5_000;
    for (let n = 0; n < 20; n += 1) expect(access.enter({ secret: `guess${n}` })).toEqual({ kind: 'wrong' });
    expect(access.enter({ secret: secretOf(access) })).toEqual({ kind: 'too_many' });
    now = 6_000;
    expect(access.enter({ secret: secretOf(access) }).kind).toBe('in');
  });

  test('browsers are bounded: the oldest is forgotten', () => {
    const access = open();
    const cookies = Array.from({ length: 101 }, () => cookieOf(access.enter({ secret: secretOf(access) })));
    expect(access.knows(cookies[0])).toBe(false);
    expect(cookies.slice(1).every((cookie) => access.knows(cookie))).toBe(true);
  });
});
