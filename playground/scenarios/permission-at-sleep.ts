import type { Scenario } from './types.ts';

export const permissionAtSleep: Scenario = {
  name: 'permission-at-sleep',
  title: 'A question is open when the host sleeps',
  watch: 'Watch the question: once the turn is gone nobody can answer it any more, and the page says so.',
  agent: 'native',
  bridge: true,
  policy: 'auto',
  steps: [
    { note: 'Let the agent ask for permission.', say: 'Ask for permission', until: 'permission', expect: { status: 'prompting' } },
    { note: 'Sleep instead of answering.', do: 'sleep', expect: { status: 'asleep' } },
    { note: 'Ask again.', say: 'Ask for permission', until: 'permission', expect: { tier: 'resume', status: 'prompting' } },
    { note: 'Answer this time.', do: 'answer', answer: 'allow', expect: { status: 'live' } },
  ],
  end: 'The first question was withdrawn with its turn. No button is left that leads nowhere.',
};
