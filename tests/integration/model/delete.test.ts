import { expect, it } from 'vitest';
import { ask, CWD, world } from '../engine/helpers.ts';

it('I9: a session that was taken over while it was being deleted is not deleted', async () => {
  const { wake } = await world('native');
  let between: () => Promise<unknown> = async () => undefined;
  const files = { write: async () => '/nowhere', remove: async () => void (await between()) };
  const first = await wake({ preamble: { files } });
  const { sessionId } = await first.create({ agent: 'demo', cwd: CWD });
  await first.prompt(sessionId, 'My name is Ada.');
  const second = await wake({ ownerAlive: () => false });
  between = () => second.prompt(sessionId, 'My dog is Rex.');
  await expect(first.delete(sessionId)).rejects.toMatchObject({ code: 'session_busy', data: { owner: { hostId: second.hostId } } });
  expect(await ask(second, sessionId, 'What is my name?')).toContain('Ada');
});
