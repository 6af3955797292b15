import type { Scenario } from './types.ts';

export const crashMidTurn: Scenario = {
  name: 'crash-mid-turn',
  title: 'The agent dies in the middle of a turn',
  watch: 'Watch the conversation: what was said before the crash stays, and the turn is marked interrupted, not sent again.',
  agent: 'native',
  bridge: true,
  policy: 'auto',
  steps: [
    { note: 'Tell the agent something.', say: 'My sword is called Durendal.', expect: { tier: 'new' } },
    { note: 'Kill it at the first word of its next answer.', do: 'arm-crash' },
    { note: 'Start a turn it cannot finish.', say: 'Count to 20', expect: { error: 'turn_outcome_unknown', status: 'dead' } },
    {
      note: 'Go on. The interrupted turn blocks nothing.',
      say: 'What is my sword called?',
      expect: { tier: 'resume', reply: 'Durendal', status: 'live' },
    },
  ],
  end: 'Whether the agent did the work is unknown, so it was never repeated by itself. The session went on.',
};
