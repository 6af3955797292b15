/** Parses the arguments of a call by the table in `table.ts`. Anything else is a usage error that says what to do. */
import { statSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { didYouMean } from '../engine/did-you-mean.ts';
import { RehydrateError } from '../engine/errors.ts';
import {
  COMMAND_NAMES,
  type CommandName,
  COMMANDS,
  type OptionName,
  type OptionRow,
  optionsOf,
  takesWordsAfterDashes,
  wordsOf,
} from './table.ts';

/** The command line itself is wrong. Nothing has been opened or started. */
export class UsageError extends RehydrateError {
  readonly command: CommandName | null;
  constructor(message: string, command: CommandName | null = null) {
    super('invalid_argument', message, { usage: true });
    this.command = command;
  }
}

export interface Call {
  readonly command: CommandName;
  readonly words: readonly string[];
  /** What stands after `--`: the agent's program and its arguments. */
  readonly agent: readonly string[];
  /** Each option's values: those given, else the environment's, else the default. A switch that was given has an empty list. */
  readonly values: ReadonlyMap<string, readonly string[]>;
}

export type Parsed =
  | { readonly kind: 'call'; readonly call: Call }
  | { readonly kind: 'help'; readonly command: CommandName | null }
  | { readonly kind: 'version' };

export function one(call: Call, name: OptionName): string | undefined {
  return call.values.get(name)?.[0];
}

export function many(call: Call, name: OptionName): readonly string[] {
  return call.values.get(name) ?? [];
}

export function has(call: Call, name: OptionName): boolean {
  return call.values.has(name);
}

export function numberOf(call: Call, name: OptionName): number | undefined {
  const value = one(call, name);
  return value === undefined ? undefined : Number(value);
}

export function parse(argv: readonly string[], environment: NodeJS.ProcessEnv = process.env): Parsed {
  const [first, ...rest] = argv;
  if (first === undefined) throw new UsageError('Name a command.');
  if (first === '--help' || first === '-h') return { kind: 'help', command: null };
  if (first === '--version') return { kind: 'version' };
  if (first === 'help') return { kind: 'help', command: rest[0] === undefined ? null : commandNamed(rest[0]) };
  const command = commandNamed(first);
  const cut = rest.indexOf('--');
  const own = cut < 0 ? rest : rest.slice(0, cut);
  const after = cut < 0 ? null : rest.slice(cut + 1);
  if (own.some((arg) => arg === '--help' || arg === '-h')) return { kind: 'help', command };
  const { words, values } = readOwn(own, command, environment);
  const all = takesWordsAfterDashes(command) ? [...words, ...(after ?? [])] : words;
  return { kind: 'call', call: { command, words: checkWords(all, command), values, agent: checkAgent(after, command) } };
}

/** Names that other programs use for our commands. */
const SYNONYMS: Readonly<Record<string, CommandName>> = {
  list: 'sessions',
  ls: 'sessions',
  show: 'history',
  log: 'history',
  new: 'prompt',
  resume: 'prompt',
  run: 'prompt',
  rm: 'delete',
};

function commandNamed(name: string): CommandName {
  if ((COMMAND_NAMES as readonly string[]).includes(name)) return name as CommandName;
  if (name.startsWith('-')) throw new UsageError(`Name a command before the option ${name}.`);
  const meant = Object.hasOwn(SYNONYMS, name) ? ` Did you mean ${SYNONYMS[name]}?` : didYouMean(name, COMMAND_NAMES);
  throw new UsageError(`There is no command “${name}”.${meant}`);
}

/** No option here has a single dash, so a prompt may begin with one. A mark in front keeps `parseArgs` from taking it for options. */
const MARK = '\0';
const marked = (arg: string): string => (/^-[^-]/.test(arg) ? MARK + arg : arg);
const unmarked = (arg: string): string => (arg.startsWith(MARK) ? arg.slice(1) : arg);

function readOwn(own: readonly string[], command: CommandName, environment: NodeJS.ProcessEnv) {
  const rows = optionsOf(command);
  const wrong = (name: string, why: string) => new UsageError(`--${name} ${why}`, command);
  const { tokens } = parseArgs({
    args: own.map(marked),
    options: Object.fromEntries(rows.map(({ name, value }) => [name, { type: value === undefined ? 'boolean' : 'string' } as const])),
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  const words: string[] = [];
  const values = new Map<string, readonly string[]>();
  for (const token of tokens) {
    if (token.kind === 'positional') words.push(unmarked(token.value));
    if (token.kind !== 'option') continue;
    const { name, value, inlineValue } = token;
    const row = rows.find((each) => each.name === name);
    if (!row) throw unknownOption(name, own[token.index] ?? '', command);
    const before = values.get(name);
    if (before && !row.many) throw wrong(name, 'was given twice; give it once.');
    if (row.value === undefined && value !== undefined) throw wrong(name, 'takes no value.');
    const why = row.value === undefined ? null : badValue(row, value && unmarked(value), inlineValue);
    if (why) throw wrong(name, why);
    values.set(name, value === undefined ? [] : [...(before ?? []), unmarked(value)]);
  }
  for (const { name, env, default: fallback, required, value: form } of rows) {
    if (values.has(name)) continue;
    const value = (env && environment[env]) || fallback;
    if (value !== undefined) values.set(name, [value]);
    else if (required) throw new UsageError(`“${command}” needs at least one ${name}: --${name} ${form}.`, command);
  }
  return { words, values };
}

function unknownOption(name: string, arg: string, command: CommandName): UsageError {
  const names = optionsOf(command).map((row) => row.name);
  const word = wordsOf(command).map((each) => each.name);
  const meant = takesWordsAfterDashes(command) ? ` If it is the ${word.join(' ')}, write: ${command} -- ${arg}` : '';
  return new UsageError(`“${command}” has no option --${name}.${didYouMean(name, names, '--')}${meant}`, command);
}

function badValue({ name, value: form, choices, range }: OptionRow, value: string | undefined, inline: boolean | undefined) {
  if (value === undefined) return `needs a value: --${name} ${form}.`;
  if (!inline && value.startsWith('--'))
    return `needs a value, and ${value} looks like an option; write --${name}=${value} if it is meant.`;
  // The message must not repeat the value, which is a secret.
  if (name === 'env' && value.includes('='))
    return `takes the NAME alone, without “=” and a value: set the variable in the environment of this call.`;
  if (value === '') return `must not be empty: --${name} ${form}.`;
  if (choices && !choices.includes(value)) return `is one of ${choices.join(', ')}, not “${value}”.`;
  const [least, most = Infinity] = range ?? [0];
  if (range && (!/^\d{1,15}$/.test(value) || Number(value) < least || Number(value) > most))
    return `is a whole number of at least ${least}${most === Infinity ? '' : ` and at most ${most}`}, not “${value}”.`;
  return form?.includes('=') && value.indexOf('=') < 1 ? `must have the form ${form}; “${value}” does not.` : null;
}

function checkWords(words: readonly string[], command: CommandName): readonly string[] {
  const known = wordsOf(command);
  const missing = known.find((word, index) => index >= words.length && !word.optional);
  if (missing) throw new UsageError(`“${command}” needs ${missing.name}: ${missing.help}`, command);
  if (words.length <= known.length || known.at(-1)?.many) return words;
  const why = !COMMANDS[command].agent
    ? `It takes ${known.map(({ name }) => name).join(' ') || 'no words'}.`
    : known.length > 0
      ? 'Put a prompt of several words in quotes, and the agent’s command after --.'
      : 'The agent’s command goes after --.';
  throw new UsageError(`“${command}” does not know what to do with “${words[known.length]}”. ${why}`, command);
}

function checkAgent(agent: readonly string[] | null, command: CommandName): readonly string[] {
  const { agent: wanted } = COMMANDS[command];
  if (takesWordsAfterDashes(command)) return [];
  if (agent?.[0]) {
    if (wanted) return agent;
    throw new UsageError(`“${command}” starts no agent; leave out what follows --.`, command);
  }
  if (wanted !== 'required') return [];
  throw new UsageError(`“${command}” needs an agent’s command after --, as in: -- my-agent --acp`, command);
}

const SHELL_WORD = /(?:[^\s'"\\]|\\[\s\S]|'[^']*'|"(?:[^"\\]|\\[\s\S])*")+/g;

/** Splits a command into words as a POSIX shell does. Nothing is expanded, no shell runs, and operators are ordinary characters. */
export function shellWords(text: string): string[] {
  const left = text.replace(SHELL_WORD, '').trim();
  if (left.startsWith('\\')) throw new UsageError(`The command ends in a lone backslash: ${text}`);
  if (left !== '') throw new UsageError(`A quote (${left[0]}) is not closed in the command: ${text}`);
  // Within double quotes a backslash escapes only the characters that are special there.
  return (text.match(SHELL_WORD) ?? []).map((word) =>
    word.replace(
      /\\([\s\S])|'([^']*)'|"((?:[^"\\]|\\[\s\S])*)"/g,
      (_, escaped?: string, single?: string, double?: string) => escaped ?? single ?? double!.replace(/\\(["\\$`])/g, '$1'),
    ),
  );
}

/**
 * Makes a command's paths absolute, since the agent may run in another directory: that of the program, and those of arguments that name an
 * existing file. All other words stay as they are.
 */
export function withAbsolutePaths(words: readonly string[], cwd = process.cwd()): string[] {
  return words.map((word, index) => {
    if (index === 0) return /[/\\]/.test(word) ? path.resolve(cwd, word) : word;
    const file = path.resolve(cwd, word);
    return /[/.]/.test(word) && !path.isAbsolute(word) && isFile(file) ? file : word;
  });
}

function isFile(file: string): boolean {
  try {
    return statSync(file).isFile();
  } catch {
    return false; // a word that cannot be a path, such as a script given as text
  }
}
