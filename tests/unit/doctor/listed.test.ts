/** Reading an agent's list, whatever the agent makes of its pages. */
import { describe, expect, it } from 'vitest';
import { listed } from '../../../src/cli/doctor/agent.ts';
import type { RunningAgent } from '../../../src/cli/doctor/agent.ts';

/** An agent whose list is the page for each cursor; how often it was asked stands in `asked`. */
function lister(page: (cursor: string | undefined) => unknown) {
  const asked: (string | undefined)[] = [];
  const agent = {
    ask: async (_method: string, { cursor }: { cursor?: string }) => {
      asked.push(cursor);
      return { kind: 'answered', result: page(cursor), ms: 1 };
    },
  } as unknown as RunningAgent;
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
    expect(await listed(agent, 'wanted', '/')).toBe(expected);
    expect(asked).toHaveLength(pages);
  });
});
