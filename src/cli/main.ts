/** Runs one command line to its exit code. Whatever happens, the process ends with a code that tells how it went. */
import { readFileSync } from 'node:fs';
import { RehydrateError } from '../engine/errors.ts';
import type { CommandName } from './commands.ts';
import { EXIT, exitCodeOf, exitWithOutput } from './exit-codes.ts';
import { commandHelp, overview, usageLine } from './help.ts';
import type { SignalSource } from './interrupt.ts';
import { createOutput } from './output.ts';
import type { Output } from './output.ts';
import { has, parse, UsageError } from './parse.ts';
import type { Call } from './parse.ts';
import { processSignals } from './signals.ts';

/** What every command gets. */
export interface Context {
  readonly call: Call;
  readonly output: Output;
  readonly signals: SignalSource;
}

/** Runs a call and resolves to its exit code. */
export type Command = (context: Context) => Promise<number>;

/** Each command is loaded when it is called: help and errors need none of them. */
const COMMANDS: Readonly<Record<CommandName, () => Promise<Command>>> = {
  prompt: async () => (await import('./prompt.ts')).prompt,
  chat: async () => (await import('./chat.ts')).chat,
  sessions: async () => (await import('./records.ts')).sessions,
  history: async () => (await import('./records.ts')).history,
  transcript: async () => (await import('./records.ts')).transcript,
  delete: async () => (await import('./records.ts')).remove,
  bridge: async () => (await import('./bridge.ts')).bridge,
  doctor: async () => (await import('./doctor-command.ts')).doctor,
  acp: async () => (await import('./acp.ts')).acp,
};

/** Runs `argv` (without node and script) and exits. */
export async function main(argv: readonly string[]): Promise<void> {
  const output = createOutput(process);
  const signals = processSignals();
  const code = await run(argv, output, signals);
  await output.flushed();
  process.exit(exitWithOutput(code, output.lost));
}

export async function run(argv: readonly string[], output: Output, signals: SignalSource): Promise<number> {
  let call: Call | null = null;
  try {
    const parsed = parse(argv);
    switch (parsed.kind) {
      case 'help':
        output.line(parsed.command === null ? overview() : commandHelp(parsed.command));
        return EXIT.ok;
      case 'version':
        output.line(version());
        return EXIT.ok;
      case 'call': {
        call = parsed.call;
        const command = await COMMANDS[call.command]();
        return await command({ call, output, signals });
      }
    }
  } catch (error) {
    tell(
      error,
      output,
      call ? has(call, 'json') : argv.includes('--json') && !(argv.includes('--') && argv.indexOf('--json') > argv.indexOf('--')),
    );
    return exitCodeOf(error);
  }
}

/** An error, for people on stderr and, where JSON was asked for, for programs on stdout. */
export function tell(error: unknown, output: Output, json: boolean): void {
  if (json) output.json(errorLine(error));
  if (error instanceof UsageError) {
    output.note(`rehydrate: ${error.message}`);
    output.note(
      error.command === null
        ? 'Run “rehydrate --help” for the commands.'
        : `Usage: ${usageLine(error.command)}\nRun “rehydrate help ${error.command}” for the options.`,
    );
  } else if (RehydrateError.is(error)) {
    output.note(`rehydrate: ${error.code}: ${error.message}`);
  } else {
    // Not one of the contract's errors: a fault of this program or of the system under it, so all of it is told.
    output.note(`rehydrate: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
  }
}

/** The error as a JSON line. What has no code of its own is named `internal_error`. */
export function errorLine(error: unknown): { type: 'error'; code: string; message: string; data: unknown } {
  if (error instanceof UsageError) return { type: 'error', code: 'invalid_argument', message: error.message, data: { usage: true } };
  if (RehydrateError.is(error)) return { type: 'error', code: error.code, message: error.message, data: error.data };
  return { type: 'error', code: 'internal_error', message: error instanceof Error ? error.message : String(error), data: {} };
}

function version(): string {
  const manifest = new URL('../../package.json', import.meta.url);
  return (JSON.parse(readFileSync(manifest, 'utf8')) as { version: string }).version;
}
