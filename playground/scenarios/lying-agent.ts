import type { Scenario } from './types.ts';

export const lyingAgent: Scenario = {
  name: 'lying-agent',
  title: 'An agent that lies',
  watch: 'Watch the report: the agent claims it loaded the session, but replays nothing. That is not taken for a success.',
  agent: 'liar',
  bridge: true,
  policy: 'auto',
  steps: [
    { note: 'Tell the agent something.', say: 'My dog is called Argos.', expect: { tier: 'new' } },
    { note: 'Drop everything live.', do: 'sleep', expect: { status: 'asleep' } },
    { note: 'Ask for it back.', say: 'What is my dog called?', expect: { tier: 'transcript', reply: 'Argos' } },
  ],
  end: 'A success is checked too. An empty replay where messages were expected is silent amnesia, and was caught.',
};
