/** The help, rendered from the table. */
import { EXIT_CODES } from './exit-codes.ts';
import { COMMAND_NAMES, COMMANDS, endOfOptions, OPTIONAL_PACKAGES, optionsOf, takesWordsAfterDashes, wordsOf } from './table.ts';
import type { CommandName, OptionRow } from './table.ts';

const WIDTH = 100;

/** The line that shows how a command is called. */
export function usageLine(name: CommandName): string {
  const options = optionsOf(name);
  const required = options.filter((option) => option.required);
  const words = wordsOf(name).map((word) => {
    const form = `${word.form ?? word.name}${word.many ? '…' : ''}`;
    return word.optional ? `[${form}]` : form;
  });
  const { agent } = COMMANDS[name];
  return [
    'rehydrate',
    name,
    ...(options.length > required.length ? ['[options]'] : []),
    ...required.map(optionForm),
    ...words,
    ...(agent === 'required' ? ['-- AGENT [ARG…]'] : agent === 'optional' ? ['[-- AGENT [ARG…]]'] : []),
  ].join(' ');
}

export function overview(): string {
  return [
    'rehydrate gives any ACP agent durable sessions.',
    '',
    'Commands:',
    ...columns(COMMAND_NAMES.map((name) => [name, COMMANDS[name].help])),
    '',
    'Exit codes:',
    ...columns(EXIT_CODES.map(([code, meaning]) => [String(code), meaning])),
    '',
    'Optional packages, for parts of the library; the command needs none of them:',
    ...columns(OPTIONAL_PACKAGES),
    '',
    'rehydrate help COMMAND says more about one of them.',
  ].join('\n');
}

export function commandHelp(name: CommandName): string {
  const { help, notes = [] } = COMMANDS[name];
  const options: Row[] = optionsOf(name).map((option) => [optionForm(option), optionText(option)]);
  if (takesWordsAfterDashes(name)) options.push(['--', endOfOptions(name)]);
  const parts = [
    [usageLine(name)],
    wrap(help, WIDTH),
    columns(wordsOf(name).map((word) => [word.name, word.help])),
    options.length > 0 ? ['Options:', ...columns(options)] : [],
    notes.flatMap((note) => wrap(note, WIDTH)),
  ];
  return parts
    .filter((part) => part.length > 0)
    .map((part) => part.join('\n'))
    .join('\n\n');
}

/** `--set KEY=VALUE…`: an ellipsis marks what may be repeated. */
export function optionForm({ name, value, many }: OptionRow): string {
  return `--${name}${value === undefined ? '' : ` ${value}${many ? '…' : ''}`}`;
}

/** What an option is for, with its default. */
export function optionHelp({ help, default: value }: OptionRow): string {
  return value === undefined ? help : `${help} Default: ${value}.`;
}

function optionText(option: OptionRow): string {
  return option.choices ? `${option.choices.join(' | ')}. ${optionHelp(option)}` : optionHelp(option);
}

type Row = readonly [name: string, text: string];

function columns(rows: readonly Row[]): string[] {
  const left = Math.max(...rows.map(([name]) => name.length)) + 4;
  return rows.flatMap(([name, text]) =>
    wrap(text, WIDTH - left).map((line, index) => (index === 0 ? `  ${name}` : '').padEnd(left) + line),
  );
}

/** Cuts text into lines of at most `width` characters at spaces; a longer word stands alone. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else {
      line = line === '' ? word : `${line} ${word}`;
    }
  }
  return [...lines, line];
}
