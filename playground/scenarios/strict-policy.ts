import type { Scenario } from './types.ts';

export const strictPolicy: Scenario = {
  name: 'strict-policy',
  title: 'Native or not at all',
  watch: 'Watch the Policy: strict never falls back, so the prompt fails and nothing is sent.',
  agent: 'amnesiac',
  bridge: true,
  policy: 'auto',
  steps: [
    { note: 'Tell the agent something.', say: 'My tower is called Babel.', expect: { tier: 'new' } },
    { note: 'Drop everything live.', do: 'sleep', expect: { status: 'asleep' } },
    { note: 'Allow only the agent’s own way back.', do: 'policy', policy: 'strict' },
    { note: 'Ask for it back. The agent has no way back.', say: 'What is my tower called?', expect: { error: 'session_not_resumable' } },
    { note: 'Allow the transcript again.', do: 'policy', policy: 'auto' },
    { note: 'Ask again.', say: 'What is my tower called?', expect: { tier: 'transcript', reply: 'Babel' } },
  ],
  end: 'Which loss is acceptable is yours to decide. Under strict a session is either the agent’s own or an error.',
};
