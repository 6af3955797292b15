/** `rehydrate doctor`: how well an agent's sessions survive its death. */
import type { Command } from '../context.ts';
import { runDoctor } from '../doctor/examination.ts';
import { renderDoctor } from '../doctor/report.ts';
import type { DoctorReport } from '../doctor/report.ts';
import { EXIT, SIGNAL_EXITS } from '../exit-codes.ts';
import { jsonText } from '../output.ts';
import { count, has, one } from '../parse.ts';
import { endedBy, watchInterrupts } from '../signals.ts';

export const doctor: Command = async ({ call, output, signals }) => {
  const interrupts = watchInterrupts(signals, () => undefined);
  const [command = '', ...args] = call.agent;
  try {
    const report = await runDoctor({
      command,
      args,
      timeoutMs: Number(count(call, 'timeout')) * 1000,
      prompt: !has(call, 'no-prompt'),
      auth: one(call, 'auth'),
      onNotice: output.note,
      signal: interrupts.signal,
    });
    output.text(has(call, 'json') ? `${jsonText(report, 2)}\n` : renderDoctor(report, process.stdout.columns));
    return doctorExit(report, one(call, 'expect'));
  } catch (error) {
    if (!interrupts.signal.aborted) throw error;
    const signal = endedBy(interrupts.ending) ?? 'SIGINT';
    output.note(`ended by ${signal}`);
    return SIGNAL_EXITS[signal];
  } finally {
    interrupts.stop();
  }
};

/** The best first. */
const TIERS = ['resume', 'load', 'transcript'];

/**
 * 1 when the agent could not be run, breaks the protocol, or comes back by a worse tier than expected; else 0, also with failed
 * checks.
 */
export function doctorExit({ verdict, checks }: Pick<DoctorReport, 'verdict' | 'checks'>, expected: string | undefined): number {
  if (verdict.breaksProtocol || checks[0]?.outcome !== 'pass') return EXIT.error;
  if (expected === undefined) return EXIT.ok;
  return verdict.tier !== null && TIERS.indexOf(verdict.tier) <= TIERS.indexOf(expected) ? EXIT.ok : EXIT.error;
}
