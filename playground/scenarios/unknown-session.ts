import type { Scenario } from './types.ts';

export const unknownSession: Scenario = {
  name: 'unknown-session',
  title: 'An error that says nothing',
  watch: 'Watch the Resume report: the agent’s error is opaque, so its list of sessions is asked for proof.',
  agent: 'unknown:opencode',
  bridge: true,
  policy: 'auto',
  steps: [
    { note: 'Tell the agent something.', say: 'My horse is called Bucephalus.', expect: { tier: 'new' } },
    { note: 'Drop everything live. This agent loses its store with its process.', do: 'sleep', expect: { status: 'asleep' } },
    { note: 'Ask for it back.', say: 'What is my horse called?', expect: { tier: 'transcript', reply: 'Bucephalus' } },
  ],
  end: 'An opaque internal error alone never costs a history. Only the proof that the session is gone led to the transcript.',
};
