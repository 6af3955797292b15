import type { Scenario } from './types.ts';

export const droppedConnection: Scenario = {
  name: 'dropped-connection',
  title: 'The line is cut',
  watch: 'Watch the agent’s status: a cut line reads as an abnormal end, never as a clean one.',
  agent: 'native',
  bridge: true,
  policy: 'auto',
  steps: [
    { note: 'Tell the agent something.', say: 'My island is called Ogygia.', expect: { tier: 'new', status: 'live' } },
    { note: 'Cut the line.', do: 'drop', expect: { status: 'dead' } },
    { note: 'Ask for it back.', say: 'What is my island called?', expect: { tier: 'resume', reply: 'Ogygia', status: 'live' } },
  ],
  end: 'A lost connection costs the process behind it, and nothing that was said.',
};
