import type { Scenario } from './types.ts';

export const lateReplay: Scenario = {
  name: 'late-replay',
  title: 'A replay that comes late',
  watch: 'Watch the wire: the answer to session/load arrives in the middle of the replay.',
  agent: 'late',
  bridge: true,
  policy: 'auto',
  steps: [
    { note: 'Tell the agent something.', say: 'My village is called Ithaca.', expect: { tier: 'new' } },
    { note: 'Tell it more.', say: 'My river is called Lethe.', expect: { tier: 'live' } },
    { note: 'Drop everything live.', do: 'sleep', expect: { status: 'asleep' } },
    {
      note: 'Ask for the first thing back.',
      say: 'What is my village called?',
      expect: { tier: 'load', verified: 'replay-matched', reply: 'Ithaca' },
    },
  ],
  end: 'The host waited for the rest of the replay before it sent the prompt, and stored none of it twice.',
};
