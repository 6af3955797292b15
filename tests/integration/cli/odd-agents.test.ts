/** Agents that send what no agent should: the turn is shown to its end, its record stays readable, its questions have answers. */
import { spawn, spawnSync } from 'node:child_process';
import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import path from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { BIN, build, BUILD_MS, gone, scratch } from './harness.ts';
import type { Scratch } from './harness.ts';

beforeAll(build, BUILD_MS);
let at: Scratch;
beforeEach(() => {
  at = scratch();
});
afterEach(async () => {
  await gone(at.directory);
  at.remove();
});

const FIXTURE = path.join(import.meta.dirname, 'odd-agent.fixture.mjs');
const odd = (script: {
  readonly updates?: readonly unknown[];
  readonly ask?: object;
  readonly later?: readonly unknown[];
  readonly laterMs?: number;
}) => [process.execPath, FIXTURE, JSON.stringify(script), at.directory];
const say = (text: string) => ({ sessionUpdate: 'agent_message_chunk', content: { type: 'text', text } });

const UPDATES = [
  say('before '),
  { sessionUpdate: 'agent_message_chunk' },
  { sessionUpdate: 'agent_message_chunk', content: { type: 'text' } },
  { sessionUpdate: 'plan', entries: [null] },
  { sessionUpdate: 'tool_call', toolCallId: 't', title: { a: 1 }, status: 'completed' },
  { sessionUpdate: 'session_info_update', title: 'two\nlines' },
  say('after'),
];

describe('a turn of odd updates', () => {
  it('I11: prompt shows what the agent goes on to say after its answer, with --json in front of the result', async () => {
    const agent = odd({ updates: [say('all of ')], later: [say('it')], laterMs: 30 });
    expect(await at.run(['prompt', '--db', at.db, 'go', '--', ...agent])).toMatchObject({ code: 0, stdout: 'all of it\n' });
    const silent = odd({ later: [say('late')], laterMs: 30 });
    expect(await at.run(['prompt', '--db', at.db, '--session', 'b', 'go', '--', ...silent])).toMatchObject({ code: 0, stdout: 'late\n' });
    const json = await at.run(['prompt', '--db', at.db, '--session', 'c', '--json', 'go', '--', ...agent]);
    const types = json.stdout
      .trim()
      .split('\n')
      .map((line) => (line.includes('"it"') ? 'it' : (JSON.parse(line) as { type: string }).type));
    expect([types.includes('it'), types.at(-1)]).toEqual([true, 'result']);
  });

  it('prompt shows all that can be shown of it, and shows it again; history has one line an event', async () => {
    const prompt = ['prompt', '--db', at.db, '--idempotency-key', 'k', 'go', '--', ...odd({ updates: UPDATES })];
    expect(await at.run(prompt)).toMatchObject({ code: 0, stdout: 'before \nafter\n', stderr: expect.stringContaining('✓ t\n') });
    expect(await at.run(prompt)).toMatchObject({
      code: 0,
      stdout: 'before \nafter\n',
      stderr: expect.stringContaining('this key was used before'),
    });
    const text = await at.run(['history', '--db', at.db, 'main']);
    const json = await at.run(['history', '--db', at.db, '--json', 'main']);
    expect([text.code, text.stdout.split('\n').length]).toEqual([0, json.stdout.split('\n').length]);
    for (const words of [
      'agent: nothing',
      'agent: {"type":"text"}',
      'plan',
      'tool call: t (completed)',
      'session info update: two lines',
      'agent: after',
    ])
      expect(text.stdout).toContain(`  ${words}\n`);
  });

  it('chat goes on', async () => {
    const done = await at.run(['chat', '--db', at.db, '--', ...odd({ updates: UPDATES })], { stdin: 'go\n/history\ngo\n' });
    expect(done.code).toBe(0);
    expect(done.stdout).toMatch(/^before \nafter\n[^]*agent: after\n[^]*before \nafter\n$/);
  });
});

describe('replies and what comes beside them', () => {
  it('a line of a tool call does not land in a line of the reply when stdout and stderr are one pipe', () => {
    const tool = { sessionUpdate: 'tool_call', toolCallId: 't', title: 'Read', status: 'completed' };
    const words = [process.execPath, BIN, 'prompt', '--db', at.db, 'go', '--', ...odd({ updates: [say('one '), tool, say('two')] })];
    const command = words.map((word) => `'${word}'`).join(' ');
    const done = spawnSync('sh', ['-c', `${command} 2>&1 | cat`], { cwd: at.directory, encoding: 'utf8' });
    expect(done.stdout).toMatch(/ms\)\none \n✓ Read\ntwo\n$/);
  });

  it('chat shows what comes between turns, and a character in two pieces whole', async () => {
    const agent = odd({ updates: [say('now')], later: [say('and \ud83d'), say('\ude80 later')] });
    const running = at.start(['chat', '--db', at.db, '--', ...agent]);
    running.child.stdin?.write('go\n');
    await running.saw('and 🚀 later');
    running.child.stdin?.end();
    expect(await running.done).toMatchObject({ code: 0, stdout: 'now\nand 🚀 later\n' });
  });

  it('into a pipe the reply goes as it was said, and so it does in transcript and export; lists, reports and notes hold nothing that a terminal obeys', async () => {
    const [red, title] = ['\u001b[31mred\u009b', '\u001b]0;a\u0007 title'];
    const tool = { sessionUpdate: 'tool_call', toolCallId: 't', title, status: 'completed' };
    const agent = odd({ updates: [say(red), tool, { sessionUpdate: 'session_info_update', title }] });
    const done = await at.run(['prompt', '--db', at.db, 'go', '--', ...agent]);
    expect(done).toMatchObject({ code: 0, stdout: `${red}\n`, stderr: expect.stringContaining('✓ ␛]0;a\ufffd title\n') });
    for (const words of [['sessions'], ['history', 'main'], ['search', '31mred']]) {
      const { stdout, stderr } = await at.run([words[0]!, '--db', at.db, ...words.slice(1)]);
      expect(stdout).toContain('␛');
      expect(stdout + stderr).not.toMatch(/[^\n\P{Cc}]/u);
    }
    expect((await at.run(['export', '--db', at.db, 'main'])).stdout).toContain('red\u009b');
  });

  it('JSON of an agent holds no byte that a terminal obeys', async () => {
    const done = await at.run(['prompt', '--db', at.db, '--json', 'go', '--', ...odd({ updates: [say('a\u009b2Jb\u202e')] })]);
    expect(done.stdout).toContain('a\\u009b2Jb\\u202e');
    expect((await at.run(['history', '--db', at.db, '--json', 'main'])).stdout).toContain('a\\u009b2Jb\\u202e');
  });
});

const ASKS: readonly (readonly [name: string, ask: object])[] = [
  ['without kinds', { toolCall: { toolCallId: 't', title: 'go' }, options: [{ optionId: 'y', name: 'Yes' }] }],
  ['without names', { toolCall: { toolCallId: 't', title: 'go' }, options: [{ optionId: 'y', kind: 'allow_once' }] }],
  [
    'with a title that is none',
    { toolCall: { toolCallId: 't', title: ['go'] }, options: [{ optionId: 'y', name: 'Yes', kind: 'allow_once' }] },
  ],
];

describe('odd permission requests', () => {
  it('--permission allow says that it cancelled what cannot be allowed', async () => {
    const ask = { toolCall: { toolCallId: 't', title: 'go' }, options: [] };
    const done = await at.run(['prompt', '--db', at.db, '--permission', 'allow', 'go', '--', ...odd({ ask })]);
    expect(done).toMatchObject({
      code: 0,
      stdout: 'answered {"outcome":"cancelled"}\n',
      stderr: expect.stringContaining('permission for “go”: cancelled, as the agent offers no way to allow it\n'),
    });
  });

  const hasScript = spawnSync('script', ['--version']).status === 0;
  describe.skipIf(!hasScript)('on a terminal', () => {
    let child: ChildProcessWithoutNullStreams;
    // A question that has no answer would wait for ever.
    afterEach(() => void child.kill());

    it('chat: what comes while a line is typed goes above it, and the line stays', async () => {
      const words = [process.execPath, BIN, 'chat', '--db', at.db, '--', ...odd({ updates: [say('now')], later: [say('and later')] })];
      child = spawn('script', ['-qefc', words.map((word) => `'${word}'`).join(' '), '/dev/null'], {
        cwd: at.directory,
        env: { ...process.env, NO_COLOR: '1', TERM: 'xterm' },
        stdio: 'pipe',
      });
      const ended = new Promise((resolve) => child.on('close', resolve));
      let screen = '';
      child.stdout.setEncoding('utf8').on('data', (text: string) => (screen += text));
      await expect.poll(() => screen).toContain('› ');
      child.stdin.write('go\r');
      await expect.poll(() => screen).toContain('now\r\n');
      child.stdin.write('half a li');
      // The typed line is cleared before what comes, and shown again after it.
      // eslint-disable-next-line no-control-regex -- what clears a line is what is looked for
      await expect.poll(() => screen).toMatch(/\u001b\[1G\u001b\[0Jand later\r\n[^]*› (?:\u001b\[3G)?half a li[^\n]*$/);
      child.stdin.write('\u0015\u0004');
      expect(await ended).toBe(0);
    });

    it.each(ASKS.flatMap(([name, ask]) => [[name, '1', 'selected', ask] as const, [name, '', 'cancelled', ask] as const]))(
      '%s, answered with “%s”: %s',
      async (_name, answer, outcome, ask) => {
        const words = [process.execPath, BIN, 'prompt', '--db', at.db, 'go', '--', ...odd({ ask })];
        child = spawn('script', ['-qefc', words.map((word) => `'${word}'`).join(' '), '/dev/null'], {
          cwd: at.directory,
          env: { ...process.env, NO_COLOR: '1', TERM: 'xterm' },
          stdio: 'pipe',
        });
        const ended = new Promise((resolve) => child.on('close', resolve));
        let screen = '';
        child.stdout.setEncoding('utf8').on('data', (text: string) => (screen += text));
        await expect.poll(() => screen).toContain('or Enter to refuse');
        child.stdin.write(`${answer}\r`);
        expect(await ended).toBe(0);
        expect(screen).toContain(`answered {"outcome":"${outcome}"`);
      },
    );
  });
});
