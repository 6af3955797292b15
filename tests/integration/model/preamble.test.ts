import { expect, it } from 'vitest';
import { inProcessLauncher } from '../../../src/testing/agents/index.ts';
import { CWD, world } from '../engine/helpers.ts';
import { tapped, type Sent } from './tapped-launcher.ts';

it('I6: the preamble goes in front of the first prompt of a successor, and of no other', async () => {
  const { db, wake } = await world();
  const sent: Sent[] = [];
  const agents = tapped(inProcessLauncher({ variant: 'amnesiac' }), db, sent);
  const first = await wake({ agents });
  const { sessionId } = await first.create({ agent: 'demo', cwd: CWD });
  await first.prompt(sessionId, 'My name is Ada.');
  await first.sleep();
  const second = await wake({ agents });
  for (const text of ['One.', 'Two.', 'Three.']) await second.prompt(sessionId, text);
  expect(sent.map(({ text, blocks }) => [text, blocks > 1])).toEqual([
    ['My name is Ada.', false],
    ['One.', true],
    ['Two.', false],
    ['Three.', false],
  ]);
});
