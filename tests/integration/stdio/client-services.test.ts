import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { openNodeSqlite } from '../../../src/adapters/node-sqlite/index.ts';
import { nodeClientServices, stdioLauncher } from '../../../src/adapters/stdio/index.ts';
import { messageLine } from '../../../src/adapters/stdio/lines.ts';
import { sliceLines } from '../../../src/engine/protocol/fs-lines.ts';
import { createHost } from '../../../src/engine/index.ts';
import { ask, at, clientWorld } from './client-world.ts';

let [base, root, extra, outside] = ['', '', '', ''];
clientWorld();
beforeEach(() => {
  ({ base, root, extra, outside } = at);
});

const read = (file: string, more: object = {}): Promise<Record<string, unknown>> => ask('fs/read_text_file', { path: file, ...more });
const write = (file: string, content: string): Promise<Record<string, unknown>> => ask('fs/write_text_file', { path: file, content });

describe('files inside the session’s directories', () => {
  it('are read and written, in every root, with the directories they need', async () => {
    for (const directory of [root, extra]) {
      const file = path.join(directory, 'a/b/c é.txt');
      expect(await write(file, 'one\ntwo\n')).toEqual({});
      expect(await read(file)).toEqual({ content: 'one\ntwo\n' });
      expect(await write(file, 'x')).toEqual({});
      expect(readFileSync(file, 'utf8')).toBe('x');
    }
  });

  it('keep their mode and their other names', async () => {
    const file = path.join(root, 'script');
    writeFileSync(file, '#!');
    chmodSync(file, 0o755);
    linkSync(file, path.join(root, 'other'));
    await write(file, 'new');
    expect(statSync(file).mode & 0o777).toBe(0o755);
    expect(readFileSync(path.join(root, 'other'), 'utf8')).toBe('new');
  });

  it('are reached through links that stay inside', async () => {
    writeFileSync(path.join(extra, 'f'), 'here');
    symlinkSync(extra, path.join(root, 'link'));
    expect(await read(path.join(root, 'link/f'))).toEqual({ content: 'here' });
    await write(path.join(root, 'link/new'), 'n');
    expect(readFileSync(path.join(extra, 'new'), 'utf8')).toBe('n');
  });

  it('are given in parts, by line', async () => {
    const file = path.join(root, 'lines');
    writeFileSync(file, 'a\nb\r\nc\nd');
    expect(await read(file, { line: 2, limit: 2 })).toEqual({ content: 'b\r\nc' });
    expect(await read(file, { line: 4 })).toEqual({ content: 'd' });
    expect(await read(file, { line: 9, limit: 1 })).toEqual({ content: '' });
    expect(await read(file, { limit: 0 })).toEqual({ content: '' });
    expect(await read(file, { line: null, limit: null })).toEqual({ content: 'a\nb\r\nc\nd' });
    for (const more of [{ line: 0 }, { line: 1.5 }, { limit: -1 }, { line: '1' }])
      await expect(read(file, more)).rejects.toMatchObject({ code: -32602 });
    expect(sliceLines('', 1, 5)).toBe('');
  });
});

describe('a root that cannot be resolved', () => {
  it.each([
    ['is gone', () => path.join(root, 'gone')],
    ['lies below a file', () => path.join(outside, 'secret', 'below')],
    ['is a link in a circle', () => (symlinkSync('loop', path.join(root, 'loop')), path.join(root, 'loop'))],
    ['has a name that is too long', () => path.join(root, 'n'.repeat(300))],
  ])('%s: it holds nothing, and the others still count', async (_name, make) => {
    const broken = make();
    writeFileSync(path.join(extra, 'f'), 'here');
    for (const [cwd, other] of [
      [broken, extra],
      [extra, broken],
    ] as const) {
      const from = (method: string, params: object): Promise<unknown> =>
        at.services.handle({
          method,
          params: { ...params },
          sessionId: 's',
          cwd,
          additionalDirectories: [other],
          signal: new AbortController().signal,
        });
      expect(await from('fs/read_text_file', { path: path.join(extra, 'f') })).toEqual({ content: 'here' });
      expect(await from('fs/write_text_file', { path: path.join(extra, 'new'), content: 'x' })).toEqual({});
      await expect(from('fs/read_text_file', { path: path.join(outside, 'secret') })).rejects.toMatchObject({ code: -32602 });
    }
  });
});

describe('what exists outside them is not told', () => {
  const pairs: [string, (name: string) => string][] = [
    ['by its path', (name) => path.join(outside, name)],
    ['below it', (name) => path.join(outside, name, 'below')],
    ['deep below it', (name) => path.join(outside, name, 'a/b/c')],
    ['by a climb', (name) => `${root}/../outside/${name}`],
    ['by a name that is too long', (name) => path.join(outside, name, 'x'.repeat(300))],
    ['by a link', (name) => (symlinkSync(path.join(outside, name), path.join(root, `l-${name}`)), path.join(root, `l-${name}`))],
    ['below a link', (name) => (symlinkSync(path.join(outside, name), path.join(root, `b-${name}`)), path.join(root, `b-${name}`, 'x'))],
    ['by a relative link', (name) => (symlinkSync(`../outside/${name}`, path.join(root, `r-${name}`)), path.join(root, `r-${name}`))],
    [
      'by a link to a link',
      (name) => {
        symlinkSync(path.join(outside, name), path.join(extra, name));
        symlinkSync(path.join(extra, name), path.join(root, `ll-${name}`));
        return path.join(root, `ll-${name}`);
      },
    ],
    [
      'in a linked directory',
      (name) => (existsSync(path.join(root, 'd')) || symlinkSync(outside, path.join(root, 'd')), path.join(root, 'd', name)),
    ],
  ];
  it.each(pairs)('%s: a file, a directory and nothing at all are refused in the same words, to read and to write', async (_how, at) => {
    mkdirSync(path.join(outside, 'folder'));
    const answers = new Set<string>();
    for (const name of ['secret', 'folder', 'nothing']) {
      const asked = at(name);
      for (const act of [() => read(asked), () => write(asked, 'x')]) {
        const error = (await act().then(
          () => null,
          (reason: unknown) => reason,
        )) as { code: number; message: string };
        answers.add(`${error.code} ${error.message.replace(asked, 'PATH')}`);
      }
    }
    expect([...answers]).toEqual(["-32602 PATH is outside the session's directories."]);
    expect(readdirSync(outside).sort()).toEqual(['folder', 'secret']);
  });

  it('inside, a link in a circle and one to nothing still say what is wrong', async () => {
    symlinkSync(path.join(root, 'loop'), path.join(root, 'loop'));
    symlinkSync(path.join(root, 'new'), path.join(root, 'dangling'));
    await expect(read(path.join(root, 'loop'))).rejects.toMatchObject({ message: expect.stringContaining('circle') as string });
    await expect(write(path.join(root, 'dangling'), 'x')).rejects.toMatchObject({
      message: expect.stringContaining('not there') as string,
    });
    expect(existsSync(path.join(root, 'new'))).toBe(false);
  });
});

describe('nothing outside them', () => {
  const tricks: [string, () => string][] = [
    ['an absolute path', () => path.join(outside, 'secret')],
    ['a climb', () => `${root}/../outside/secret`],
    ['a climb from a directory that is not there', () => `${root}/no/../../outside/secret`],
    ['a neighbour whose name begins alike', () => `${root}-neighbour/secret`],
    ['a link', () => (symlinkSync(path.join(outside, 'secret'), path.join(root, 'l')), path.join(root, 'l'))],
    ['a linked directory', () => (symlinkSync(outside, path.join(root, 'd')), path.join(root, 'd/secret'))],
    [
      'a link to a link',
      () => (
        symlinkSync(outside, path.join(extra, 'd')),
        symlinkSync(path.join(extra, 'd'), path.join(root, 'e')),
        path.join(root, 'e/secret')
      ),
    ],
    ['a link in a circle', () => (symlinkSync('loop', path.join(root, 'loop')), path.join(root, 'loop'))],
    ['a device', () => '/dev/zero'],
    ['a linked device', () => (symlinkSync('/dev/zero', path.join(root, 'zero')), path.join(root, 'zero'))],
    ['this process’s environment', () => '/proc/self/environ'],
    ['a directory', () => root],
    ['a relative path', () => 'f'],
    ['a path with a NUL', () => `${root}/f\0`],
    ['another case of the root', () => `${root.toUpperCase()}/../outside/secret`],
  ];
  it.each(tricks)('%s', async (_name, make) => {
    const file = make();
    await expect(read(file)).rejects.toMatchObject({ code: -32602 });
    await expect(write(file, 'overwritten')).rejects.toMatchObject({ code: -32602 });
    expect(readFileSync(path.join(outside, 'secret'), 'utf8')).toBe('secret');
  });

  it('a climb behind a link: a path is what it says, not where its parts lead', async () => {
    symlinkSync(outside, path.join(root, 'd'));
    await expect(read(`${root}/d/../secret`)).rejects.toMatchObject({ code: -32002 });
    await expect(read(`${root}/d/../../outside/secret`)).rejects.toMatchObject({ code: -32602 });
  });

  it('a file that a dangling link would make', async () => {
    symlinkSync(path.join(outside, 'new'), path.join(root, 'dangling'));
    await expect(write(path.join(root, 'dangling'), 'x')).rejects.toMatchObject({ code: -32602 });
    expect(existsSync(path.join(outside, 'new'))).toBe(false);
  });

  it('directories that a link would lead to', async () => {
    symlinkSync(outside, path.join(root, 'd'));
    await expect(write(path.join(root, 'd/new/file'), 'x')).rejects.toMatchObject({ code: -32602 });
    expect(existsSync(path.join(outside, 'new'))).toBe(false);
  });

  it.skipIf(process.platform === 'win32')('a pipe, which would hold the host for ever', async () => {
    execFileSync('mkfifo', [path.join(root, 'pipe')]);
    await expect(read(path.join(root, 'pipe'))).rejects.toMatchObject({ code: -32602 });
    await expect(write(path.join(root, 'pipe'), 'x')).rejects.toMatchObject({ code: -32602 });
  });

  it('kernel files, even where the root is /', async () => {
    const params = { path: '/proc/self/environ' };
    const request = {
      method: 'fs/read_text_file',
      params,
      sessionId: 's',
      cwd: '/',
      additionalDirectories: [],
      signal: new AbortController().signal,
    };
    await expect(at.services.handle(request)).rejects.toMatchObject({ code: -32602 });
  });

  it('holds while links are swapped under its feet', async () => {
    const directory = path.join(root, 'swap');
    const link = path.join(root, 'swapped');
    mkdirSync(directory);
    writeFileSync(path.join(directory, 'secret'), 'mine');
    let running = true;
    const swapping = (async () => {
      while (running) {
        for (const target of [directory, outside]) {
          symlinkSync(target, `${link}.new`);
          renameSync(`${link}.new`, link);
          await new Promise((resolve) => setImmediate(resolve));
        }
      }
    })();
    const seen = new Set<unknown>();
    for (let turn = 0; turn < 300; turn += 1) {
      seen.add(
        await read(path.join(link, 'secret')).then(
          (answer) => answer['content'],
          (error: { code: number }) => error.code,
        ),
      );
      await write(path.join(link, 'secret'), 'mine').catch(() => undefined);
    }
    running = false;
    await swapping;
    expect([...seen].filter((value) => typeof value === 'string' && value !== 'mine' && value !== '')).toEqual([]);
    expect(readFileSync(path.join(outside, 'secret'), 'utf8')).toBe('secret');
  });
});

describe('what cannot be read says so', () => {
  it('a file that is not there', async () => {
    await expect(read(path.join(root, 'no'))).rejects.toMatchObject({ code: -32002, data: { path: path.join(root, 'no') } });
  });
  it('I10: a file over the limit, which is named', async () => {
    writeFileSync(path.join(root, 'big'), '');
    truncateSync(path.join(root, 'big'), 1_000_001);
    await expect(read(path.join(root, 'big'))).rejects.toMatchObject({ data: { limit: 'fileBytes' } });
    await expect(write(path.join(root, 'new'), 'x'.repeat(1_000_001))).rejects.toMatchObject({ data: { limit: 'fileBytes' } });
    expect(existsSync(path.join(root, 'new'))).toBe(false);
  });
  it('bytes that are no text', async () => {
    writeFileSync(path.join(root, 'bytes'), Buffer.from([0xff, 0xfe]));
    await expect(read(path.join(root, 'bytes'))).rejects.toMatchObject({ code: -32602 });
  });
});

describe('I10: no answer is too large for a message', () => {
  const size = (answer: unknown): number => Buffer.byteLength(messageLine({ jsonrpc: '2.0', id: 1, result: answer }));
  const mib = 1024 * 1024;

  it('a file that grows when it is encoded is refused, and read in parts', async () => {
    at.services = nodeClientServices();
    const file = path.join(root, 'f');
    const grows = [Buffer.alloc(8 * mib), Buffer.from('\u2028'.repeat(5.5 * mib)), Buffer.from('"'.repeat(16 * mib))];
    for (const bytes of grows) {
      writeFileSync(file, Buffer.concat([Buffer.from('one\n'), bytes.subarray(0, 16 * mib - 4)]));
      await expect(read(file)).rejects.toMatchObject({
        code: -32603,
        data: { limit: 'messageBytes' },
        message: expect.stringContaining('messageBytes') as string,
      });
      expect(await read(file, { limit: 1 })).toEqual({ content: 'one' });
    }
    for (const fits of ['x'.repeat(16 * mib), 'é'.repeat(8 * mib), '\0'.repeat(5 * mib)]) {
      writeFileSync(file, fits);
      expect((await read(file))['content']).toBe(fits);
    }
  });

  it('what is named in an error is shortened', async () => {
    const long = 'n'.repeat(12 * mib);
    const requests: [string, object][] = [
      ['fs/read_text_file', { path: path.join(root, long) }],
      ['fs/read_text_file', { path: path.join(outside, long) }],
      ['terminal/output', { terminalId: long }],
      ['terminal/create', { command: long }],
      ['terminal/create', { command: 'true', cwd: `/${long}` }],
    ];
    for (const [method, params] of requests) {
      const error = await ask(method, { ...params }).then(
        () => expect.unreachable(),
        (reason: { code: number; message: string; data: unknown }) => reason,
      );
      expect(size({ message: error.message, data: error.data })).toBeLessThan(64 * 1024);
      expect(error).toMatchObject({ code: expect.any(Number) as number, message: expect.stringContaining('n…') as string });
    }
  });

  it('a file of 8 MiB of NULs is answered with an error, and the turn goes on', async () => {
    const script = path.join(base, 'agent.mjs');
    writeFileSync(path.join(root, 'zeros'), '');
    truncateSync(path.join(root, 'zeros'), 8 * mib);
    writeFileSync(
      script,
      `import { createInterface } from 'node:readline';
      const send = (message) => process.stdout.write(JSON.stringify({ jsonrpc: '2.0', ...message }) + '\\n');
      let cwd, prompt;
      createInterface({ input: process.stdin }).on('line', (line) => {
        const { id, method, params, error } = JSON.parse(line);
        if (method === 'initialize') send({ id, result: { protocolVersion: 1, agentCapabilities: {} } });
        else if (method === 'session/new') (({ cwd } = params), send({ id, result: { sessionId: 'x' } }));
        else if (method === 'session/prompt') ((prompt = id), send({ id: 50, method: 'fs/read_text_file', params: { sessionId: 'x', path: cwd + '/zeros' } }));
        else if (id === 50) {
          send({ method: 'session/update', params: { sessionId: 'x', update: { sessionUpdate: 'agent_message_chunk', content: { type: 'text', text: JSON.stringify(error) } } } });
          send({ id: prompt, result: { stopReason: 'end_turn' } });
        }
      });`,
    );
    const database = await openNodeSqlite(':memory:');
    const host = await createHost({
      database,
      agents: stdioLauncher({ agents: { reads: { command: process.execPath, args: [script] } } }),
      client: nodeClientServices(),
    });
    const { sessionId } = await host.create({ agent: 'reads', cwd: root });
    expect(await host.prompt(sessionId, 'go')).toMatchObject({ stopReason: 'end_turn' });
    expect(JSON.stringify(await host.history(sessionId))).toContain('messageBytes');
    await host.sleep();
    await database.close();
  });
});

describe('only what is offered', () => {
  it('is advertised and answered', async () => {
    const cases: [object, object][] = [
      [{}, { fs: { readTextFile: true, writeTextFile: true }, terminal: true }],
      [
        { fs: 'read', terminal: false },
        { fs: { readTextFile: true, writeTextFile: false }, terminal: false },
      ],
      [{ fs: false }, { fs: { readTextFile: false, writeTextFile: false }, terminal: true }],
    ];
    for (const [options, capabilities] of cases) expect(nodeClientServices(options).capabilities).toEqual(capabilities);
    at.services = nodeClientServices({ fs: 'read', terminal: false });
    await expect(write(path.join(root, 'x'), '')).rejects.toMatchObject({ code: -32601 });
    await expect(ask('terminal/create', { command: 'true' })).rejects.toMatchObject({ code: -32601 });
    await expect(ask('session/other', {})).rejects.toMatchObject({ code: -32601 });
  });
});
