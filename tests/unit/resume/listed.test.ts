/** Reading an agent's list, whatever the agent makes of its pages. */
import { describe, expect, it } from 'vitest';
import { DEFAULT_LIMITS } from '../../../src/engine/limits.ts';
import { readList } from '../../../src/engine/protocol/v1.ts';
import { askList } from '../../../src/engine/sessions/session-list.ts';

/** An agent whose list is the page for each cursor; how often it was asked stands in `asked`. */
function lister(page: (cursor: string | undefined) => unknown) {
  const asked: (string | undefined)[] = [];
  const protocol = {
    listSessions: async (_cwd: string, cursor: string | undefined) => {
      asked.push(cursor);
      return { kind: 'answered', value: readList(page(cursor)) };
    },
  };
  const agent = { protocol } as unknown as Parameters<typeof askList>[0];
  return { agent, asked };
}
const of = (...ids: string[]) => ids.map((sessionId) => ({ sessionId, cwd: '/' }));

describe('whether the list shows a session', () => {
  it.each([
    ['on the first page', () => ({ sessions: of('x', 'wanted') }), 'present', 1],
    [
      'on the last page',
      (cursor?: string) => (cursor === 'b' ? { sessions: of('wanted') } : { sessions: of('x'), nextCursor: cursor === 'a' ? 'b' : 'a' }),
      'present',
      3,
    ],
    ['on none', () => ({ sessions: of('x'), nextCursor: null }), 'absent', 1],
    ['a cursor that stays', () => ({ sessions: [], nextCursor: 'a' }), 'unknown', 2],
    ['cursors that go round', (cursor?: string) => ({ sessions: [], nextCursor: cursor === 'a' ? 'b' : 'a' }), 'unknown', 3],
    ['a cursor that is no text', () => ({ sessions: [], nextCursor: 7 }), 'unknown', 1],
    ['pages without end', (cursor?: string) => ({ sessions: [], nextCursor: `${cursor ?? ''}.` }), 'unknown', 100],
    ['no list', () => null, 'unknown', 1],
  ])('%s', async (_name, page, expected, pages) => {
    const { agent, asked } = lister(page);
    expect(await askList(agent, 'wanted', '/', { limits: DEFAULT_LIMITS })).toBe(expected);
    expect(asked).toHaveLength(pages);
  });
});
