/** Runs one command line to its exit code. Whatever happens, the process ends with a code that tells how it went. */
import { readFileSync } from 'node:fs';
import type { Command } from './context.ts';
import { EXIT, exitCodeOf, exitWithOutput } from './exit-codes.ts';
import { commandHelp, overview } from './help.ts';
import { createOutput } from './output.ts';
import type { Output } from './output.ts';
import { has, parse } from './parse.ts';
import { processSignals } from './signals.ts';
import type { SignalSource } from './signals.ts';
import type { CommandName } from './table.ts';
import { tell } from './tell.ts';

/** Each command is loaded when it is called: help and errors need none of them. */
const LOADERS: Readonly<Record<CommandName, () => Promise<Command>>> = {
  prompt: async () => (await import('./commands/prompt.ts')).prompt,
  chat: async () => (await import('./commands/chat.ts')).chat,
  sessions: async () => (await import('./commands/records.ts')).sessions,
  history: async () => (await import('./commands/records.ts')).history,
  transcript: async () => (await import('./commands/records.ts')).transcript,
  search: async () => (await import('./commands/records.ts')).search,
  fork: async () => (await import('./commands/records.ts')).fork,
  export: async () => (await import('./commands/records.ts')).exportSession,
  import: async () => (await import('./commands/records.ts')).importSession,
  delete: async () => (await import('./commands/records.ts')).remove,
  bridge: async () => (await import('./commands/bridge.ts')).bridge,
  doctor: async () => (await import('./commands/doctor.ts')).doctor,
  acp: async () => (await import('./commands/acp.ts')).acp,
  'demo-agent': async () => (await import('./commands/demo-agent.ts')).demoAgent,
  serve: async () => (await import('./commands/serve.ts')).serve,
};

/** Runs `argv` (without node and script) and exits. */
export async function main(argv: readonly string[]): Promise<void> {
  const output = createOutput(process);
  const code = await run(argv, output, processSignals());
  await output.flushed();
  process.exit(exitWithOutput(code, output.lost));
}

async function run(argv: readonly string[], output: Output, signals: SignalSource): Promise<number> {
  const own = argv.slice(0, argv.includes('--') ? argv.indexOf('--') : undefined);
  let json = own.includes('--json');
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
        const { call } = parsed;
        json = has(call, 'json');
        const command = await LOADERS[call.command]();
        return await command({ call, output, signals });
      }
    }
  } catch (error) {
    tell(error, output, json);
    return exitCodeOf(error);
  }
}

function version(): string {
  const manifest = new URL('../../package.json', import.meta.url);
  return (JSON.parse(readFileSync(manifest, 'utf8')) as { version: string }).version;
}
