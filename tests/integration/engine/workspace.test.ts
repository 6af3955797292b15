/** Virtual files: what an agent in a tab writes survives sleep. */
import { describe, expect, it } from 'vitest';
import { workspaceFiles } from '../../../src/engine/index.ts';
import { insideRoots } from '../../../src/engine/host/workspace.ts';
import { ask, CWD, world } from './helpers.ts';

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

  it('a file written by the agent is there after a wake, and goes with the session', async () => {
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

  it('I10: a file over the limit is refused by name, and nothing is written', async () => {
    const { db, wake } = await world();
    const host = await wake({ client: workspaceFiles(db, { limits: { workspaceFileBytes: 4 } }), permission: 'allow' });
    await host.create({ agent: 'demo', cwd: CWD, sessionId: 's' });
    await host.prompt('s', 'write file notes.txt: too long');
    expect(await db.query('SELECT * FROM workspace_files')).toEqual([]);
    expect(JSON.stringify(await host.history('s'))).toContain('workspaceFileBytes');
  });
});
