/** Runs one command line to its exit code. */
import { type Command, exitCodeOf, exitWithOutput, explainMissingCwd, printError, processSignals, type SignalSource } from './ends.ts';
import { commandHelp, type CommandName, EXIT, overview, WIDTH } from './table.ts';
import { createOutput, type Output } from './output.ts';
import { has, parse } from './parse.ts';
import { VERSION } from '../engine/version.ts';

const records = () => import('./commands/records.ts');
const bridges = () => import('./commands/bridge.ts');

/** Each module is loaded on demand: help and usage errors need none of them. */
const LOADERS: { readonly [Name in CommandName]: () => Promise<Readonly<Record<Name, Command>>> } = {
  prompt: () => import('./commands/prompt.ts'),
  chat: () => import('./commands/chat.ts'),
  sessions: records,
  history: records,
  transcript: records,
  search: records,
  fork: records,
  export: records,
  import: records,
  delete: records,
  bridge: bridges,
  doctor: () => import('./commands/doctor.ts'),
  acp: () => import('./commands/acp.ts'),
  serve: bridges,
  'demo-agent': () => import('./commands/demo-agent.ts'),
};

/** Runs `argv` (without node and script) and exits. `inner`: see `processSignals`. */
export async function main(argv: readonly string[], inner: boolean): Promise<void> {
  const output = createOutput(process);
  const signals = processSignals(inner);
  const code = await run(argv, output, signals);
  signals.on(null);
  await output.flushed();
  process.exit(exitWithOutput(code, output.lost));
}

/** A terminal narrower than 60 columns wraps long lines better than our columns would. */
const helpWidth = () => Math.min(WIDTH, Math.max(60, process.stdout.columns || WIDTH));

async function run(argv: readonly string[], output: Output, signals: SignalSource): Promise<number> {
  // Until the call is parsed: a usage error, too, is reported as JSON when that was asked for.
  let json = argv.slice(0, argv.includes('--') ? argv.indexOf('--') : undefined).includes('--json');
  try {
    const parsed = parse(argv);
    switch (parsed.kind) {
      case 'help':
        output.line(parsed.command === null ? overview(helpWidth()) : commandHelp(parsed.command, helpWidth()));
        return EXIT.ok;
      case 'version':
        output.line(VERSION);
        return EXIT.ok;
      case 'call': {
        const { call } = parsed;
        json = has(call, 'json');
        const commands: Partial<Record<CommandName, Command>> = await LOADERS[call.command]();
        return await commands[call.command]!({ call, output, signals });
      }
    }
  } catch (error) {
    const explained = explainMissingCwd(error);
    printError(explained, output, json);
    return exitCodeOf(explained);
  }
}
