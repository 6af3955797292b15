/** Each wrong call gives its code, an exit code, words on what to do, and leaves no process and no half-written row. */
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { DEFAULT_LIMITS } from '../../../src/engine/index.ts';
import { BIN, build, BUILD_MS, errorOf, replyOf, scratch } from './harness.ts';
import type { Done, Scratch } from './harness.ts';

beforeAll(build, BUILD_MS);
let at: Scratch;
beforeEach(() => {
  at = scratch();
});
afterEach(() => {
  expect(at.left()).toEqual([]);
  at.remove();
});

const node = (script: string) => [process.execPath, '-e', script];
const run = (words: readonly string[], ...options: string[]) =>
  at.run(['prompt', '--db', at.db, '--json', ...options, 'say hi', '--', ...words]);

async function nothingWritten(done: Done): Promise<void> {
  expect(at.left()).toEqual([]);
  expect(done.lines.filter((line) => line.type !== 'error')).toEqual([]);
  if (existsSync(at.db)) expect((await at.run(['sessions', '--db', at.db, '--json'])).lines).toEqual([]);
}

describe('agents that do not work', () => {
  it('a command that does not exist', async () => {
    const done = await run(['no-such-agent-anywhere', '--acp']);
    expect([done.code, errorOf(done)]).toEqual([1, 'agent_start_failed']);
    expect(done.stderr).toContain('no-such-agent-anywhere');
    await nothingWritten(done);
  });

  it('a command that exits at once, with its last words', async () => {
    const done = await run(node('console.error("no licence found"); process.exit(3)'));
    expect([done.code, ['agent_exited', 'agent_start_failed'].includes(errorOf(done) ?? '')]).toEqual([1, true]);
    expect(done.stderr).toContain('no licence found');
    expect(done.stderr).toMatch(/code 3/);
    await nothingWritten(done);
  });

  it('a command that prints rubbish and exits', async () => {
    const done = await run(node('console.log("Welcome! Loading plugins…"); process.exit(0)'));
    expect([done.code, ['agent_exited', 'agent_start_failed', 'agent_protocol_error'].includes(errorOf(done) ?? '')]).toEqual([1, true]);
    expect(done.stderr).toContain('Loading plugins');
    await nothingWritten(done);
  });

  it('rubbish between messages is no harm', async () => {
    const done = await at.prompt('say hi', 'garbage');
    expect([done.code, replyOf(done)]).toEqual([0, 'hi']);
  });

  /** An agent that answers a prompt so. */
  function answering(prompt: string): string[] {
    const script = path.join(at.directory, 'agent.cjs');
    writeFileSync(
      script,
      `
const say = (text) => process.stdout.write(text + '\\n');
require('node:readline').createInterface({ input: process.stdin }).on('line', (line) => {
  const { id, method } = JSON.parse(line);
  const answer = (result) => say(JSON.stringify({ jsonrpc: '2.0', id, result }));
  if (method === 'initialize') answer({ protocolVersion: 1, agentCapabilities: {} });
  if (method === 'session/new') answer({ sessionId: 's1' });
  if (method === 'session/prompt') { ${prompt} }
});`,
    );
    return [process.execPath, script];
  }

  it.each([[['--json']], [[]]])('%j: a line that was meant as a message and is none is told on stderr', async (options) => {
    const lost = `{"jsonrpc":"2.0","method":"session/update","params":{"x":NaN}}`;
    const done = await at.run([
      'prompt',
      '--db',
      at.db,
      ...options,
      'hi',
      '--',
      ...answering(`say('${lost}'); answer({ stopReason: 'end_turn' });`),
    ]);
    expect([done.code, done.stderr]).toEqual([0, expect.stringContaining(lost)]);
    expect(done.stderr).toContain(
      'A line of the agent’s output was not one JSON-RPC message and could not be read, so words of it may be missing',
    );
  });

  it.each(['error', ''])('a stop reason that ACP does not have (%j) is told, and exit 1; the session goes on', async (stopReason) => {
    const agent = answering(`answer({ stopReason: '${stopReason}' });`);
    for (const options of [['--json'], []]) {
      const done = await at.run(['prompt', '--db', at.db, ...options, 'hi', '--', ...agent]);
      expect([done.code, done.stderr]).toEqual([1, expect.stringContaining('which ACP does not have')]);
    }
  });

  it.each([['hang-initialize'], ['hang-new']])('%s: given up after --timeout', async (variant) => {
    const done = await at.prompt('say hi', variant, '--timeout', '1');
    expect([done.code, errorOf(done)]).toEqual([1, 'agent_timeout']);
    expect(done.stderr).toContain('--timeout SECONDS raises the limit');
    await nothingWritten(done);
  });

  it('a command that never answers initialize is given up by Ctrl-C, and leaves nothing', async () => {
    const running = at.start(['prompt', '--db', at.db, '--json', 'say hi', '--', ...at.agent('hang-initialize')]);
    await expect.poll(() => at.left().filter((line) => line.includes('hang-initialize')).length).toBeGreaterThan(1);
    running.child.kill('SIGINT');
    const done = await running.done;
    expect(done.code).toBe(130);
    expect(at.left()).toEqual([]);
    expect((await at.run(['sessions', '--db', at.db, '--json'])).lines).toEqual([]);
  });

  it('a working directory that is gone, at create and at resume', async () => {
    const directory = path.join(at.directory, 'project');
    const never = await run(at.agent(), '--cwd', directory);
    expect([never.code, errorOf(never)]).toEqual([1, 'cwd_missing']);
    expect(never.stderr).toContain(directory);
    await nothingWritten(never);
    mkdirSync(directory);
    await run(at.agent(), '--cwd', directory);
    rmSync(directory, { recursive: true });
    const later = await run(at.agent());
    expect([later.code, errorOf(later)]).toEqual([1, 'cwd_missing']);
    const same = await run(at.agent(), '--cwd', `${directory}/`);
    expect([same.code, errorOf(same), same.stderr]).toEqual([1, 'cwd_missing', expect.not.stringContaining('from now on')]);
    const history = await at.run(['history', '--db', at.db, '--json', 'main']);
    expect(history.lines.filter((line) => line.event?.kind === 'turn_started')).toHaveLength(1);
    // A new one goes in its place.
    const next = await run(at.agent(), '--cwd', at.directory);
    expect([next.code, replyOf(next)]).toEqual([0, 'hi']);
    expect(next.stderr).toContain(`works in ${at.directory} from now on`);
  });
});

describe('places that are gone', () => {
  it('the directory of the call itself', async () => {
    for (const [command, ...words] of [
      ['prompt', 'hi', '--', ...at.agent()],
      ['sessions', '--db', 'a.sqlite'],
      ['doctor', '--no-prompt', '--', ...at.agent()],
      ['bridge', '--agent', 'a=x'],
    ]) {
      const gone = path.join(at.directory, 'gone');
      mkdirSync(gone);
      const call = `cd '${gone}' && rmdir '${gone}' && exec "$@"`;
      const { status, stderr } = spawnSync('sh', ['-c', call, 'sh', process.execPath, BIN, command ?? '', ...words], { encoding: 'utf8' });
      expect([command, status, stderr]).toEqual([
        command,
        1,
        'rehydrate: cwd_missing: The directory in which rehydrate was called is gone. Call it in one that exists.\n',
      ]);
    }
  });

  it('the one for scratch directories', async () => {
    const done = await at.run(['doctor', '--json', '--no-prompt', '--', ...at.agent()], {
      env: { TMPDIR: path.join(at.directory, 'none') },
    });
    expect([done.code, errorOf(done)]).toEqual([1, 'cwd_missing']);
    expect(done.stderr).toContain('Set $TMPDIR');
  });
});

describe('calls that are wrong', () => {
  it.each([[''], ['  \n']])('an empty prompt (%j)', async (text) => {
    const done = await at.prompt(text);
    expect([done.code, errorOf(done)]).toEqual([2, 'invalid_argument']);
    expect(existsSync(at.db)).toBe(false);
    const piped = await at.run(['prompt', '--db', at.db, '--json', '-', '--', ...at.agent()], { stdin: text });
    expect([piped.code, errorOf(piped)]).toEqual([2, 'invalid_argument']);
  });

  it('usage errors say what to do, on stderr and as a JSON line', async () => {
    const done = await at.run(['prompt', '--json', '--sesion', 'x', 'hi', '--', 'agent']);
    expect([done.code, errorOf(done)]).toEqual([2, 'invalid_argument']);
    expect(done.stderr).toContain('Did you mean --session?');
    expect(done.stderr).toContain('rehydrate help prompt');
    expect(await at.run(['prompt', 'hi', '--', 'agent', '--json', '--nonsense'])).toMatchObject({ stdout: '' });
  });

  it('a prompt that is no UTF-8', async () => {
    const running = at.start(['prompt', '--db', at.db, '-', '--', ...at.agent()]);
    running.child.stdin?.end(Buffer.from([0x68, 0x69, 0xff]));
    expect(await running.done).toMatchObject({ code: 2, stderr: expect.stringContaining('is not UTF-8') });
    const file = path.join(at.directory, 'latin1.jsonl');
    writeFileSync(file, Buffer.from([0x7b, 0xff, 0x7d]));
    expect(await at.run(['import', '--db', at.db, file])).toMatchObject({ code: 2, stderr: expect.stringContaining('cannot be read') });
  });

  it('a directory for a database', async () => {
    expect(await at.run(['sessions', '--db', at.directory])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('it is a directory'),
    });
  });

  it('a session keeps its directory; wanting another is told', async () => {
    await at.prompt('say hi');
    const moved = await run(at.agent(), '--cwd', '/');
    expect([moved.code, errorOf(moved)]).toEqual([2, 'invalid_argument']);
  });

  it('an MCP file that is none', async () => {
    const file = path.join(at.directory, 'mcp.json');
    writeFileSync(file, '[');
    const done = await run(at.agent(), '--mcp', file);
    expect([done.code, errorOf(done)]).toEqual([2, 'invalid_argument']);
    await nothingWritten(done);
  });
});

describe('an editor that has said all', () => {
  const line = (id: number, method: string, params: object) => `${JSON.stringify({ jsonrpc: '2.0', id, method, params })}\n`;
  const initialize = line(1, 'initialize', { protocolVersion: 1 });
  const answers = (stdout: string) =>
    stdout
      .trim()
      .split('\n')
      .map((each) => JSON.parse(each) as { id?: number; result?: Record<string, unknown> })
      .filter(({ id, result }) => id !== undefined && result !== undefined);

  it('is answered before acp ends; a prompt that runs is cancelled', async () => {
    const acp = ['acp', '--db', at.db, '--agent', 'demo', '--', ...at.agent()];
    const made = await at.run(acp, { stdin: initialize + line(2, 'session/new', { cwd: at.directory, mcpServers: [] }) });
    expect(made.code).toBe(0);
    const [one, two] = answers(made.stdout);
    expect([one?.id, two?.id]).toEqual([1, 2]);
    const { sessionId } = two?.result as { sessionId: string };
    const prompt = line(2, 'session/prompt', { sessionId, prompt: [{ type: 'text', text: 'count to 5000' }] });
    const done = await at.run(acp, { stdin: initialize + prompt });
    expect(done.code).toBe(0);
    expect(answers(done.stdout).find(({ id }) => id === 2)?.result).toMatchObject({ stopReason: 'cancelled' });
  });
});

describe('I10: a frame of an editor that is larger than a message may be', () => {
  it.each(['acp', 'acp --connect'])('%s: ends with the limit’s name, and not as if the editor had gone', async (which) => {
    const frame = `{"jsonrpc":"2.0","id":1,"method":"session/list","params":{"x":"${'x'.repeat(DEFAULT_LIMITS.messageBytes)}"}}\n`;
    const server = which === 'acp' ? null : await at.serve(at.agent());
    const done = await at.run(server?.editor ?? ['acp', '--db', at.db, '--', ...at.agent()], { stdin: frame });
    server?.running.child.kill('SIGTERM');
    await server?.running.done;
    expect(done).toMatchObject({ code: 1, stdout: '' });
    expect(done.stderr).toMatch(/messageBytes \(33554432 bytes\).* Start the client again/);
  });
});

describe('a token that cannot be written', () => {
  it('leaves no file, which the next start would take for one', () => {
    const file = path.join(at.directory, 'token');
    // A file that may have no content fails as on a full disk, once it is made.
    const serve = [process.execPath, BIN, 'serve', '--db', ':memory:', '--token-file', file, '--agent', 'a=agent'];
    const done = spawnSync('sh', ['-c', `trap '' XFSZ; ulimit -f 0; exec ${serve.map((word) => `'${word}'`).join(' ')}`], {
      encoding: 'utf8',
    });
    expect([done.status, done.stderr]).toEqual([2, expect.stringContaining(`The token file ${file} cannot be used: EFBIG`)]);
    expect(existsSync(file)).toBe(false);
  });
});

describe('databases that cannot be used', () => {
  it('another program’s is refused by its name and a table of it, and is left as it is', async () => {
    const { DatabaseSync } = await import('node:sqlite');
    const database = new DatabaseSync(at.db);
    database.exec('CREATE TABLE notes (id)');
    database.close();
    const before = readFileSync(at.db);
    for (const words of [['sessions'], ['history', 'main'], ['delete', 'main']]) {
      const done = await at.run([...words.slice(0, 1), '--db', at.db, ...words.slice(1)]);
      expect(done).toMatchObject({
        code: 2,
        stderr: expect.stringContaining(`The database ${at.db} belongs to another program: it has the table "notes"`),
      });
    }
    expect([(await run(at.agent())).code, readFileSync(at.db).equals(before)]).toEqual([2, true]);
    const own = new DatabaseSync(at.db);
    own.exec('PRAGMA user_version = 3');
    own.close();
    expect((await at.run(['sessions', '--db', at.db])).stderr).toContain(`The database ${at.db} belongs to another program`);
  });

  it('a file that is no database is left as it is', async () => {
    writeFileSync(at.db, 'these are my notes, not a database. '.repeat(100));
    const done = await run(at.agent());
    expect([done.code, errorOf(done)]).toEqual([1, 'database_corrupt']);
    expect(done.stderr.match(/Nothing was changed/g)).toHaveLength(1);
    expect(readFileSync(at.db, 'utf8')).toContain('my notes');
    expect(at.left()).toEqual([]);
  });

  it('one from a newer version is refused, untouched', async () => {
    await at.prompt('say hi');
    const { DatabaseSync } = await import('node:sqlite');
    const database = new DatabaseSync(at.db);
    database.exec('PRAGMA user_version = 999');
    database.close();
    const before = readFileSync(at.db);
    const done = await run(at.agent());
    expect([done.code, errorOf(done)]).toEqual([1, 'database_too_new']);
    expect(done.stderr).toContain(`The database ${at.db} has schema version 999`);
    expect(readFileSync(at.db).equals(before)).toBe(true);
  });

  /** What a call says of a database that cannot be used, in text and as JSON, whichever call it is. */
  const told = async (file: string, what: RegExp) => {
    const words = (command: string): string[] =>
      command === 'prompt' || command === 'chat'
        ? [command, '--db', file, ...(command === 'prompt' ? ['hi'] : []), '--', ...at.agent()]
        : [command, '--db', file, ...(command === 'sessions' ? [] : ['main'])];
    const json = at.run(['prompt', '--json', ...words('prompt').slice(1)]);
    await Promise.all(
      ['prompt', 'chat', 'sessions', 'history', 'transcript', 'delete', 'import'].map(async (command) => {
        const done = await at.run(words(command));
        expect([command, done.code]).toEqual([command, 1]);
        expect(done.stderr).toMatch(what);
        expect(done.stderr).toContain(`The database ${file} cannot be used: `);
        expect(done.stderr).not.toMatch(/^ +at |\.\./m);
      }),
    );
    const done = await json;
    expect([done.code, done.lines]).toEqual([
      1,
      [
        {
          type: 'error',
          code: 'storage_unavailable',
          message: expect.stringMatching(what) as string,
          data: { file, kind: expect.any(String) as string },
        },
      ],
    ]);
  };

  it('one that another process keeps locked, with sessions in it or empty', async () => {
    const { DatabaseSync } = await import('node:sqlite');
    const empty = path.join(at.directory, 'empty.sqlite');
    await at.prompt('say hi');
    const holders = [at.db, empty].map((file) => new DatabaseSync(file));
    holders[0]?.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE');
    holders[1]?.exec('BEGIN IMMEDIATE');
    await Promise.all(
      [at.db, empty].map((file) => told(file, /database is locked\. Another process keeps it locked; try again, or end that process\./)),
    );
    for (const holder of holders) holder.close();
  });

  /** Nothing is closed to root, so that a call is another user's then. */
  const asAnother = (context: { skip(why: string): void }, env: NodeJS.ProcessEnv) => {
    const nobody = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};
    chmodSync(at.directory, 0o755);
    const run = (words: readonly string[]) =>
      spawnSync(process.execPath, [BIN, ...words], { ...nobody, env: { PATH: process.env['PATH'], ...env }, cwd: '/', encoding: 'utf8' });
    const help = run(['--version']);
    if (help.status !== 0) context.skip(`another user cannot run the command here: ${help.error?.message ?? help.stderr}`);
    return run;
  };

  it('one that may not be looked at is not said to be missing', (context) => {
    const closed = path.join(at.directory, 'closed');
    const file = path.join(closed, 's.sqlite');
    mkdirSync(closed, { mode: process.getuid?.() === 0 ? 0o700 : 0 });
    const run = asAnother(context, { REHYDRATE_DB: file });
    for (const words of [['sessions'], ['history', 'main'], ['transcript', 'main'], ['delete', 'main']]) {
      const done = run(words);
      expect([words[0], done.status]).toEqual([words[0], 1]);
      expect(done.stderr).toContain(`rehydrate: storage_unavailable: The database ${file} cannot be used: EACCES: permission denied`);
    }
    chmodSync(closed, 0o700);
  });

  it('one that may only be read is read, in a directory that may not be written; to delete from it is refused', async (context) => {
    await at.prompt('say hi');
    chmodSync(at.db, 0o444);
    const run = asAnother(context, { REHYDRATE_DB: at.db });
    if (process.getuid?.() !== 0) chmodSync(at.directory, 0o555);
    expect(run(['sessions'])).toMatchObject({ status: 0, stdout: expect.stringContaining('main') });
    expect(run(['history', 'main'])).toMatchObject({ status: 0, stdout: expect.stringContaining('user: say hi') });
    expect(run(['transcript', 'main'])).toMatchObject({ status: 0, stdout: expect.stringContaining('say hi') });
    expect(run(['search', 'hi'])).toMatchObject({ status: 0, stdout: expect.stringContaining('user: say hi') });
    expect(run(['export', 'main'])).toMatchObject({ status: 0, stdout: expect.stringContaining('say hi') });
    expect(run(['delete', 'main'])).toMatchObject({ status: 1, stderr: expect.stringContaining('storage_unavailable') });
    chmodSync(at.directory, 0o755);
    expect((await at.run(['history', '--db', at.db, 'main'])).stdout).toContain('user: say hi');
  });

  it('a file that cannot hold one', async () => {
    await told('/dev/null', /disk I\/O error\. Check that the path is right/);
  });

  it('a place that cannot be written to', async () => {
    writeFileSync(at.store, '');
    const done = await at.run(['prompt', '--db', path.join(at.store, 's.sqlite'), '--json', 'hi', '--', ...at.agent()]);
    expect([done.code, errorOf(done)]).toEqual([1, 'storage_unavailable']);
    expect(done.stderr).toContain(path.join(at.store, 's.sqlite'));
    expect((await at.run(['prompt', '--db', '/proc/nowhere/s.sqlite', 'hi', '--', ...at.agent()])).code).toBe(1);
    const agent = [process.execPath, BIN, 'demo-agent', '--store', '/proc/nowhere/store'];
    const told = await at.run(['prompt', '--db', at.db, 'hi', '--', ...agent]);
    expect([told.code, told.stderr]).toEqual([1, expect.stringContaining("mkdir '/proc/nowhere'")]);
  });

  it.each([
    ['a database', `openHost('/proc/nowhere/s.sqlite', { agents: {} })`, /^storage_unavailable.* ENOENT: .* mkdir '\/proc\/nowhere'/],
    ['preambles', `preambleFiles({ directory: '/proc/nowhere' }).write('s', 'x')`, /^ENOENT .*mkdir '\/proc\/nowhere'/],
  ])('directories that nobody can make, for %s of a program', (_name, call, told) => {
    const entry = path.join(path.dirname(BIN), '../adapters/node-host/index.js');
    const script = `import { openHost, preambleFiles } from '${entry}'; await ${call}.catch((error) => console.log(error.code, error.message));`;
    const done = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8', timeout: 30_000 });
    expect([done.status, done.stdout]).toEqual([0, expect.stringMatching(told)]);
  });
});
