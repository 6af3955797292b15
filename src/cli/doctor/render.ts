/** The report as one screen of plain text. */
import type { Check, DoctorReport } from './report.ts';
import { wrap } from '../help.ts';
import { seconds } from '../format.ts';

const MARKS: Readonly<Record<Check['outcome'], string>> = { pass: 'pass', fail: 'FAIL', skip: 'skip' };
const LABEL = 6 + 24;

/** What an agent wrote may hold escape sequences that would drive the reader's terminal. */
// eslint-disable-next-line no-control-regex
const harmless = (text: string): string => text.replace(/[\u0000-\u001f\u007f-\u009f]/g, '·');

export function renderDoctor(report: DoctorReport, width = 100): string {
  const { agent, verdict } = report;
  const name = [agent.name ?? agent.command, agent.version].filter(Boolean).join(' ');
  const lines = [`${name}${report.protocolVersion === null ? '' : `, ACP ${report.protocolVersion}`}`, verdict.summary];
  if (verdict.breaksProtocol) lines.push('It breaks the protocol; see the failures below.');
  lines.push('');
  const textWidth = Math.max(40, width - LABEL);
  for (const check of report.checks) {
    const took = check.ms >= 100 ? ` (${seconds(check.ms)})` : '';
    const [first = '', ...more] = wrap(`${check.detail}${took}`, textWidth);
    lines.push(`${MARKS[check.outcome].padEnd(6)}${check.id.padEnd(24)}${first}`);
    for (const line of more) lines.push(`${' '.repeat(LABEL)}${line}`);
  }
  const failed = report.checks.filter((check) => check.outcome === 'fail');
  if (failed.length > 0) {
    lines.push('', 'What to do, in the documentation:');
    for (const help of new Set(failed.map((check) => check.help)))
      lines.push(
        `  ${help}  (${failed
          .filter((check) => check.help === help)
          .map(({ id }) => id)
          .join(', ')})`,
      );
  }
  return `${lines.map(harmless).join('\n')}\n`;
}
