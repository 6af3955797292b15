import type { Scenario } from './types.ts';

export const neverPrompted: Scenario = {
  name: 'never-prompted',
  title: 'A session that was never prompted',
  watch: 'Watch the report: the agent forgot a session in which nothing was said, and nothing is lost by that.',
  agent: 'never-prompted-forgets',
  bridge: true,
  policy: 'auto',
  steps: [
    { note: 'Create the session, and say nothing.', do: 'create' },
    { note: 'Drop everything live.', do: 'sleep', expect: { status: 'asleep' } },
    { note: 'Send the first prompt.', say: 'My lamp is called Aladdin.', expect: { tier: 'new', status: 'live' } },
  ],
  end: 'With an empty log there is nothing to tell a successor, so a plain new agent session is the honest answer.',
};
