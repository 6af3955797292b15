import { expect, it } from 'vitest';
import { lossNotice } from '../../../src/server/notice.ts';
import type { ResumeReport } from '../../../src/engine/types.ts';

const REPORT: ResumeReport = {
  tier: 'load',
  attempts: [],
  verified: 'replay-partial',
  replay: { received: 2, matched: 2, missing: 4, imported: 0 },
  preamble: null,
  settings: { restored: [], failed: [] },
  agentSessionId: 'a',
  previousAgentSessionId: null,
  ms: 1,
  agentMs: 1,
};

it.each<[string, Partial<ResumeReport>, RegExp | null]>([
  ['the oldest is missing, as where a replay is capped', {}, null],
  ['the newest is missing', { replay: { ...REPORT.replay!, newestMissing: 3 } }, /^Rehydrate: the agent may have lost the newest part/],
  ['all is there', { verified: 'replay-matched', replay: { received: 6, matched: 6, missing: 0, imported: 0 } }, null],
  ['it was resumed', { tier: 'resume', verified: 'listed', replay: null }, null],
  ['it is given the record', { tier: 'transcript', verified: null, replay: null }, /^Rehydrate: the agent no longer had this session/],
])('I4: a person is told of a loss: %s', (_what, came, title) => {
  const notice = lossNotice({ ...REPORT, ...came });
  if (title === null) expect(notice).toBeNull();
  else expect(notice).toMatchObject({ severity: 'warning', title: expect.stringMatching(title) as string });
});
