import { describe, expect, test } from 'vitest';
import { withBase } from '../../../src/site/lib/base-links.ts';
import { deploymentFrom } from '../../../src/site/lib/deployment.ts';

describe('where the site is served', () => {
  test.each([
    [{}, { site: 'http://127.0.0.1:4321', base: '/' }],
    [{ SITE: 'https://docs.example.org' }, { site: 'https://docs.example.org', base: '/' }],
    [{ SITE: 'https://docs.example.org/' }, { site: 'https://docs.example.org', base: '/' }],
    [{ SITE: 'https://me.example.org/rehydrate' }, { site: 'https://me.example.org', base: '/rehydrate/' }],
    [
      { SITE: 'https://me.example.org', BASE: 'rehydrate' },
      { site: 'https://me.example.org', base: '/rehydrate/' },
    ],
    [
      { SITE: 'https://me.example.org/x', BASE: '/' },
      { site: 'https://me.example.org', base: '/' },
    ],
    [{ URL: 'https://a.netlify.app' }, { site: 'https://a.netlify.app', base: '/' }],
    [{ CF_PAGES_URL: 'https://a.pages.dev' }, { site: 'https://a.pages.dev', base: '/' }],
    [{ VERCEL_PROJECT_PRODUCTION_URL: 'a.vercel.app' }, { site: 'https://a.vercel.app', base: '/' }],
  ])('%j', (env: Record<string, string>, expected) => {
    expect(deploymentFrom(env)).toEqual({ ...expected, repository: null });
  });

  test('an address that is no web address is refused with a word on what to give', () => {
    expect(() => deploymentFrom({ SITE: 'ftp://example.org' })).toThrow(/http or https/);
  });

  test('the repository loses what a clone address has more than a web address', () => {
    expect(deploymentFrom({ REPOSITORY_URL: 'https://example.org/a/b.git/' }).repository).toBe('https://example.org/a/b');
  });
});

test.each([
  ['/guides/client/', '/', '/guides/client/'],
  ['/guides/client/', '/docs/', '/docs/guides/client/'],
  ['#here', '/docs/', '#here'],
  ['https://example.org/', '/docs/', 'https://example.org/'],
  ['//example.org/', '/docs/', '//example.org/'],
])('a link %s under %s is %s', (href, base, expected) => {
  expect(withBase(href, base)).toBe(expected);
});
