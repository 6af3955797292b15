/** `rehydrate doctor`: runs the examination, prints its report, and sets the exit code. */
import type { ProtocolChoice } from '../../engine/types.ts';
import { type Command, endedBy, SIGNAL_EXITS, watchInterrupts } from '../ends.ts';
import { runDoctor } from '../doctor/doctor.ts';
import { type DoctorReport, renderDoctor } from '../doctor/report.ts';
import { EXIT } from '../table.ts';
import { jsonText } from '../output.ts';
import { numberOf, has, one } from '../parse.ts';

export const doctor: Command = async ({ call, output, signals }) => {
  const interrupts = watchInterrupts(signals);
  const [command = '', ...args] = call.agent;
  try {
    const report = await runDoctor({
      command,
      args,
      timeoutMs: Number(numberOf(call, 'timeout')) * 1000,
      prompt: !has(call, 'no-prompt'),
      auth: one(call, 'auth'),
      protocol: one(call, 'protocol') as ProtocolChoice | undefined,
      onNotice: output.note,
      signal: interrupts.signal,
    });
    output.text(has(call, 'json') ? `${jsonText(report, 2)}\n` : renderDoctor(report, process.stdout.columns));
    const expected = one(call, 'expect');
    for (const { verdict } of verdictsOf(report))
      if (expected !== undefined && verdict.untried !== undefined)
        output.note(
          `the verdict ${verdict.tier} rests on the agent’s answers only; whether it remembers was not tried: ${verdict.untried}`,
        );
    return doctorExit(report, expected);
  } catch (error) {
    if (!interrupts.signal.aborted) throw error;
    const signal = endedBy(interrupts.ending, 'SIGINT')!;
    output.note(`ended by ${signal}`);
    return SIGNAL_EXITS[signal];
  }
};

const TIERS = ['resume', 'load', 'transcript'];

const verdictsOf = (report: Pick<DoctorReport, 'verdict' | 'checks' | 'v2'>) => [report, ...(report.v2 ? [report.v2] : [])];

/**
 * 1 when, in any version that was examined, the agent could not be run, breaks the protocol, or comes back by a worse tier than expected.
 * Otherwise 0, even if other checks failed or its memory could not be tried.
 */
export function doctorExit(report: Pick<DoctorReport, 'verdict' | 'checks' | 'v2'>, expected: string | undefined): number {
  const good = verdictsOf(report).every(({ verdict: { tier, breaksProtocol }, checks }) => {
    if (breaksProtocol || checks[0]?.outcome !== 'pass') return false;
    return expected === undefined || (tier !== null && TIERS.indexOf(tier) <= TIERS.indexOf(expected));
  });
  return good ? EXIT.ok : EXIT.error;
}
