import { spawn, spawnSync } from 'node:child_process';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { AGENT, BIN, build, BUILD_MS, gone, scratch } from './harness.ts';
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

describe('chat through pipes', () => {
  it('one turn a line, in order, the replies alone on stdout; the end of the input ends it', async () => {
    const done = await at.run(['chat', '--db', at.db, '--', ...at.agent()], { stdin: 'my name is Ada\n\nwhat is my name?\n' });
    expect(done).toMatchObject({ code: 0, stdout: 'Noted. Your name: Ada.\nYour name: Ada (from earlier in this conversation).\n' });
    const again = await at.run(['chat', '--db', at.db, '--', ...at.agent()], { stdin: 'what is my name?\n/quit\nsay never\n' });
    expect(again.stdout).toBe('Your name: Ada (from my own memory of this session).\n');
  });

  it('a turn that fails does not end it; in a pipe the last outcome is the exit code', async () => {
    const done = await at.run(['chat', '--db', at.db, '--', ...at.agent()], { stdin: 'crash\nsay still here\n' });
    expect([done.code, done.stdout]).toEqual([0, 'I am about to crash…\nstill here\n']);
    expect(done.stderr).toContain('turn_outcome_unknown');
    expect((await at.run(['chat', '--db', at.db, '--', ...at.agent()], { stdin: 'crash\n' })).code).toBe(5);
  });

  it('a turn of another process is told of, and is not its own: nothing of it is printed or asked', async () => {
    const running = at.start(['chat', '--db', at.db, '--', ...at.agent()]);
    // Its agent is gone then, and with it the claim to the session.
    running.child.stdin?.write('crash\n');
    await running.saw('turn_outcome_unknown');
    for (const text of ['say theirs', 'ask permission']) expect((await at.prompt(text)).code).toBe(0);
    await running.saw('Another process');
    running.child.stdin?.end('say mine\n');
    const done = await running.done;
    expect([done.code, done.stdout]).toEqual([0, 'I am about to crash…\nmine\n']);
    expect(done.stderr.match(/Another process prompted this session; \/history shows it\./g)).toHaveLength(2);
    expect(done.stderr).not.toContain('permission');
    // Its own start and its own coming back.
    expect(done.stderr.match(/^\[\w+\] /gm)).toHaveLength(2);
  });

  it('Ctrl-C ends it when no turn runs: 130', async () => {
    const running = at.start(['chat', '--db', at.db, '--', ...at.agent()]);
    running.child.stdin?.write('say hi\n');
    await running.saw('hi\n');
    // The turn may still be ending, which one of them cancels then; its input stays open all the time.
    const again = setInterval(() => running.child.kill('SIGINT'), 300);
    expect((await running.done.finally(() => clearInterval(again))).code).toBe(130);
    expect(at.left()).toEqual([]);
  });

  it('SIGTERM ends it: 143, the turn interrupted', async () => {
    const running = at.start(['chat', '--db', at.db, '--', ...at.agent()]);
    running.child.stdin?.write('count to 5000\n');
    await running.saw('1 2 3');
    running.child.kill('SIGTERM');
    expect((await running.done).code).toBe(143);
    expect(at.left()).toEqual([]);
  });
});

const hasScript = spawnSync('script', ['--version']).status === 0;

describe.skipIf(!hasScript)('chat on a terminal', () => {
  /** The prompt with nothing typed behind it, ready for the next. */
  const PROMPT = '› \u001b[3G';
  /** `script` gives the command a terminal; what is written to its stdin is typed. */
  const terminal = (...words: readonly string[]) => {
    const command = [process.execPath, BIN, ...(words.length > 0 ? words : ['chat']), '--db', at.db, '--', ...at.agent()].join(' ');
    const child = spawn('script', ['-qefc', command, '/dev/null'], {
      cwd: at.directory,
      env: { ...process.env, NO_COLOR: '1', TERM: 'xterm' },
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    let screen = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (screen += text));
    return {
      type: (text: string) => child.stdin.write(text),
      shows: (text: string | RegExp) => expect.poll(() => screen).toMatch(text),
      forget: () => (screen = ''),
      code: new Promise((resolve) => child.on('close', resolve)),
    };
  };

  it('Ctrl-C cancels the turn and not the program; the arrow keys bring prompts back; a question is answered', async () => {
    const tty = terminal();
    await tty.shows(PROMPT);
    tty.type('count to 5000\r');
    await tty.shows('1 2 3');
    tty.forget();
    tty.type('\u0003');
    await tty.shows('cancelling');
    await tty.shows(PROMPT);
    tty.forget();
    tty.type('say still here\r');
    // A line of its own, which what was typed is not.
    await tty.shows('\nstill here\r\n');
    await tty.shows(PROMPT);
    tty.type('\u001b[A\u001b[A\r');
    await tty.shows('1 2 3');
    tty.forget();
    tty.type('\u0003');
    await tty.shows(PROMPT);
    tty.type('ask permission\r');
    await tty.shows('or Enter to refuse');
    tty.forget();
    tty.type('1\r');
    await tty.shows('Thank you. I did it.');
    await tty.shows(PROMPT);
    tty.type('\u0004');
    expect(await tty.code).toBe(0);
  });

  it('several lines that are pasted are one prompt, which Enter sends', async () => {
    const tty = terminal();
    await tty.shows(PROMPT);
    tty.type('\u001b[200~my cat is called Ada\rmy dog is called Argos\rand so on\u001b[201~');
    await tty.shows('and so on');
    tty.type('\u0003');
    await tty.shows(PROMPT);
    tty.forget();
    tty.type('\u001b[200~say one\rtwo\u001b[201~');
    await tty.shows('two');
    tty.type(' three\r');
    await tty.shows('\none\r\ntwo three\r\n');
    await tty.shows(PROMPT);
    tty.forget();
    tty.type('\u0004');
    expect(await tty.code).toBe(0);
    // The shell's own prompt begins a line, and its pastes are as they were.
    await tty.shows('\u001b[?2004l\r\n');
    const log = (await at.run(['history', 'main', '--db', at.db])).stdout;
    expect(log.match(/turn started/g)).toHaveLength(1);
  });

  it.each([['chat'], ['prompt', "'ask permission'"]])(
    'Ctrl-D at a question of %s refuses it, and the turn goes on to its end',
    async (...words) => {
      const tty = terminal(...words);
      if (words[0] === 'chat') {
        await tty.shows(PROMPT);
        tty.type('ask permission\r');
      }
      await tty.shows('or Enter to refuse');
      tty.type('\u0004');
      await tty.shows('You said no, so I did nothing.');
      expect(await tty.code).toBe(0);
    },
  );
});

describe('bridge', () => {
  it('tells its address first, carries an agent, and leaves nothing when it ends', async () => {
    const running = at.start([
      'bridge',
      '--json',
      '--origin',
      'https://example.org',
      '--cwd',
      at.directory,
      '--agent',
      `demo='${process.execPath}' "${AGENT}" --store '${at.store}'`,
    ]);
    await running.saw('}\n');
    const first = JSON.parse(running.stdout()) as { url: string; token: string; agents: string[] };
    expect(first).toEqual({
      url: expect.stringMatching(/^ws:\/\/127\.0\.0\.1:\d+$/),
      token: expect.stringMatching(/^[\w-]{43}$/),
      agents: ['demo'],
    });
    const socket = new WebSocket(`${first.url}/agents/demo`, ['acp.v1', `bearer.${first.token}`], { origin: 'https://example.org' });
    const answer = new Promise<string>((resolve, reject) => {
      socket.on('open', () => socket.send(JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'initialize', params: { protocolVersion: 1 } })));
      socket.on('message', (data) => resolve(String(data)));
      socket.on('error', reject);
    });
    expect(JSON.parse(await answer)).toMatchObject({ result: { agentInfo: { name: 'scripted-native' } } });
    const closed = new Promise((resolve) => socket.on('close', resolve));
    running.child.kill('SIGTERM');
    expect(await closed).toBe(4005);
    const done = await running.done;
    expect([done.code, done.lines.length]).toEqual([143, 1]);
    expect(at.left()).toEqual([]);
  });

  it.each([
    [['bridge'], /at least one agent/],
    [['bridge', '--agent', 'demo'], /NAME=COMMAND/],
    [['bridge', '--agent', 'demo= '], /has no command/],
    [['bridge', '--agent', `demo='open`], /not closed/],
    [['bridge', '--agent', 'a=x', '--agent', 'a=y'], /named twice/],
    [['bridge', '--agent', 'a=x', '--host', '0.0.0.0'], /other machines/],
    [['bridge', '--agent', 'a=x', '--origin', '*'], /origin/],
    [['bridge', '--agent', 'a=x', '--cwd', '/nope'], /working directory \/nope of the agent 'a' does not exist/],
    [['bridge', '--agent', 'a=x', '--cwd', '/dev/null'], /working directory \/dev\/null of the agent 'a' is not a directory/],
  ])('%j: exit 2, and why', async (args, why) => {
    const done = await at.run(args);
    expect(done.code).toBe(2);
    expect(done.stderr).toMatch(why);
  });
});
