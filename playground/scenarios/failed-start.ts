import type { Scenario } from './types.ts';

export const failedStart: Scenario = {
  name: 'failed-start',
  title: 'An agent that cannot start',
  watch: 'Watch the database while the prompt fails: no half-written row, and no process is left.',
  agent: 'crash-initialize',
  bridge: true,
  policy: 'auto',
  steps: [
    {
      note: 'Send a prompt to an agent that dies while it starts.',
      say: 'Are you there?',
      expect: { error: ['agent_exited', 'agent_start_failed'], status: 'dead' },
    },
    {
      note: 'Try once more: it is the same, and nothing piles up.',
      say: 'Are you there now?',
      expect: { error: ['agent_exited', 'agent_start_failed'], status: 'dead' },
    },
  ],
  end: 'What fails before the first commit leaves no turn. The error says what happened and what to do.',
};
