import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { shellWords, withAbsolutePaths } from '../../../src/cli/parse.ts';
import { tokenFrom } from '../../../src/cli/token-file.ts';
import { chatCommand } from '../../../src/cli/commands/chat.ts';
import { exitCodeOf, exitWithOutput } from '../../../src/cli/ends.ts';
import { oneLine, describeReport, toolLine } from '../../../src/cli/format.ts';
import { databaseExists, databasePath, explain, isMissing } from '../../../src/cli/host.ts';
import { mcpServers, readMcpFile } from '../../../src/cli/session.ts';
import { parse, UsageError } from '../../../src/cli/parse.ts';
import { printable } from '../../../src/cli/output.ts';
import { isNewEnough } from '../../../src/cli/runtime.ts';
import { errorLine } from '../../../src/cli/ends.ts';
import { ERROR_CODES, RehydrateError } from '../../../src/engine/errors.ts';

describe('exit codes', () => {
  it('every error code has the one of the contract', () => {
    const special = {
      invalid_argument: 2,
      session_not_resumable: 3,
      resume_indeterminate: 3,
      session_busy: 4,
      turn_in_progress: 4,
      turn_outcome_unknown: 5,
    };
    for (const code of ERROR_CODES)
      expect([code, exitCodeOf(new RehydrateError(code, ''))]).toEqual([code, (special as Record<string, number>)[code] ?? 1]);
    expect(exitCodeOf(new UsageError(''))).toBe(2);
    expect(exitCodeOf(new Error('a fault'))).toBe(1);
  });

  it.each([
    [0, false, 0],
    [0, true, 1],
    [4, true, 4],
    [130, true, 130],
    [5, false, 5],
  ])('%i, with output that is lost: %s, is %i', (code, lost, exit) => {
    expect(exitWithOutput(code, lost)).toBe(exit);
  });

  it('every failure has a JSON line with a code', () => {
    expect(errorLine(new RehydrateError('cwd_missing', 'gone', { cwd: '/x' }))).toEqual({
      type: 'error',
      code: 'cwd_missing',
      message: 'gone',
      data: { cwd: '/x' },
    });
    expect(errorLine(new UsageError('so not'))).toMatchObject({ type: 'error', code: 'invalid_argument', message: 'so not' });
    expect(errorLine(new TypeError('oops'))).toMatchObject({ type: 'error', code: 'internal_error', message: 'oops' });
  });
});

describe('whether there is a database', () => {
  it.each([
    ['ENOENT', true],
    ['ENOTDIR', true],
    ['EACCES', false],
    ['EPERM', false],
    ['ELOOP', false],
    ['ENAMETOOLONG', false],
    ['EIO', false],
    [undefined, false],
  ])('%s: missing %s', (code, missing) => {
    expect(isMissing(code)).toBe(missing);
  });

  it('is said of what can be looked at, and of nothing else', () => {
    expect(databaseExists(import.meta.filename)).toBe(true);
    expect(databaseExists(`${import.meta.filename}.none`)).toBe(false);
    expect(databaseExists(`${import.meta.filename}/none`)).toBe(false);
    const long = `/${'x'.repeat(300)}`;
    expect(() => databaseExists(long)).toThrow(
      expect.objectContaining({
        code: 'storage_unavailable',
        message: expect.stringContaining(`The database ${long} cannot be used: ENAMETOOLONG`) as string,
      }),
    );
  });
});

describe('commands of --agent', () => {
  const cases: readonly (readonly [text: string, words: readonly string[]])[] = [
    ['my-agent --acp', ['my-agent', '--acp']],
    ['  a\t b\nc ', ['a', 'b', 'c']],
    [`'two words' "and two"`, ['two words', 'and two']],
    [`a"b c"'d e'f`, ['ab cd ef']],
    ['a\\ b', ['a b']],
    [`"a \\"b\\" \\n"`, ['a "b" \\n']],
    [`'a\\b'`, ['a\\b']],
    [`'' ""`, ['', '']],
    ['a; rm -rf $HOME `x` | y > z', ['a;', 'rm', '-rf', '$HOME', '`x`', '|', 'y', '>', 'z']],
    ['', []],
  ];
  it.each(cases.map(([text, words]) => ({ text, words })))('$text', ({ text, words }) => {
    expect(shellWords(text)).toEqual(words);
  });
  it.each([`'open`, `"open`, 'end\\'])('%s is refused', (text) => {
    expect(() => shellWords(text)).toThrow(UsageError);
  });
});

describe('the words of an agent', () => {
  it('relative files mean what they meant where they were typed', () => {
    const here = import.meta.dirname;
    expect(withAbsolutePaths(['node', './pieces.test.ts', 'acp', '--config', 'no-such.json'], here)).toEqual([
      'node',
      path.join(here, 'pieces.test.ts'),
      'acp',
      '--config',
      'no-such.json',
    ]);
    expect(withAbsolutePaths(['./agent'], here)).toEqual([path.join(here, 'agent')]);
    // A program's text is longer than any path.
    const text = `console.log(1 / ${'2'.repeat(5_000)})`;
    expect(withAbsolutePaths(['node', '-e', text], here)).toEqual(['node', '-e', text]);
  });
});

describe('MCP files', () => {
  it('takes ACP’s form and the settings form', () => {
    const acp = [{ name: 'a', command: '/bin/a', args: ['-x'], env: [{ name: 'K', value: 'v' }] }];
    expect(mcpServers(acp, 'f')).toEqual(acp);
    expect(mcpServers([{ type: 'http', name: 'h', url: 'https://h', headers: [] }], 'f')).toEqual([
      { type: 'http', name: 'h', url: 'https://h', headers: [] },
    ]);
    expect(
      mcpServers(
        {
          mcpServers: {
            a: { command: '/bin/a', env: { K: 'v' } },
            b: { url: 'https://b', headers: { Authorization: 't' } },
            c: { type: 'sse', url: 'https://c' },
          },
        },
        'f',
      ),
    ).toEqual([
      { name: 'a', command: '/bin/a', args: [], env: [{ name: 'K', value: 'v' }] },
      { type: 'http', name: 'b', url: 'https://b', headers: [{ name: 'Authorization', value: 't' }] },
      { type: 'sse', name: 'c', url: 'https://c', headers: [] },
    ]);
  });

  it.each([
    [{}, /neither an array/],
    ['x', /neither an array/],
    [[7], /a server has neither a command/],
    [[{ name: 'a' }], /a has neither a command with a list of args nor/],
    [[{ name: 'a', command: 'x', args: 'y' }], /a has neither a command with a list of args nor/],
    [{ mcpServers: { a: 7 } }, /a has neither a command/],
  ])('refuses %j', (value, message) => {
    expect(() => mcpServers(value, 'f')).toThrow(message);
  });

  const scratch = mkdtempSync(path.join(os.tmpdir(), 'rehydrate-test-'));
  afterAll(() => rmSync(scratch, { recursive: true }));

  it('a file that is no JSON is refused without quoting it', () => {
    const file = path.join(scratch, 'mcp.json');
    writeFileSync(file, '{"secret": "hunter2" oops');
    expect(() => readMcpFile(file)).toThrow(
      expect.objectContaining({ code: 'invalid_argument', message: expect.not.stringContaining('hunter2') }),
    );
    expect(() => readMcpFile(path.join(scratch, 'none.json'))).toThrow(expect.objectContaining({ code: 'invalid_argument' }));
  });
});

describe('a file with a token', () => {
  const scratch = mkdtempSync(path.join(os.tmpdir(), 'rehydrate-test-'));
  afterAll(() => rmSync(scratch, { recursive: true }));

  it('is made once where that is asked for', () => {
    const file = path.join(scratch, 'token');
    const token = tokenFrom(file, true);
    expect([tokenFrom(file, true), tokenFrom(file)]).toEqual([token, token]);
  });

  it('is made where an empty file is, which a killed start left', () => {
    const file = path.join(scratch, 'empty');
    writeFileSync(file, '', { mode: 0o644 });
    expect(() => tokenFrom(file)).toThrow(/holds no token/);
    const token = tokenFrom(file, true);
    expect([tokenFrom(file), statSync(file).mode & 0o777]).toEqual([token, 0o600]);
  });

  it.each([
    ['none', false, /none cannot be used: ENOENT.* --token-file makes one/],
    ['', true, /cannot be used: EISDIR/],
    ['no/where', true, /where cannot be used: ENOENT/],
    ['notes', true, /holds no token/],
  ])('%s, make %s: what is wrong is said', (name, make, message) => {
    writeFileSync(path.join(scratch, 'notes'), 'my notes');
    expect(() => tokenFrom(path.join(scratch, name), make)).toThrow(
      expect.objectContaining({ code: 'invalid_argument', message: expect.stringMatching(message) as string }),
    );
  });
});

describe('what the engine advises a program to do', () => {
  it('is followed by the option of the command, and nothing else changes', () => {
    const timeout = new RehydrateError('agent_timeout', 'It did not answer. Raise the limit.', { turnId: 't' });
    const message = 'It did not answer. Raise the limit. The option --timeout SECONDS raises the limit.';
    expect(explain(timeout, 'db')).toMatchObject({ code: 'agent_timeout', message, data: { turnId: 't' } });
    const other = new RehydrateError('secret_missing', 'Set A in the environment.');
    expect(explain(other, 'db')).toBe(other);
  });
});

describe('where the database is', () => {
  const call = (argv: string[], environment: NodeJS.ProcessEnv) => {
    const parsed = parse(['sessions', ...argv], environment);
    if (parsed.kind !== 'call') throw new Error('no call');
    return parsed.call;
  };
  it.each([
    [['--db', '/a/b.sqlite'], { REHYDRATE_DB: '/c' }, '/a/b.sqlite'],
    [[], { REHYDRATE_DB: '/c/d.sqlite', XDG_DATA_HOME: '/x' }, '/c/d.sqlite'],
    [[], { REHYDRATE_DB: '', XDG_DATA_HOME: '/x' }, '/x/rehydrate/sessions.sqlite'],
    [[], { XDG_DATA_HOME: 'relative', HOME: '/home/ada' }, '/home/ada/.local/share/rehydrate/sessions.sqlite'],
    [[], { HOME: '/home/ada' }, '/home/ada/.local/share/rehydrate/sessions.sqlite'],
    [[], { HOME: '' }, path.join(os.userInfo().homedir, '.local/share/rehydrate/sessions.sqlite')],
  ])('%j %j', (argv, environment, file) => {
    expect(databasePath(call(argv, environment), environment)).toBe(file);
  });
});

describe('what terminals are shown', () => {
  it('no escape sequence, control character or reordering gets through', () => {
    const evil = 'a\u001b]0;title\u0007b\u001b[2Jc\r\nd\re\u009b31mf\u202eg\u0000';
    const shown = printable(evil);
    // eslint-disable-next-line no-control-regex -- they are what must be gone
    expect(shown).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e]/);
    expect(shown).toContain('c\nd');
    expect(printable('tab\tand\nline, ünï and 🚀')).toBe('tab\tand\nline, ünï and 🚀');
  });

  it('tool calls are one line when they start and one when they end', () => {
    const titles = new Map<string, string>();
    const lines = [
      toolLine({ sessionUpdate: 'tool_call', toolCallId: 'c', title: 'Read\nnotes', status: 'in_progress' }, titles),
      toolLine({ sessionUpdate: 'tool_call_update', toolCallId: 'c', content: [] }, titles),
      toolLine({ sessionUpdate: 'tool_call_update', toolCallId: 'c', status: 'completed' }, titles),
      toolLine({ sessionUpdate: 'agent_message_chunk', content: { type: 'text', text: 'x' } }, titles),
    ];
    expect(lines).toEqual(['· Read notes', null, '✓ Read notes', null]);
  });

  it('a report says what was tried in vain and what could not be set again', () => {
    const words = describeReport({
      tier: 'transcript',
      attempts: [{ method: 'session/load', outcome: 'unknown_session', evidence: 'code -32002', ms: 1 }],
      verified: null,
      replay: null,
      preamble: { mode: 'resource', bytes: 120, events: 7, truncated: true },
      settings: { restored: [], failed: [{ id: 'mode', reason: 'no such mode' }] },
      agentSessionId: 'b',
      previousAgentSessionId: 'a',
      ms: 12,
      agentMs: 10,
    });
    expect(words.split('\n')).toEqual([
      'a new session of the agent, which is given the transcript; 120 bytes from 7 events, cut to the newest (12 ms)',
      '  session/load: unknown_session (code -32002)',
      '  mode could not be set again: no such mode',
    ]);
  });

  it('lines are cut between characters', () => {
    expect(oneLine('🚀🚀🚀🚀', 3)).toBe('🚀🚀…');
    expect(oneLine(' a\n\tb ', 10)).toBe('a b');
  });
});

describe('lines of chat', () => {
  it.each([
    ['hello', { do: 'prompt', text: 'hello' }],
    ['/quit', { do: 'quit' }],
    [' /exit ', { do: 'quit' }],
    ['/mode brief', { do: 'mode', modeId: 'brief' }],
    ['/mode', { do: 'wrong', message: 'Say which mode: /mode ID' }],
    ['/set model = large', { do: 'set', key: 'model', value: 'large' }],
    ['/set =x', { do: 'wrong', message: 'Say what to set: /set KEY=VALUE' }],
    ['/set model=a=b', { do: 'set', key: 'model', value: 'a=b' }],
    ['/compact now', { do: 'prompt', text: '/compact now' }],
  ])('%s', (line, command) => {
    expect(chatCommand(line)).toEqual(command);
  });
});

describe('which Node will do', () => {
  it.each([
    ['18.20.0', false],
    ['20.20.2', false],
    ['22.12.0', false],
    ['22.13.0', true],
    ['23.3.0', false],
    ['23.4.0', true],
    ['24.0.0', true],
    ['26.1.0', true],
  ])('%s: %s', (version, will) => {
    expect(isNewEnough(version)).toBe(will);
  });
});
