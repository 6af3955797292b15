/** The command line of `rehydrate doctor`. */
import { parseArgs } from 'node:util';
import { RehydrateError } from '../../engine/errors.ts';
import { runDoctor } from './index.ts';
import { renderDoctor } from './render.ts';

/** `parseArgs` options of the command; the agent's own command stands behind `--`. */
export const DOCTOR_OPTIONS = {
  json: { type: 'boolean', default: false },
  timeout: { type: 'string', default: '60' },
  'no-prompt': { type: 'boolean', default: false },
} as const;

export const DOCTOR_USAGE = 'rehydrate doctor [--json] [--timeout SECONDS] [--no-prompt] -- AGENT [ARG…]';

export interface CommandIo {
  readonly stdout: { write(text: string): unknown; readonly columns?: number };
  readonly stderr: { write(text: string): unknown };
}

/**
 * Runs `doctor` with what follows the word on the command line. Resolves to the exit code: 0, also with
 * failed checks; 1 when the agent could not be run or breaks the protocol. Rejects with
 * `RehydrateError` `invalid_argument` for wrong usage.
 */
export async function doctorCommand(
  argv: readonly string[],
  { stdout, stderr }: CommandIo = process,
  signal?: AbortSignal,
): Promise<number> {
  const { json, prompt, timeoutMs, agent } = parseDoctorArgs(argv);
  const [command = '', ...args] = agent;
  const report = await runDoctor({
    command,
    args,
    timeoutMs,
    prompt,
    onNotice: (text) => void stderr.write(`${text}\n`),
    ...(signal ? { signal } : {}),
  });
  stdout.write(json ? `${JSON.stringify(report, null, 2)}\n` : renderDoctor(report, stdout.columns));
  return report.verdict.breaksProtocol || report.checks[0]?.outcome !== 'pass' ? 1 : 0;
}

export interface DoctorArgs {
  readonly json: boolean;
  readonly prompt: boolean;
  readonly timeoutMs: number;
  readonly agent: readonly string[];
}

export function parseDoctorArgs(argv: readonly string[]): DoctorArgs {
  const wrong = (what: string): RehydrateError =>
    new RehydrateError('invalid_argument', `${what} Usage: ${DOCTOR_USAGE}`, { usage: DOCTOR_USAGE });
  const dashes = argv.indexOf('--');
  const agent = dashes < 0 ? [] : argv.slice(dashes + 1);
  let values;
  try {
    values = parseArgs({ args: [...(dashes < 0 ? argv : argv.slice(0, dashes))], options: DOCTOR_OPTIONS, allowPositionals: false }).values;
  } catch (error) {
    throw wrong(`${(error as Error).message.split('.')[0]}.`);
  }
  if (!agent[0]) throw wrong("The agent's command is missing; it stands behind --.");
  const seconds = Number(values.timeout);
  if (!(seconds > 0 && seconds <= 3600)) throw wrong(`--timeout ${values.timeout} is not a number of seconds between 0 and 3600.`);
  return { json: values.json, prompt: !values['no-prompt'], timeoutMs: seconds * 1000, agent };
}
