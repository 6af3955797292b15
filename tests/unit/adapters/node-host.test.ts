import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { preambleFiles, processSecrets } from '../../../src/adapters/node-host/index.ts';

describe('secrets out of the environment', () => {
  const secrets = processSecrets({
    environment: { TOKEN: 't', EMPTY: '', SEARCH_KEY: 'k' },
    headers: { 'https://search.example': { Authorization: 'SEARCH_KEY' } },
  });
  const ref = { sessionId: 's', name: 'TOKEN' } as const;
  const header = { ...ref, kind: 'mcp-header', server: 'search', name: 'Authorization' } as const;
  it.each([
    ['an environment value', { ...ref, kind: 'env' as const }, 't'],
    ['an MCP environment value', { ...ref, kind: 'mcp-env' as const, server: 'any', place: { command: 'any', args: [] } }, 't'],
    ['a value that is empty', { ...ref, kind: 'env' as const, name: 'EMPTY' }, ''],
    ['a value that is not set', { ...ref, kind: 'env' as const, name: 'NONE' }, undefined],
    ['a name every object has', { ...ref, kind: 'env' as const, name: 'toString' }, undefined],
    ['a mapped header, in any case', { ...header, place: { url: 'https://search.example/' }, name: 'authorization' }, 'k'],
    ['a header of another address, under the same name', { ...header, place: { url: 'https://elsewhere.example/' } }, undefined],
    ['a header of another path', { ...header, place: { url: 'https://search.example/other' } }, undefined],
    ['a header of what is no address', { ...header, place: { url: 'search' } }, undefined],
    ['a header without a place', header, undefined],
    ['a header named like a variable', { ...header, place: { url: 'https://search.example' }, name: 'TOKEN' }, undefined],
  ])('%s', (_, wanted, value) => {
    expect(secrets(wanted)).toBe(value);
  });

  it('headers belong to an address, not to a name', () => {
    expect(() => processSecrets({ headers: { search: { Authorization: 'SEARCH_KEY' } } })).toThrow(/"search".*not an address/);
  });
});

describe('preamble files', () => {
  const made: string[] = [];
  const directory = (): string => {
    made.push(mkdtempSync(path.join(tmpdir(), 'rehydrate-preambles-')));
    return path.join(made.at(-1)!, 'state', 'preambles');
  };
  afterEach(() => made.splice(0).forEach((each) => rmSync(each, { recursive: true, force: true })));

  it('are private to their owner, whole, and named by an absolute path', async () => {
    const root = directory();
    const file = await preambleFiles({ directory: root }).write('../../etc/passwd', 'what was said ✓');
    expect(readFileSync(file, 'utf8')).toBe('what was said ✓');
    expect(path.isAbsolute(file) && file.startsWith(root + path.sep)).toBe(true);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    for (const each of [root, path.dirname(file), path.dirname(root)]) expect(statSync(each).mode & 0o777).toBe(0o700);
  });

  it('are one a session, and go with it', async () => {
    const files = preambleFiles({ directory: directory() });
    const first = await files.write('a', 'one');
    const second = await files.write('a', 'two');
    const kept = await files.write('b', 'other');
    expect(readdirSync(path.dirname(second))).toEqual([path.basename(second)]);
    expect(second).not.toBe(first);
    await files.remove('a');
    await files.remove('a');
    expect(() => statSync(path.dirname(second))).toThrow('ENOENT');
    expect(readFileSync(kept, 'utf8')).toBe('other');
  });

  it('of a session with the same id in another database are left alone', async () => {
    const root = directory();
    const kept = await preambleFiles({ directory: root, scope: '/a.sqlite' }).write('main', 'a');
    await preambleFiles({ directory: root, scope: '/b.sqlite' }).remove('main');
    expect(readFileSync(kept, 'utf8')).toBe('a');
  });
});
