import type { Scenario } from './types.ts';

export const storeDeleted: Scenario = {
  name: 'store-deleted',
  title: 'The agent’s store is deleted',
  watch: 'Watch the report’s first attempt: the agent could resume before, and now does not know the session.',
  agent: 'native',
  bridge: false,
  policy: 'auto',
  steps: [
    { note: 'Tell the agent something.', say: 'My ship is called Calypso.', expect: { tier: 'new' } },
    { note: 'Drop everything live.', do: 'sleep', expect: { status: 'asleep' } },
    { note: 'Delete what the agent kept for itself.', do: 'forget-store' },
    { note: 'Ask for it back.', say: 'What is my ship called?', expect: { tier: 'transcript', reply: 'Calypso' } },
  ],
  end: 'The host’s record is the one that lasts. It brought back what the agent had lost, and the report says so.',
};
