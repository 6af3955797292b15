import { readdirSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { BIN, build, BUILD_MS, errorOf, replyOf, scratch, tierOf } from './harness.ts';
import type { Scratch } from './harness.ts';

beforeAll(build, BUILD_MS);
let at: Scratch;
beforeEach(() => {
  at = scratch();
});
afterEach(() => {
  expect(at.left()).toEqual([]);
  at.remove();
});

describe('one session over several processes', () => {
  const tiers: readonly (readonly [variant: string, tier: string, source: string])[] = [
    ['native', 'resume', 'from my own memory of this session'],
    ['load', 'load', 'from my own memory of this session'],
    ['amnesiac', 'transcript', 'from the record in front of a prompt'],
    ['forgetful', 'transcript', 'from the record in front of a prompt'],
    ['no-embedded', 'transcript', 'from the record in front of a prompt'],
    ['liar', 'transcript', 'from the record in front of a prompt'],
  ];
  it.each(tiers.map(([variant, tier, source]) => ({ variant, tier, source })))(
    '$variant comes back as $tier and remembers',
    async ({ variant, tier, source }) => {
      const first = await at.prompt('my name is Ada', variant);
      expect([first.code, tierOf(first)]).toEqual([0, 'new']);
      const second = await at.prompt('what is my name?', variant);
      expect([second.code, tierOf(second)]).toEqual([0, tier]);
      expect(replyOf(second)).toBe(`Your name: Ada (${source}).`);
    },
  );

  it('--preamble file: the record is a private file outside the tree, which the agent reads, and goes with the session', async () => {
    await at.prompt('my name is Ada', 'amnesiac');
    const done = await at.prompt('what is my name?', 'amnesiac', '--preamble', 'file');
    expect(replyOf(done)).toBe('Your name: Ada (from the record in front of a prompt).');
    const files = () =>
      readdirSync(path.join(at.directory, 'state'), { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
    expect(files()).toHaveLength(1);
    const [file] = files();
    expect((statSync(path.join(file?.parentPath ?? '', file?.name ?? '')).mode & 0o777).toString(8)).toBe('600');
    await at.run(['delete', '--db', at.db, 'main']);
    expect(files()).toEqual([]);
  });

  it('a session may have a name that looks like an option: it is read and deleted after --', async () => {
    expect((await at.prompt('say hi', 'native', '--session=--x')).code).toBe(0);
    expect((await at.run(['history', '--db', at.db, '--', '--x'])).stdout).toContain('say hi');
    expect((await at.run(['transcript', '--db', at.db, '--', '--x'])).stdout).toContain('say hi');
    expect(await at.run(['delete', '--db', at.db, '--', '--x'])).toMatchObject({
      code: 0,
      stderr: 'Session --x and its record are gone.\n',
    });
    expect((await at.run(['sessions', '--db', at.db, '--json'])).lines).toEqual([]);
  });

  it('demo-agent is an agent to try things on, by the names of the playground', async () => {
    const prompt = (text: string, ...name: string[]) =>
      at.run(['prompt', '--db', at.db, text, '--', process.execPath, BIN, 'demo-agent', ...name, '--store', at.store]);
    expect(await prompt('my name is Ada')).toMatchObject({ code: 0, stderr: expect.stringContaining('[new]') });
    expect((await prompt('what is my name?')).stdout).toBe('Your name: Ada (from my own memory of this session).\n');
    expect((await prompt('what is my name?', 'forgetful')).stderr).toContain('[transcript]');
    expect(await at.run(['demo-agent', 'no-such'])).toMatchObject({ code: 2, stderr: expect.stringContaining('There are: native, load') });
  });

  it('text: the reply alone on stdout, the rest on stderr', async () => {
    const done = await at.run(['prompt', '--db', at.db, 'say hello there', '--', ...at.agent()]);
    expect(done).toMatchObject({ code: 0, stdout: 'hello there\n' });
    expect(done.stderr).toContain('[new] a new session of the agent');
    const files = await at.run(['prompt', '--db', at.db, 'list files', '--', ...at.agent()]);
    expect(files.stderr).toMatch(/· List \S+\n✓ List /);
  });

  it('JSON: the report, each event as stored, the result; history has the same lines', async () => {
    const done = await at.prompt('say hello');
    expect(done.lines.map((line) => line.type).filter((type, index, all) => type !== all[index - 1])).toEqual([
      'report',
      'event',
      'result',
    ]);
    expect(done.lines.at(-1)).toMatchObject({ type: 'result', stopReason: 'end_turn', turnId: expect.any(String) });
    const history = await at.run(['history', '--db', at.db, '--json', 'main']);
    const shown = done.stdout.split('\n').filter((line) => line.includes('"type":"event"'));
    expect(history.stdout.split('\n').slice(0, shown.length)).toEqual(shown);
    expect(history.lines.map((line) => line.event?.seq)).toEqual(history.lines.map((_, index) => index + 1));
    const some = await at.run(['history', '--db', at.db, '--json', '--after', '2', '--limit', '3', 'main']);
    expect(some.lines.map((line) => line.event?.seq)).toEqual([3, 4, 5]);
  });

  it('- reads the prompt from stdin', async () => {
    const done = await at.run(['prompt', '--db', at.db, '-', '--', ...at.agent()], { stdin: 'say from a pipe' });
    expect(done.stdout).toBe('from a pipe\n');
  });

  it('the command after -- may differ; relative files are meant from where they were typed', async () => {
    await at.prompt('my name is Ada', 'native');
    writeFileSync(
      path.join(at.directory, 'agent.mjs'),
      `process.argv.push('--store', ${JSON.stringify(at.store)}); await import(${JSON.stringify(new URL(`file://${at.agent()[1]}`).href)});\n`,
    );
    const done = await at.run(['prompt', '--db', at.db, '--json', 'what is my name?', '--', process.execPath, './agent.mjs']);
    expect([done.code, tierOf(done)]).toEqual([0, 'resume']);
    expect((await at.run(['sessions', '--db', at.db, '--json'])).stdout).not.toContain('--store');
  });

  it('modes and options are set first, and set again after every wake', async () => {
    const done = await at.prompt('settings', 'native', '--mode', 'brief', '--set', 'model=memo-large');
    expect(replyOf(done)).toContain('Mode: brief. Model: memo-large.');
    const again = await at.prompt('settings', 'native');
    expect(replyOf(again)).toContain('Mode: brief. Model: memo-large.');
    expect(again.lines[0]?.report?.settings.restored).toEqual(expect.arrayContaining(['mode', 'model']));
    expect(await at.prompt('settings', 'native', '--mode', 'none-such')).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/Its modes: .*\bbrief\b/),
    });
  });

  it('permissions: allow, reject, and without a terminal to ask on a rejection that says so', async () => {
    expect(replyOf(await at.prompt('ask permission', 'native', '--permission', 'allow'))).toBe('Thank you. I did it.');
    expect(replyOf(await at.prompt('ask permission', 'native', '--permission', 'reject'))).toBe('You said no, so I did nothing.');
    const asked = await at.prompt('ask permission', 'native');
    expect(replyOf(asked)).toBe('You said no, so I did nothing.');
    expect(asked.stderr).toContain('there is no terminal to ask on');
  });

  it('authentication: refused with the methods, then signed in', async () => {
    const refused = await at.prompt('say hi', 'auth');
    expect([refused.code, errorOf(refused)]).toEqual([1, 'auth_required']);
    expect(refused.stderr).toContain('demo');
    expect((await at.run(['sessions', '--db', at.db, '--json'])).lines).toEqual([]);
    const done = await at.prompt('say hi', 'auth', '--auth', 'demo');
    expect([done.code, replyOf(done)]).toEqual([0, 'hi']);
    expect(errorOf(await at.prompt('say hi', 'auth', '--auth', 'other'))).toBe('invalid_argument');
  });

  it('a transcript that nothing fits into says so', async () => {
    await at.prompt('say hi');
    const small = await at.run(['transcript', '--db', at.db, '--budget', '20', 'main']);
    expect([small.code, small.stdout]).toEqual([0, '']);
    expect(small.stderr).toContain('Nothing of session main fits into 20 bytes');
  });

  it('delete removes the session; what is not there is session_not_found', async () => {
    await at.prompt('say hi');
    expect((await at.run(['sessions', '--db', at.db])).stdout).toContain('main');
    expect((await at.run(['transcript', '--db', at.db, 'main'])).stdout).toContain('say hi');
    expect((await at.run(['delete', '--db', at.db, 'main'])).code).toBe(0);
    for (const command of ['delete', 'history', 'transcript']) {
      expect(await at.run([command, '--db', at.db, 'main'])).toMatchObject({
        code: 1,
        stderr: expect.stringContaining('session_not_found'),
      });
    }
  });

  it('the database is for this user alone, wherever the default puts it', async () => {
    const data = path.join(at.directory, 'data');
    const done = await at.run(['prompt', 'say hi', '--', ...at.agent()], { env: { XDG_DATA_HOME: data } });
    expect(done.code).toBe(0);
    const file = path.join(data, 'rehydrate', 'sessions.sqlite');
    expect((statSync(file).mode & 0o777).toString(8)).toBe('600');
    expect((statSync(path.dirname(file)).mode & 0o777).toString(8)).toBe('700');
    expect((await at.run(['sessions'], { env: { REHYDRATE_DB: file } })).stdout).toContain('main');
  });
});

describe('sessions as things to work with', () => {
  it('fork: the same conversation, up to an event, in a second session', async () => {
    await at.prompt('my name is Ada');
    const latest = (await at.run(['history', '--db', at.db, '--json', 'main'])).lines.length;
    await at.prompt('my name is Bob');
    expect(await at.run(['fork', '--db', at.db, '--after', String(latest), '--session', 'second', 'main'])).toMatchObject({
      code: 0,
      stdout: 'second\n',
    });
    expect(replyOf(await at.prompt('what is my name?', 'native', '--session', 'second'))).toContain('Ada');
    expect(replyOf(await at.prompt('what is my name?'))).toContain('Bob');
    expect((await at.run(['fork', '--db', at.db, 'main'])).stdout).toMatch(/^\S+\n$/);
  });

  it('export and import: the same history in another database; a torn file is refused by line', async () => {
    await at.prompt('my name is Ada \u2028 and on');
    const { stdout } = await at.run(['export', '--db', at.db, 'main']);
    const file = path.join(at.directory, 'session.jsonl');
    writeFileSync(file, stdout);
    const other = path.join(at.directory, 'new', 'other.sqlite');
    expect(await at.run(['import', '--db', other, file])).toMatchObject({ code: 0, stdout: 'main\n' });
    expect(await at.run(['import', '--db', other, '--session', 'again', '-'], { stdin: stdout })).toMatchObject({
      code: 0,
      stdout: 'again\n',
    });
    const events = async (db: string, id: string) => (await at.run(['history', '--db', db, '--json', id])).stdout;
    expect(await events(other, 'main')).toBe(await events(at.db, 'main'));
    const torn = await at.run(['import', '--db', other, '--session', 'torn', '-'], { stdin: stdout.slice(0, -40) });
    expect([torn.code, torn.stderr]).toEqual([2, expect.stringMatching(/Line \d/)]);
    expect(await at.run(['import', '--db', other, '/nope'])).toMatchObject({ code: 2 });
    expect((await at.run(['sessions', '--db', other, '--json'])).lines).toHaveLength(2);
  });

  it('search: messages with all the words, the latest first', async () => {
    await at.prompt('my dog is called Ada');
    await at.prompt('say the dog sleeps', 'native', '--session', 'other');
    const found = await at.run(['search', '--db', at.db, 'dog', 'ada']);
    expect([found.code, found.stdout]).toEqual([0, expect.stringMatching(/^main +\d+ {2}user: my dog is called Ada\n/m)]);
    expect(found.stdout).not.toContain('other');
    expect((await at.run(['search', '--db', at.db, '--json', 'sleeps'])).lines[0]).toMatchObject({
      type: 'hit',
      hit: { sessionId: 'other' },
    });
    expect(await at.run(['search', '--db', at.db, 'cat'])).toMatchObject({
      code: 0,
      stdout: '',
      stderr: expect.stringContaining('No message has all'),
    });
  });
});

describe('I5: the same idempotency key', () => {
  it('gives the stored result and sends nothing; other content conflicts', async () => {
    const first = await at.prompt('say once', 'native', '--idempotency-key', 'k');
    const again = await at.prompt('say once', 'native', '--idempotency-key', 'k');
    expect([again.code, again.lines.at(-1)]).toEqual([0, { ...first.lines.at(-1), repeated: true }]);
    const text = await at.run(['prompt', '--db', at.db, '--idempotency-key', 'k', 'say once', '--', ...at.agent()]);
    expect(text.stdout).toBe('once\n');
    expect(errorOf(await at.prompt('say twice', 'native', '--idempotency-key', 'k'))).toBe('idempotency_conflict');
    const history = await at.run(['history', '--db', at.db, '--json', 'main']);
    expect(history.lines.filter((line) => line.event?.kind === 'turn_started')).toHaveLength(1);
  });
});

describe('resume failures', () => {
  it.each([
    ['forgetful', 'strict', 3, 'session_not_resumable'],
    ['unknown:opaque-no-list', 'auto', 3, 'resume_indeterminate'],
    ['unknown:opaque-but-listed', 'auto', 3, 'resume_indeterminate'],
    ['busy', 'auto', 4, 'session_busy'],
  ])('%s under %s: exit %i, %s, and the record stays', async (variant, policy, code, error) => {
    await at.prompt('my name is Ada', variant);
    const done = await at.prompt('what is my name?', variant, '--policy', policy);
    expect([done.code, errorOf(done)]).toEqual([code, error]);
    expect(at.left()).toEqual([]);
    const after = await at.prompt('what is my name?', 'amnesiac');
    expect(replyOf(after)).toContain('Ada');
  });
});

describe('secrets', () => {
  const CANARY = 'canary-4f1d9c7e';

  it('values of --env reach the agent and nothing on disk or screen', async () => {
    const done = await at.run(['prompt', '--db', at.db, '--json', '--env', 'MY_TOKEN', 'env MY_TOKEN', '--', ...at.agent()], {
      env: { MY_TOKEN: CANARY },
    });
    expect(done.code).toBe(0);
    expect(replyOf(done)).toBe('[secret MY_TOKEN]');
    const dump = await at.run(['history', '--db', at.db, '--json', 'main']);
    expect(dump.stdout + done.stdout).not.toContain(CANARY);
  });

  it('values of MCP servers come back from the file or the environment, and are nowhere on disk', async () => {
    const file = path.join(at.directory, 'mcp.json');
    writeFileSync(
      file,
      JSON.stringify({
        mcpServers: {
          notes: { command: '/bin/true', env: { NOTES_KEY: CANARY } },
          web: { url: 'https://web.invalid', headers: { Authorization: `Bearer ${CANARY}` } },
        },
      }),
    );
    const first = await at.prompt('mcp', 'native', '--mcp', file);
    expect(replyOf(first)).toContain('[secret NOTES_KEY]');
    const again = await at.prompt('mcp', 'native', '--mcp', file);
    expect([tierOf(again), replyOf(again)]).toEqual(['resume', replyOf(first)]);
    const dump = await at.run(['history', '--db', at.db, '--json', 'main']);
    expect(dump.stdout).not.toContain(CANARY);
    const missing = await at.prompt('mcp', 'native');
    expect([missing.code, errorOf(missing)]).toEqual([1, 'secret_missing']);
    expect(missing.stderr).toMatch(/NOTES_KEY.*Authorization.*Set NOTES_KEY in the environment.*Give Authorization again.*--mcp FILE/);
  });

  it('a server that changes does so whole, and one that is left out is gone: no value goes to a place it was not given for', async () => {
    const file = path.join(at.directory, 'mcp.json');
    const give = (servers: object) => writeFileSync(file, JSON.stringify({ mcpServers: servers }));
    give({ notes: { command: '/bin/true', env: { NOTES_KEY: 'first' } }, web: { url: 'https://web.invalid' } });
    await at.prompt('mcp', 'native', '--mcp', file);
    give({ notes: { command: '/bin/false', env: { NOTES_KEY: CANARY } } });
    const changed = await at.prompt('mcp', 'native', '--mcp', file);
    expect(changed.stderr).toContain('has other MCP servers from now on: notes');
    expect(replyOf(changed)).toBe('notes: NOTES_KEY=[secret NOTES_KEY]');
    const stored = (await at.run(['sessions', '--db', at.db, '--json'])).stdout;
    expect(stored).toContain('/bin/false');
    expect(stored).not.toMatch(/\/bin\/true|web\.invalid/);
    expect((await at.prompt('mcp', 'native', '--mcp', file)).stderr).not.toContain('other MCP servers');
    give({});
    expect((await at.prompt('say hi', 'native', '--mcp', file)).stderr).toContain('has other MCP servers from now on: none');
    // Nothing is needed for what is gone.
    expect(await at.prompt('say hi')).toMatchObject({ code: 0 });
  });

  it('one that only a later call names is redacted as well', async () => {
    await at.prompt('say hi');
    const done = await at.run(['prompt', '--db', at.db, '--json', '--env', 'MY_TOKEN', 'env MY_TOKEN', '--', ...at.agent()], {
      env: { MY_TOKEN: CANARY },
    });
    expect([done.code, done.stdout.includes(CANARY), done.stdout.includes('[secret MY_TOKEN]')]).toEqual([0, false, true]);
  });

  it('one that is missing is named before anything starts, at create and at resume', async () => {
    const created = await at.run(['prompt', '--db', at.db, '--json', '--env', 'MY_TOKEN', 'say hi', '--', ...at.agent()]);
    expect([created.code, errorOf(created)]).toEqual([1, 'secret_missing']);
    expect(created.stderr).toContain('MY_TOKEN');
    await at.run(['prompt', '--db', at.db, '--env', 'MY_TOKEN', 'say hi', '--', ...at.agent()], { env: { MY_TOKEN: CANARY } });
    const resumed = await at.prompt('say hi');
    expect([resumed.code, errorOf(resumed)]).toEqual([1, 'secret_missing']);
  });
});
