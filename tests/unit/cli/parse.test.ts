import { describe, expect, it } from 'vitest';
import { commandHelp, optionForm, overview, usageLine } from '../../../src/cli/table.ts';
import { has, many, one, parse, UsageError } from '../../../src/cli/parse.ts';
import { COMMAND_NAMES, COMMANDS, optionsOf, wordsOf } from '../../../src/cli/table.ts';
import type { OptionName } from '../../../src/cli/table.ts';

const call = (argv: readonly string[]) => {
  const parsed = parse(argv);
  if (parsed.kind !== 'call') throw new Error(`expected a call, got ${parsed.kind}`);
  return parsed.call;
};

describe('calls', () => {
  it('options before, between and after words, and everything after -- untouched', () => {
    const parsed = call(['prompt', '--db', 'a.sqlite', 'say hello', '--json', '--', 'agent', '--db', 'b', '--', '-h']);
    expect(parsed.words).toEqual(['say hello']);
    expect(one(parsed, 'db')).toBe('a.sqlite');
    expect(has(parsed, 'json')).toBe(true);
    expect(parsed.agent).toEqual(['agent', '--db', 'b', '--', '-h']);
  });

  it('repeated options keep their order; values may hold = and dashes', () => {
    const parsed = call(['prompt', '--set=a=b=c', '--set', 'd=', '--session=--odd', '-', '--', 'x']);
    expect(many(parsed, 'set')).toEqual(['a=b=c', 'd=']);
    expect(one(parsed, 'session')).toBe('--odd');
    expect(parsed.words).toEqual(['-']);
  });

  it('an ID that looks like an option is an ID after --, where no agent follows', () => {
    for (const name of ['history', 'transcript', 'delete'] as const) {
      for (const id of ['--x', '--json', '--', '-h', 'main'])
        expect(call([name, '--db', 'a.sqlite', '--', id])).toMatchObject({ words: [id], agent: [] });
      expect(commandHelp(name)).toMatch(/^ {2}-- +Ends the options: ID after it/m);
    }
    expect(call(['history', 'main', '--']).words).toEqual(['main']);
    expect(commandHelp('sessions')).not.toContain('Ends the options');
    expect(commandHelp('prompt')).not.toContain('Ends the options');
  });

  it('a prompt that starts with one dash is a prompt', () => {
    expect(call(['prompt', '- a list', '--', 'x']).words).toEqual(['- a list']);
    expect(call(['prompt', '-1', '--', 'x']).words).toEqual(['-1']);
  });

  it('an empty prompt is the command’s to refuse, with its own code', () => {
    expect(call(['prompt', '', '--', 'x']).words).toEqual(['']);
  });

  it('help wherever it is asked for, before anything is checked', () => {
    expect(parse(['--help'])).toEqual({ kind: 'help', command: null });
    expect(parse(['help', 'bridge'])).toEqual({ kind: 'help', command: 'bridge' });
    expect(parse(['prompt', '--nonsense', '-h'])).toEqual({ kind: 'help', command: 'prompt' });
    expect(parse(['--version'])).toEqual({ kind: 'version' });
  });
});

describe('wrong calls say what to do', () => {
  const cases: readonly (readonly [argv: readonly string[], message: RegExp])[] = [
    [[], /Name a command/],
    [['promt'], /no command “promt”. Did you mean prompt\?/],
    [['list'], /no command “list”. Did you mean sessions\?/],
    [['show'], /no command “show”. Did you mean history\?/],
    [['resume'], /no command “resume”. Did you mean prompt\?/],
    [['prompt', 'x', '--env', 'TOKEN=abc123secret', '--', 'a'], /^(?!.*abc123).*--env takes the NAME alone/],
    [['--db', 'x'], /Name a command before the option --db/],
    [['prompt', 'a', '--', ''], /needs an agent’s command after --/],
    [['prompt', 'a', '--'], /needs an agent’s command after --/],
    [['prompt', 'a'], /needs an agent’s command after --/],
    [['prompt', '--', 'x'], /needs TEXT/],
    [['prompt', 'two', 'words', '--', 'x'], /“words”. Put a prompt of several words in quotes/],
    [['chat', 'hello', '--', 'x'], /The agent’s command goes after --/],
    [['prompt', 'a', '--sesion', 'x', '--', 'x'], /no option --sesion. Did you mean --session\?/],
    [['prompt', 'a', '--db'], /--db needs a value: --db FILE/],
    [['prompt', 'a', '--db', '--json', '--', 'x'], /--json looks like an option; write --db=--json/],
    [['prompt', 'a', '--db=', '--', 'x'], /--db must not be empty/],
    [['prompt', 'a', '--json=yes', '--', 'x'], /--json takes no value/],
    [['prompt', 'a', '--json', '--json', '--', 'x'], /--json was given twice/],
    [['prompt', 'a', '--db', 'a', '--db', 'b', '--', 'x'], /--db was given twice/],
    [['prompt', 'a', '--policy', 'lenient', '--', 'x'], /one of auto, strict, transcript, not “lenient”/],
    [['prompt', 'a', '--set', 'novalue', '--', 'x'], /must have the form KEY=VALUE/],
    [['history', '--after', '-1', 'main'], /whole number of at least 0/],
    [['history', '--limit', '0', 'main'], /whole number of at least 1/],
    [['history', '--limit', '1e3', 'main'], /whole number/],
    [['prompt', 'a', '--timeout', '86401', '--', 'x'], /--timeout is a whole number of at least 1 and at most 86400, not “86401”/],
    [['chat', '--timeout', '2147484', '--', 'x'], /at most 86400/],
    [['doctor', '--timeout', '3601', '--', 'x'], /at least 1 and at most 3600/],
    [['history'], /needs ID/],
    [['history', '--x'], /no option --x. .*If it is the ID, write: history -- --x/],
    [['history', '--'], /needs ID/],
    [['history', 'main', '--', 'more'], /“more”. It takes ID/],
    [['sessions', 'main'], /It takes no words/],
    [['sessions', '--', 'agent'], /starts no agent/],
  ];
  it.each(cases.map(([argv, message]) => ({ argv, message })))('$argv', ({ argv, message }) => {
    expect(() => parse(argv)).toThrow(UsageError);
    expect(() => parse(argv)).toThrow(message);
  });
});

describe('numbers that become timers', () => {
  // A longer timer than this is one of a millisecond.
  const LONGEST_TIMER_MS = 2 ** 31 - 1;
  const timers = COMMAND_NAMES.flatMap((name) =>
    optionsOf(name)
      .filter(({ value }) => value === 'SECONDS')
      .map((option) => ({ name, option })),
  );
  it.each(timers)('$name --$option.name is bounded, and takes the most', ({ name, option }) => {
    const [, atMost = Infinity] = option.range ?? [];
    expect(atMost * 1000).toBeLessThanOrEqual(LONGEST_TIMER_MS);
    const words = wordsOf(name).map(() => 'word');
    const needed = optionsOf(name).flatMap((row) => (row.required ? [`--${row.name}`, 'NAME=x'] : []));
    const rest = COMMANDS[name].agent ? ['--', 'x'] : [];
    expect(one(call([name, ...words, ...needed, `--${option.name}=${atMost}`, ...rest]), option.name as OptionName)).toBe(String(atMost));
    expect(commandHelp(name).replaceAll(/\s+/g, ' ')).toContain(`at most ${atMost}`);
  });
});

describe('help', () => {
  it('names every command and, for each, every option of the table', () => {
    for (const name of COMMAND_NAMES) {
      expect(overview()).toContain(`  ${name}`);
      const help = commandHelp(name);
      expect(help).toContain(usageLine(name));
      for (const option of optionsOf(name)) expect(help).toContain(optionForm(option));
      for (const line of help.split('\n')) expect(line.length).toBeLessThanOrEqual(110);
      // The usage stays one line, to be copied.
      for (const line of commandHelp(name, 80).split('\n').slice(1)) expect(line.length).toBeLessThanOrEqual(80);
    }
  });

  it('shows the calls of the contract', () => {
    expect(usageLine('prompt')).toBe('rehydrate prompt [options] TEXT|- -- AGENT [ARG…]');
    expect(usageLine('chat')).toBe('rehydrate chat [options] -- AGENT [ARG…]');
    expect(usageLine('bridge')).toBe('rehydrate bridge [options] --agent NAME=COMMAND…');
    expect(usageLine('history')).toBe('rehydrate history [options] ID');
  });
});
