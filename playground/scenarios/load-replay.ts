import type { Scenario } from './types.ts';

export const loadReplay: Scenario = {
  name: 'load-replay',
  title: 'An agent that replays',
  watch: 'Watch the wire fill with the replay, and the database not: what is already in the log is matched, not stored again.',
  agent: 'load',
  bridge: true,
  policy: 'auto',
  steps: [
    { note: 'Tell the agent something.', say: 'My boat is called Argo.', expect: { tier: 'new' } },
    { note: 'Drop everything live.', do: 'sleep', expect: { status: 'asleep' } },
    {
      note: 'Ask for it back. The agent has no session/resume, so it loads and replays.',
      say: 'What is my boat called?',
      expect: { tier: 'load', verified: 'replay-matched', reply: 'Argo' },
    },
  ],
  end: 'Every replayed message was found in the log, and the log holds each of them once.',
};
