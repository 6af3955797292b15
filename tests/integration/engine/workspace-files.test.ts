/** Virtual files: what an agent in a tab writes survives sleep. */
import { describe, expect, it } from 'vitest';
import { workspaceFiles } from '../../../src/engine/index.ts';
import type { ClientServiceRequest } from '../../../src/engine/ports.ts';
import { insideRoots } from '../../../src/engine/workspace-files.ts';
import { ask, CWD, world, itInV1 } from './helpers.ts';

describe('workspace files', () => {
  const roots = { cwd: '/project', additionalDirectories: ['/more/'] };
  it.each([
    ['/project/a.txt', '/project/a.txt'],
    ['/project/./b//a.txt', '/project/b/a.txt'],
    ['/project/x/../a.txt', '/project/a.txt'],
    ['/more/a.txt', '/more/a.txt'],
    ['/project/../etc/passwd', null],
    ['/projects/a.txt', null],
    ['/project', null],
    ['project/a.txt', null],
    ['/project/a\0.txt', null],
    [7, null],
  ])('%j → %j', (path, expected) => {
    if (expected === null) expect(() => insideRoots(path, roots)).toThrow(/Invalid params/);
    else expect(insideRoots(path, roots)).toBe(expected);
  });

  itInV1('a file written by the agent is there after a wake, and goes with the session', async () => {
    const { db, wake } = await world();
    const host = await wake({ client: workspaceFiles(db), permission: 'allow' });
    await host.create({ agent: 'demo', cwd: CWD, sessionId: 's' });
    await host.prompt('s', 'write file notes.txt: the door code is 4711');
    await host.sleep();
    const next = await wake({ client: workspaceFiles(db), permission: 'allow' });
    expect(await ask(next, 's', 'read file notes.txt')).toContain('4711');
    await next.delete('s');
    expect(await db.query('SELECT * FROM workspace_files')).toEqual([]);
  });

  itInV1('I10: a file over the limit is refused by name, and nothing is written', async () => {
    const { db, wake } = await world();
    const host = await wake({ client: workspaceFiles(db, { limits: { workspaceFileBytes: 4 } }), permission: 'allow' });
    await host.create({ agent: 'demo', cwd: CWD, sessionId: 's' });
    await host.prompt('s', 'write file notes.txt: too long');
    expect(await db.query('SELECT * FROM workspace_files')).toEqual([]);
    expect(JSON.stringify(await host.history('s'))).toContain('workspaceFileBytes');
  });

  const asked = async (method: string, params: Record<string, unknown>, count = 2) => {
    const { db, wake } = await world();
    const host = await wake();
    await host.create({ agent: 'demo', cwd: CWD, sessionId: 's' });
    const files = workspaceFiles(db, { limits: { workspaceFileCount: count } });
    const handle = (name: string, more: Record<string, unknown>) =>
      files.handle({
        method: name,
        params: { sessionId: 'agent-s', ...more },
        agent: 'demo',
        sessionId: 's',
        cwd: CWD,
        additionalDirectories: [],
        signal: new AbortController().signal,
      } as ClientServiceRequest);
    await handle('fs/write_text_file', { path: `${CWD}/notes.txt`, content: 'one\ntwo\nthree' });
    return { db, answer: handle(method, { path: `${CWD}/notes.txt`, ...params }), handle };
  };

  it.each<[Record<string, unknown>, string | RegExp]>([
    [{}, 'one\ntwo\nthree'],
    [{ line: null, limit: null }, 'one\ntwo\nthree'],
    [{ line: 2 }, 'two\nthree'],
    [{ line: 1, limit: 1 }, 'one'],
    [{ line: 0 }, /Invalid params: line must be a whole number of at least 1/],
    [{ line: 2, limit: 1 }, 'two'],
    [{ limit: 0 }, ''],
    [{ line: 9 }, ''],
    [{ line: '2' }, /Invalid params: line must be a whole number of at least 1/],
    [{ limit: -1 }, /Invalid params: limit must be a whole number/],
    [{ limit: 1.5 }, /Invalid params: limit must be a whole number/],
  ])('reading with %j', async (params, expected) => {
    const { answer } = await asked('fs/read_text_file', params);
    if (expected instanceof RegExp) await expect(answer).rejects.toThrow(expected);
    else expect(await answer).toEqual({ content: expected });
  });

  it('I10: of files written at once only as many as are allowed are there, and one that is there can be written again', async () => {
    const { db, answer, handle } = await asked('fs/read_text_file', {});
    await answer;
    const several = await Promise.allSettled(
      ['a', 'b', 'c'].map((name) => handle('fs/write_text_file', { path: `${CWD}/${name}`, content: name })),
    );
    expect(several.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected', 'rejected']);
    expect(String((several.find(({ status }) => status === 'rejected') as PromiseRejectedResult).reason)).toContain(
      'workspaceFileCount allows 2',
    );
    await handle('fs/write_text_file', { path: `${CWD}/notes.txt`, content: 'four' });
    expect(await db.query('SELECT path, content FROM workspace_files ORDER BY path')).toContainEqual({
      path: `${CWD}/notes.txt`,
      content: 'four',
    });
    expect(await db.query('SELECT count(*) AS files FROM workspace_files')).toEqual([{ files: 2 }]);
  });
});
