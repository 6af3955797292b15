/** From arguments to a call, by the table of commands. Closed: what is not in the table is an error that says what to do. */
import { COMMAND_NAMES, COMMANDS, takesWordsBehind } from './commands.ts';
import type { CommandName, CommandSpec, OptionSpec } from './commands.ts';

/** The call is wrong; nothing was done. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
  readonly command: CommandName | null;
  constructor(message: string, command: CommandName | null = null) {
    super(message);
    this.command = command;
  }
}

/** A parsed command line. */
export interface Call {
  readonly command: CommandName;
  readonly words: readonly string[];
  /** What stands after `--`: the agent's program and its arguments. Empty where there is none. */
  readonly agent: readonly string[];
  /** Every option that was given, by name, with its values; switches have none. */
  readonly given: ReadonlyMap<string, readonly string[]>;
}

export type Parsed =
  | { readonly kind: 'call'; readonly call: Call }
  | { readonly kind: 'help'; readonly command: CommandName | null }
  | { readonly kind: 'version' };

export function parse(argv: readonly string[]): Parsed {
  const [first, ...rest] = argv;
  if (first === undefined) throw new UsageError('Name a command.');
  if (first === '--help' || first === '-h') return { kind: 'help', command: null };
  if (first === '--version') return { kind: 'version' };
  if (first === 'help') return { kind: 'help', command: rest[0] === undefined ? null : commandNamed(rest[0]) };
  const command = commandNamed(first);
  const spec = COMMANDS[command];
  const cut = rest.indexOf('--');
  const own = cut < 0 ? rest : rest.slice(0, cut);
  if (own.some((arg) => arg === '--help' || arg === '-h')) return { kind: 'help', command };
  const { words, given } = readOwn(own, spec);
  const behind = cut < 0 ? null : rest.slice(cut + 1);
  const all = takesWordsBehind(spec) ? [...words, ...(behind ?? [])] : words;
  return { kind: 'call', call: { command, words: checkWords(all, spec), given, agent: checkAgent(behind, spec) } };
}

/** The one value of an option, if it was given. */
export function one(call: Call, name: string): string | undefined {
  return call.given.get(name)?.[0];
}

export function many(call: Call, name: string): readonly string[] {
  return call.given.get(name) ?? [];
}

export function has(call: Call, name: string): boolean {
  return call.given.has(name);
}

/** The value of an option that the table says is a number. */
export function count(call: Call, name: string): number | undefined {
  const value = one(call, name);
  return value === undefined ? undefined : Number(value);
}

function commandNamed(name: string): CommandName {
  if ((COMMAND_NAMES as readonly string[]).includes(name)) return name as CommandName;
  if (name.startsWith('-')) throw new UsageError(`Name a command before the option ${name}.`);
  throw new UsageError(`There is no command “${name}”.${didYouMean(name, COMMAND_NAMES)}`);
}

function readOwn(own: readonly string[], spec: CommandSpec): { words: string[]; given: Map<string, string[]> } {
  const words: string[] = [];
  const given = new Map<string, string[]>();
  const args = [...own];
  for (let arg = args.shift(); arg !== undefined; arg = args.shift()) {
    if (!arg.startsWith('--')) {
      words.push(arg);
      continue;
    }
    const equals = arg.indexOf('=');
    const name = arg.slice(2, equals < 0 ? undefined : equals);
    const option = spec.options.find((candidate) => candidate.name === name);
    if (!option)
      throw new UsageError(
        `“${spec.name}” has no option --${name}.${didYouMean(
          name,
          spec.options.map((candidate) => candidate.name),
          '--',
        )}${meantAsWord(arg, spec)}`,
        spec.name,
      );
    const inline = equals < 0 ? undefined : arg.slice(equals + 1);
    const values = given.get(name);
    if (values && !option.many) throw new UsageError(`--${name} was given twice; give it once.`, spec.name);
    if (option.value === undefined) {
      if (inline !== undefined) throw new UsageError(`--${name} takes no value.`, spec.name);
      given.set(name, []);
      continue;
    }
    const value = inline ?? args.shift();
    given.set(name, [...(values ?? []), checkValue(option, option.value, value, inline !== undefined, spec)]);
  }
  return { words, given };
}

function checkValue(option: OptionSpec, placeholder: string, value: string | undefined, inline: boolean, spec: CommandSpec): string {
  const form = `--${option.name} ${placeholder}`;
  if (value === undefined) throw new UsageError(`--${option.name} needs a value: ${form}.`, spec.name);
  if (!inline && value.startsWith('--'))
    throw new UsageError(
      `--${option.name} needs a value, and ${value} looks like an option; write --${option.name}=${value} if it is meant.`,
      spec.name,
    );
  if (value === '') throw new UsageError(`--${option.name} must not be empty: ${form}.`, spec.name);
  if (option.choices && !option.choices.includes(value))
    throw new UsageError(`--${option.name} is one of ${option.choices.join(', ')}, not “${value}”.`, spec.name);
  const { atLeast, atMost = Infinity } = option;
  if (atLeast !== undefined && (!/^\d{1,15}$/.test(value) || Number(value) < atLeast || Number(value) > atMost)) {
    throw new UsageError(
      `--${option.name} is a whole number of at least ${atLeast}${atMost === Infinity ? '' : ` and at most ${atMost}`}, not “${value}”.`,
      spec.name,
    );
  }
  if (placeholder.includes('=') && value.indexOf('=') < 1)
    throw new UsageError(`--${option.name} has the form ${placeholder}, which “${value}” has not.`, spec.name);
  return value;
}

function meantAsWord(arg: string, spec: CommandSpec): string {
  return takesWordsBehind(spec) ? ` If it is the ${spec.words.map((word) => word.name).join(' ')}, write: ${spec.name} -- ${arg}` : '';
}

function checkWords(words: readonly string[], spec: CommandSpec): readonly string[] {
  const missing = spec.words[words.length];
  if (missing) throw new UsageError(`“${spec.name}” needs ${missing.name}: ${missing.description}`, spec.name);
  if (words.length > spec.words.length) {
    const extra = words[spec.words.length];
    const why = spec.agent
      ? spec.words.length > 0
        ? 'Put a prompt of several words in quotes, and the agent’s command after --.'
        : 'The agent’s command goes after --.'
      : `It takes ${spec.words.length === 0 ? 'no words' : spec.words.map((word) => word.name).join(' ')}.`;
    throw new UsageError(`“${spec.name}” does not know what to do with “${extra}”. ${why}`, spec.name);
  }
  return words;
}

function checkAgent(agent: readonly string[] | null, spec: CommandSpec): readonly string[] {
  if (takesWordsBehind(spec)) return [];
  if (!spec.agent) {
    if (agent !== null && agent.length > 0) throw new UsageError(`“${spec.name}” starts no agent; leave away what follows --.`, spec.name);
    return [];
  }
  if (agent === null || agent.length === 0 || agent[0] === '')
    throw new UsageError(`“${spec.name}” needs an agent’s command after --, as in: -- my-agent --acp`, spec.name);
  return agent;
}

function didYouMean(word: string, known: readonly string[], prefix = ''): string {
  const near = known.filter((name) => distance(word, name) <= 2 || (word.length > 2 && name.startsWith(word)));
  return near.length > 0 ? ` Did you mean ${near.map((name) => prefix + name).join(' or ')}?` : '';
}

/** How many letters must change to make one word of the other. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (const [i, letter] of [...a].entries()) {
    const next = [i + 1];
    for (let j = 0; j < b.length; j += 1) {
      next.push(Math.min((row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1, (row[j] ?? 0) + (letter === b[j] ? 0 : 1)));
    }
    row = next;
  }
  return row.at(-1) ?? 0;
}
