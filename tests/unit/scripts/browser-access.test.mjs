import { describe, expect, test } from 'vitest';
import { browserAccess, ENTRANCE, notOwnPage } from '../../../scripts/support/browser-access.mjs';

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
    expect(notOwnPage(request, hosts) === null).toBe(allowed);
  });
});

describe('an address lets one browser in, once', () => {
  const secretOf = (access) => access.path().slice(ENTRANCE.length);
  const cookieOf = (access) => access.setCookie.split(';')[0];

  test('the one who opens it gets a strict cookie that scripts cannot read, and the next address is another', () => {
    const access = browserAccess('rehydrate-4321');
    const first = secretOf(access);
    expect(first).toMatch(/^[A-Za-z0-9_-]{43}$/);
    expect(access.enter(first)).toBe('new');
    expect(access.setCookie).toMatch(/^rehydrate-4321=[A-Za-z0-9_-]{43}; Path=\/__rehydrate\/; HttpOnly; SameSite=Strict$/);
    expect(access.setCookie).not.toContain(first);
    expect(secretOf(access)).not.toBe(first);
  });

  test('a second use lets nobody in, but leads a browser that is in to its page', () => {
    const access = browserAccess('rehydrate-4321');
    const secret = secretOf(access);
    access.enter(secret);
    expect(access.enter(secret)).toBe('wrong');
    expect(access.enter(secret, cookieOf(access))).toBe('known');
  });

  test.each([
    ['nothing', () => undefined],
    ['another cookie', () => 'session=1; theme=dark'],
    ['ours, empty', () => 'rehydrate-4321='],
    ['ours, guessed', () => `rehydrate-4321=${'A'.repeat(43)}`],
    ['one of another server', (cookie) => cookie.replace('4321', '4322')],
    ['one of another run', () => cookieOf(browserAccess('rehydrate-4321'))],
    ['a prefix of it', (cookie) => cookie.slice(0, -1)],
    ['it in another case', (cookie) => cookie.toUpperCase()],
  ])('a browser is not known by %s', (_what, given) => {
    const access = browserAccess('rehydrate-4321');
    expect(access.knows(given(cookieOf(access)))).toBe(false);
    expect(access.knows(`a=b; ${cookieOf(access)}; c=d`)).toBe(true);
  });
});
