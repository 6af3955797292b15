/**
 * I3, I4: what real agents were recorded saying in our host, played back without them: after a kill and with their store lost, the classifier
 * and the matching of the replay come to what they came to with the program itself (`npm run compat`).
 */
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { foldEvents, type ResumeReport } from '../../../src/engine/index.ts';
import { CWD, worldOf } from './helpers.ts';
import { recordedAgents, type Life } from './recorded.ts';

const FRAMES = new URL('../../agents-compat/frames/', import.meta.url);
const RECORDS = new URL('../../../content/data/compat/', import.meta.url);
const agents = readdirSync(FRAMES).map((file) => file.replace('.jsonl', ''));

interface Step {
  readonly step: string;
  readonly answer: string;
  readonly report: ResumeReport;
}

function recorded(agent: string) {
  const lines = readFileSync(new URL(`${agent}.jsonl`, FRAMES), 'utf8')
    .trimEnd()
    .split('\n');
  const frames = lines.map((line) => JSON.parse(line) as Life[number] & { readonly life: number });
  const { host } = JSON.parse(readFileSync(new URL(`${agent}.json`, RECORDS), 'utf8')) as { host: { steps: readonly Step[] } };
  return {
    life: (life: number): Life => frames.filter((frame) => frame.life === life),
    step: (name: string) => host.steps.find(({ step }) => step === name)!,
  };
}

const FACT = 'The codeword is heron-4711. Reply OK.';
const QUESTION = 'What is the codeword? Reply with it alone.';

/** Told the fact in the first life; in each later one it is asked, and what that came to is given. */
async function lives(...of: readonly Life[]) {
  const { wake } = await worldOf(recordedAgents(...of));
  let host = await wake({ permission: 'reject' });
  await host.create({ agent: 'agent', cwd: CWD, sessionId: 's' });
  await host.prompt('s', FACT);
  const came: { answer: string; report: ResumeReport }[] = [];
  for (const _ of of.slice(1)) {
    await host.sleep();
    host = await wake({ permission: 'reject' });
    const { report, turnId } = await host.prompt('s', QUESTION);
    const { messages } = foldEvents((await host.history('s', { limit: 1_000 })).filter((event) => event.turnId === turnId));
    const answer = messages.flatMap(({ role, text }) => (role === 'agent' ? [text] : [])).join('');
    came.push({ report, answer });
  }
  return came;
}

/** What of a report does not depend on the clock. */
const outcome = ({ tier, verified, attempts, replay, preamble }: ResumeReport) => ({
  tier,
  verified,
  attempts: attempts.map(({ method, outcome }) => ({ method, outcome })),
  replay: replay && { matched: replay.matched, imported: replay.imported },
  preamble: preamble && preamble.mode,
});

describe.each(agents)('%s', (agent) => {
  const { life, step } = recorded(agent);

  it('killed between turns', async () => {
    const [came] = await lives(life(0), life(1));
    const { report, answer } = step('killed between turns');
    expect(outcome(came!.report)).toEqual(outcome(report));
    expect(came!.answer).toBe(answer);
  });

  it('its store lost, and woken after the fallback', async () => {
    const [lost, woken] = await lives(life(0), life(3), life(4));
    const recordedLoss = step('store lost').report;
    expect(lost!.report.attempts.map(({ method, outcome }) => [method, outcome])).toEqual(
      recordedLoss.attempts.map(({ method, outcome }) => [method, outcome]),
    );
    expect(lost!.report.tier).toBe('transcript');
    expect(woken!.report.tier).toBe(step('woken after the fallback').report.tier);
    expect(woken!.answer).toContain('heron-4711');
  });
});
