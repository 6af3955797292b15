import type { Scenario } from './types.ts';

export const ownAgent: Scenario = {
  name: 'own-agent',
  title: 'Bring your own agent',
  watch: 'Watch which tier your agent takes, and the report’s evidence for it. Its files are on your disk: it acts with its own rights.',
  agent: 'own',
  bridge: true,
  policy: 'auto',
  steps: [
    { note: 'Tell your agent something.', say: 'Remember this for later: my lighthouse is called Pharos.' },
    { note: 'Drop everything live. Its process tree ends.', do: 'sleep', expect: { status: 'asleep' } },
    { note: 'Ask for it back.', say: 'What is my lighthouse called?', expect: { status: 'live' } },
  ],
  end: 'For a full examination of your agent, run: rehydrate doctor -- YOUR-AGENT.',
};
