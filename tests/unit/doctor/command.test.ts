import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { parseDoctorArgs } from '../../../src/cli/doctor/command.ts';
import { whereTyped } from '../../../src/cli/doctor/index.ts';
import { renderDoctor, wrap } from '../../../src/cli/doctor/render.ts';
import { CHECK_IDS, Findings } from '../../../src/cli/doctor/report.ts';

describe('the command line', () => {
  test('what stands behind -- is the agent’s, options included', () => {
    expect(parseDoctorArgs(['--json', '--timeout', '2.5', '--', 'agent', '--json', '--', 'x'])).toEqual({
      json: true,
      prompt: true,
      timeoutMs: 2500,
      agent: ['agent', '--json', '--', 'x'],
    });
    expect(parseDoctorArgs(['--no-prompt', '--', 'a'])).toMatchObject({ prompt: false, timeoutMs: 60_000 });
  });

  test.each([
    [[]],
    [['--']],
    [['agent']],
    [['--timeout', '0', '--', 'a']],
    [['--timeout', 'soon', '--', 'a']],
    [['--frobnicate', '--', 'a']],
  ])('%j is wrong usage', (argv) => {
    expect(() => parseDoctorArgs(argv)).toThrow(
      expect.objectContaining({ code: 'invalid_argument', message: expect.stringContaining('rehydrate doctor') }),
    );
  });

  test('relative files mean what they meant where they were typed', () => {
    const here = import.meta.dirname;
    expect(whereTyped({ command: 'node', args: ['./command.test.ts', 'acp', '--config', 'no-such.json'] }, here)).toEqual({
      command: 'node',
      args: [path.join(here, 'command.test.ts'), 'acp', '--config', 'no-such.json'],
    });
    expect(whereTyped({ command: './agent', args: [] }, here).command).toBe(path.join(here, 'agent'));
  });
});

describe('the report', () => {
  test('a failure found later takes a pass back, and nothing takes a failure back', () => {
    const findings = new Findings();
    findings.pass('initialize', 'good');
    findings.fail('initialize', 'prints rubbish');
    findings.pass('initialize', 'good again');
    expect(findings.get('initialize')).toMatchObject({ outcome: 'fail', detail: 'prints rubbish' });
    expect(findings.all('not reached').map(({ id, outcome }) => [id, outcome])).toEqual(
      CHECK_IDS.map((id) => [id, id === 'initialize' ? 'fail' : 'skip']),
    );
  });

  test('lines are cut at spaces', () => {
    expect(wrap('one two three averyverylongword four', 9)).toEqual(['one two', 'three', 'averyverylongword', 'four']);
  });

  test('what an agent wrote cannot drive the terminal', () => {
    const findings = new Findings();
    findings.fail('initialize', 'It said “\u001b]0;owned\u0007\u009b2J”.');
    const verdict = { tier: null, summary: 'Nothing.', unknownSession: { load: null, resume: null }, breaksProtocol: true };
    const text = renderDoctor({
      agent: { command: 'a', name: '\u001b[31mred', version: null },
      protocolVersion: null,
      capabilities: null,
      checks: findings.all('x'),
      verdict,
    });
    // eslint-disable-next-line no-control-regex
    expect(text).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/);
    expect(text).toContain('/guides/agent/#');
  });
});
