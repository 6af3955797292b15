import { describe, expect, test } from 'vitest';
import { mayHaveBridge } from '../../../scripts/support/bridge-endpoint.mjs';

const hosts = ['127.0.0.1:4321', 'localhost:4321'];
const page = { method: 'GET', host: '127.0.0.1:4321', fetchSite: 'same-origin' };

describe('the bridge token goes to pages of this very site and to nobody else', () => {
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
    expect(mayHaveBridge(request, hosts).ok).toBe(allowed);
  });
});
