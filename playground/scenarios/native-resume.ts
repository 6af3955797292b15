import type { Scenario } from './types.ts';

export const nativeResume: Scenario = {
  name: 'native-resume',
  title: 'A session sleeps and comes back',
  watch: 'Watch the machine: after Sleep no agent runs at all, and the next prompt lights up session/resume.',
  agent: 'native',
  bridge: true,
  policy: 'auto',
  steps: [
    { note: 'Tell the agent something.', say: 'My cat is called Ada.', expect: { tier: 'new', status: 'live' } },
    { note: 'Drop everything live.', do: 'sleep', expect: { status: 'asleep' } },
    {
      note: 'Ask for it back. The prompt itself wakes the host and the agent.',
      say: 'What is my cat called?',
      expect: { tier: 'resume', reply: 'Ada', status: 'live' },
    },
  ],
  end: 'The process that heard the fact is gone. Another one answered, because the agent kept its own session and the host kept its id.',
};
