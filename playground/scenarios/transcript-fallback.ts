import type { Scenario } from './types.ts';

export const transcriptFallback: Scenario = {
  name: 'transcript-fallback',
  title: 'An agent with no memory of its own',
  watch: 'Watch the Transcript panel, then the prompt on the wire: the record of the conversation stands in front of it, once.',
  agent: 'amnesiac',
  bridge: true,
  policy: 'auto',
  steps: [
    { note: 'Tell the agent something.', say: 'My garden is called Eden.', expect: { tier: 'new' } },
    { note: 'Drop everything live.', do: 'sleep', expect: { status: 'asleep' } },
    {
      note: 'Ask for it back. It can neither resume nor load, so a successor gets the record.',
      say: 'What is my garden called?',
      expect: { tier: 'transcript', reply: 'Eden' },
    },
    {
      note: 'Ask again. The record is not sent a second time.',
      say: 'And what is my garden called again?',
      expect: { tier: 'live', reply: 'Eden' },
    },
  ],
  end: 'The agent is a new one that read what had been said. The session’s own id never changed.',
};
