import { describe, expect, it } from 'vitest';
import { closeFrame } from '../../../src/bridge/index.ts';
import { framesOf, textFrame } from '../../../src/bridge/frames.ts';
import { checkOrigin, hostNames, isLoopback } from '../../../src/bridge/options.ts';
import type { AgentExit } from '../../../src/engine/ports.ts';

/** The texts of a run of unmasked frames. */
function readFrames(frames: Buffer): string[] {
  const texts: string[] = [];
  for (let at = 0; at < frames.length;) {
    expect(frames[at]).toBe(0x81);
    let length = frames[at + 1]!;
    at += 2;
    if (length === 126) {
      length = frames.readUInt16BE(at);
      at += 2;
    } else if (length === 127) {
      length = Number(frames.readBigUInt64BE(at));
      at += 8;
    }
    texts.push(frames.toString('utf8', at, at + length));
    at += length;
  }
  return texts;
}

const message = (text: string): string => JSON.stringify({ jsonrpc: '2.0', method: 'm', params: { text } });

describe('framesOf', () => {
  it('makes one frame of each message and leaves out what is none', () => {
    const rejected: string[] = [];
    const lines = [
      message('a'),
      'noise',
      '',
      message('é'.repeat(100)),
      '[1]',
      `  ${message('spaces')}  \r`,
      '{"level":30}',
      message('x'.repeat(70_000)),
      '{"jsonrpc":"2.0","me\\u0074hod":"m"}',
    ];
    const out = framesOf(Buffer.from(`${lines.join('\n')}\n`), (line) => rejected.push(line.toString()));
    expect(readFrames(out!)).toEqual([lines[0], lines[3], `${lines[5]!.trimEnd()}`, lines[7], lines[8]].map((text) => text!.trimEnd()));
    expect(rejected).toEqual(['noise', '[1]', '{"level":30}']);
  });

  it.each([1, 3, 1_000])('has room for %i of the shortest messages there are', (count) => {
    const lines = Array.from({ length: count }, () => '{"jsonrpc":"2.0","method":""}');
    expect(readFrames(framesOf(Buffer.from(lines.join('\n')), () => undefined)!)).toEqual(lines);
  });

  it('writes into the room it is given, and not beyond it', () => {
    const lines = [message('a'), message('b'.repeat(200)), message('c')];
    const block = Buffer.from(`${lines.join('\n')}\n`);
    for (const [room, into] of [
      [Buffer.alloc(1_000), true],
      [Buffer.alloc(block.length - 1), false],
    ] as const) {
      const out = framesOf(block, () => undefined, false, room)!;
      expect(readFrames(out)).toEqual(lines);
      expect(out.buffer === room.buffer).toBe(into);
      if (!into) expect(room.every((byte) => byte === 0)).toBe(true);
    }
  });

  it.each([0, 1, 125, 126, 127, 65_535, 65_536, 70_000])('writes a length of %i', (length) => {
    expect(readFrames(textFrame('x'.repeat(length)))).toEqual(['x'.repeat(length)]);
  });
});

describe('closeFrame', () => {
  const id = 'c'.repeat(43);
  const exits: [AgentExit, number, object][] = [
    [{ kind: 'ended', code: 0, signal: null }, 1000, { code: 0, signal: null }],
    [{ kind: 'quit', code: 0, signal: null }, 4006, { code: 0, signal: null }],
    [{ kind: 'failed', code: 3, signal: null }, 4001, { code: 3, signal: null }],
    [{ kind: 'signalled', code: null, signal: 'SIGSEGV' }, 4002, { code: null, signal: 'SIGSEGV' }],
    [{ kind: 'killed', code: 0, signal: 'SIGTERM' }, 4002, { code: null, signal: 'SIGTERM' }],
    [{ kind: 'not_started', code: null, signal: null, message: 'x' }, 4003, { code: null, signal: null }],
  ];
  it.each(exits)('I8: %o', (exit, code, reason) => {
    const frame = closeFrame({ kind: 'exit', exit }, id);
    expect(frame.code).toBe(code);
    expect(JSON.parse(frame.reason)).toEqual({ ...reason, connection: id });
  });

  it('names the limit and fits into a close frame', () => {
    for (const limit of ['messageBytes', 'stalledMs', 'pingMs']) {
      const frame = closeFrame({ kind: 'limit', limit }, id);
      expect(frame.code).toBe(4004);
      expect(JSON.parse(frame.reason)).toMatchObject({ limit });
      expect(Buffer.byteLength(frame.reason)).toBeLessThanOrEqual(123);
    }
    expect(closeFrame({ kind: 'too_large' }, id).code).toBe(1009);
    expect(closeFrame({ kind: 'not_json_rpc' }, id).code).toBe(1002);
    expect(closeFrame({ kind: 'shutdown' }, id).code).toBe(4005);
  });
});

describe('options', () => {
  it.each(['https://docs.example', 'http://127.0.0.1:4321', 'https://docs.example/'])('accepts the origin %s', (text) => {
    expect(checkOrigin(text)).toBe(new URL(text).origin);
  });
  it.each([
    '*',
    'null',
    '',
    'docs.example',
    'https://*.example',
    'https://docs.example/page',
    'https://DOCS.example',
    'https://docs.example:443',
    'file:///x',
    'https://user@docs.example',
  ])('refuses the origin %j', (text) => expect(() => checkOrigin(text)).toThrow(expect.objectContaining({ code: 'invalid_argument' })));
  it('knows loopback', () => {
    expect(['127.0.0.1', '127.9.9.9', '::1', 'localhost'].map(isLoopback)).toEqual([true, true, true, true]);
    expect(['0.0.0.0', '::', '192.168.0.1', '127.0.0.1.evil.example', 'localhost.'].map(isLoopback)).toEqual([
      false,
      false,
      false,
      false,
      false,
    ]);
  });
  it('names itself exactly', () => {
    expect(hostNames('127.0.0.1', 4000)).toEqual(['127.0.0.1:4000', 'localhost:4000']);
    expect(hostNames('::1', 4000)).toEqual(['[::1]:4000', 'localhost:4000']);
    expect(hostNames('localhost', 4000)).toEqual(['localhost:4000', '127.0.0.1:4000', '[::1]:4000']);
    expect(hostNames('127.0.0.1', 80)).toContain('127.0.0.1');
    expect(hostNames('192.0.2.1', 4000, ['me.example'])).toEqual(['192.0.2.1:4000', 'me.example']);
  });
});
