/** The help, rendered from the table of commands. */
import { COMMAND_NAMES, COMMANDS, endOfOptions, EXIT_CODES, OPTIONAL_PACKAGES, takesWordsBehind } from './commands.ts';
import type { CommandName, CommandSpec, OptionSpec } from './commands.ts';

const WIDTH = 100;

/** The line that shows how a command is called. */
export function usageLine(name: CommandName): string {
  const spec = COMMANDS[name];
  const required = spec.options
    .filter((option) => option.many && option.name === 'agent')
    .map((option) => `--${option.name} ${option.value}…`);
  const words = spec.words.map((word) => (word.name === 'TEXT' ? 'TEXT|-' : word.name));
  return [
    'rehydrate',
    name,
    ...(spec.options.length > required.length ? ['[options]'] : []),
    ...required,
    ...words,
    ...(spec.agent ? ['-- AGENT [ARG…]'] : []),
  ].join(' ');
}

export function overview(): string {
  const commands = COMMAND_NAMES.map((name) => [name, COMMANDS[name].summary] as const);
  return [
    'rehydrate gives any ACP agent durable sessions.',
    '',
    'Commands:',
    ...columns(commands),
    '',
    'Exit codes:',
    ...columns(EXIT_CODES.map(([code, meaning]) => [String(code), meaning] as const)),
    '',
    'Optional packages, for parts of the library; the command needs none of them:',
    ...columns(OPTIONAL_PACKAGES),
    '',
    'rehydrate help COMMAND says more about one of them.',
  ].join('\n');
}

export function commandHelp(name: CommandName): string {
  const spec: CommandSpec = COMMANDS[name];
  const options = spec.options.map((option) => [optionForm(option), optionText(option)] as const);
  const end = takesWordsBehind(spec) ? [['--', endOfOptions(spec)] as const] : [];
  return [
    `${usageLine(name)}`,
    '',
    ...wrap(spec.summary, 0),
    ...(spec.words.length > 0 ? ['', ...columns(spec.words.map((word) => [word.name, word.description] as const))] : []),
    ...(spec.options.length > 0 ? ['', 'Options:', ...columns([...options, ...end])] : []),
    ...(spec.notes ? ['', ...spec.notes.flatMap((note) => wrap(note, 0))] : []),
  ].join('\n');
}

/** `--set KEY=VALUE…`: an ellipsis marks what may be repeated. */
export function optionForm(option: OptionSpec): string {
  return `--${option.name}${option.value === undefined ? '' : ` ${option.value}${option.many ? '…' : ''}`}`;
}

function optionText(option: OptionSpec): string {
  return option.choices ? `${option.choices.join(' | ')}. ${option.description}` : option.description;
}

function columns(rows: readonly (readonly [string, string])[]): string[] {
  const left = Math.max(...rows.map(([name]) => name.length)) + 4;
  return rows.flatMap(([name, text]) => {
    const lines = wrap(text, left);
    return [`  ${name.padEnd(left - 2)}${(lines[0] ?? '').trimStart()}`, ...lines.slice(1)];
  });
}

function wrap(text: string, indent: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && indent + line.length + word.length + 1 > WIDTH) {
      lines.push(line);
      line = word;
    } else {
      line = line === '' ? word : `${line} ${word}`;
    }
  }
  return [...lines, line].map((each) => ' '.repeat(indent) + each);
}
