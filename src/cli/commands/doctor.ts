/** `rehydrate doctor`: how well an agent's sessions survive its death. */
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
    return doctorExit(report, one(call, 'expect'), !has(call, 'no-prompt'));
  } catch (error) {
    if (!interrupts.signal.aborted) throw error;
    const signal = endedBy(interrupts.ending, 'SIGINT')!;
    output.note(`ended by ${signal}`);
    return SIGNAL_EXITS[signal];
  }
};

const TIERS = ['resume', 'load', 'transcript'];

/**
 * 1 when the agent could not be run, breaks the protocol, or comes back by a worse tier than expected, in any version that was examined;
 * else 0, also with failed checks. Where it was `prompted`, a tier whose memory could not be tried is none that was expected.
 */
export function doctorExit(report: Omit<DoctorReport, 'agent'>, expected: string | undefined, prompted: boolean): number {
  const good = [report, ...(report.v2 ? [report.v2] : [])].every(({ verdict: { tier, untried, breaksProtocol }, checks }) => {
    if (breaksProtocol || checks[0]?.outcome !== 'pass') return false;
    if (expected === undefined) return true;
    return tier !== null && TIERS.indexOf(tier) <= TIERS.indexOf(expected) && !(prompted && untried !== undefined);
  });
  return good ? EXIT.ok : EXIT.error;
}
