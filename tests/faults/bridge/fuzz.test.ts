/** The framing and the judging of frames, against simple versions of themselves, on seeded rubbish. */
import { describe, expect, it } from 'vitest';
import { isMessage } from '../../../src/adapters/json-rpc.ts';
import { LineCutter, parseMessage, utf8Reader } from '../../../src/adapters/stdio/lines.ts';
import { framesOf } from '../../../src/bridge/frames.ts';
import { findCommand } from '../../../src/bridge/commands.ts';
import { judgeFrame } from '../../../src/bridge/inbound.ts';
import { random, SEED } from '../engine-host/random.ts';
import { record } from '../../support/record.ts';
import { times } from '../processes/leaks.ts';

const { below, pick } = random(SEED);
const COUNT = times(150_000);

const SEEDS = [
  '{"jsonrpc":"2.0","id":1,"method":"session/new","params":{"cwd":"/","mcpServers":[{"name":"x","command":"sh","args":[]}]}}',
  '{"jsonrpc":"2.0","id":2,"method":"session/load","params":{"_meta":{"claudeCode":{"options":{"model":"m","env":{}}},"x":"{\\"hooks\\":1}"}}}',
  '{"jsonrpc":"2.0","method":"session/update","params":{"sessionId":"s","update":{"text":"é漢🦊\\u00e9\\n","n":[-1.5e3,0,true,null]}}}',
  '{"jsonrpc":"2.0","id":"a","result":{"a":{"b":[{},[]]}}}',
  '{"jsonrpc":"2.0","id":null,"error":{"code":-32603,"message":"m"}}',
  '{"level":30,"msg":"log"}',
  'plain text',
];
const PIECES = [
  '"',
  '\\',
  '{',
  '}',
  '[',
  ']',
  ',',
  ':',
  '\\u0053',
  '\\"',
  '\0',
  '\r',
  ' ',
  '"mcpServers"',
  '"command"',
  '"_meta"',
  '"model"',
  '"jsonrpc":"1.0",',
  '9007199254740993',
  '-0',
  '1e999',
  'é',
  '\u2028',
  '\ud83e',
];

function mutated(): Buffer {
  let text = pick(SEEDS);
  for (let edits = below(4); edits > 0; edits -= 1) {
    const at = below(text.length + 1);
    text = text.slice(0, at) + (below(2) === 0 ? pick(PIECES) : '') + text.slice(at + below(3));
  }
  const bytes = Buffer.from(text);
  if (below(10) === 0 && bytes.length > 0) bytes[below(bytes.length)] = 0x80 + below(128);
  return bytes;
}

/** The payloads of unmasked frames. */
function payloads(frames: Buffer): Buffer[] {
  const all: Buffer[] = [];
  for (let at = 0; at < frames.length;) {
    const short = frames[at + 1]!;
    const [length, start] =
      short < 126
        ? [short, at + 2]
        : short === 126
          ? [frames.readUInt16BE(at + 2), at + 4]
          : [Number(frames.readBigUInt64BE(at + 2)), at + 10];
    all.push(frames.subarray(start, start + length));
    at = start + length;
  }
  return all;
}

describe('fuzz', () => {
  it(`${COUNT} lines: each message is one frame, in order, and everything else is rejected`, () => {
    // As the bridge reads what an agent writes.
    const utf8 = utf8Reader(() => undefined);
    let left = COUNT;
    while (left > 0) {
      const lines = Array.from({ length: 1 + below(50) }, mutated).map((line) => Buffer.from(line.filter((byte) => byte !== 0x0a)));
      left -= lines.length;
      const bytes = Buffer.concat(lines.flatMap((line) => [line, Buffer.from(below(4) === 0 ? '\r\n' : '\n')]));
      const cutter = new LineCutter(1_000_000);
      const sent: string[] = [];
      const rejected: string[] = [];
      const take = (block: Buffer | null): void => {
        const out = block === null ? null : framesOf(utf8(block), (line) => rejected.push(line.toString('latin1')));
        if (out !== null) sent.push(...payloads(out).map((payload) => payload.toString('latin1')));
      };
      for (let at = 0; at < bytes.length;) {
        const size = 1 + below(200);
        take(cutter.push(Buffer.from(bytes.subarray(at, at + size))));
        at += size;
      }
      take(cutter.rest());
      const trimmed = lines.map((line) => {
        let end = line.length;
        while (end > 0 && line[end - 1]! <= 0x20) end -= 1;
        return utf8(line.subarray(0, end));
      });
      const latin1 = (buffer: Buffer): string => buffer.toString('latin1');
      // What is invisible in front of a message is no part of it, and may go or stay.
      const message = (text: string): string => text.slice(text.indexOf('{'));
      expect(sent.map(message)).toEqual(
        trimmed
          .filter((line) => parseMessage(line) !== null)
          .map(latin1)
          .map(message),
      );
      expect(rejected).toEqual(trimmed.filter((line) => line.length > 0 && parseMessage(line) === null).map(latin1));
    }
    record('bridge-lines', { what: 'mutilated lines of agents: one that became two messages, or none', tried: COUNT, through: 0 });
  });

  it(`${COUNT} frames: what is forwarded is one message on one line, without a command`, () => {
    const seen = { forward: 0, answer: 0, drop: 0, close: 0 };
    for (let turn = 0; turn < COUNT; turn += 1) {
      const bytes = mutated();
      const verdict = judgeFrame(bytes, below(50) === 0, { allowMcp: false });
      seen[verdict.verdict] += 1;
      if (verdict.verdict === 'forward') {
        expect(/[\r\n\u2028\u2029]/.test(verdict.line)).toBe(false);
        const value: unknown = JSON.parse(verdict.line);
        expect(isMessage(value)).toBe(true);
        if (isMessage(value) && 'method' in value) expect(findCommand(value)).toBeNull();
        // Numbers as JavaScript writes them.
        expect(value).toEqual(JSON.parse(JSON.stringify(JSON.parse(bytes.toString('utf8')))));
      }
      if (verdict.verdict === 'answer') expect(isMessage(JSON.parse(verdict.text))).toBe(true);
    }
    // The rubbish reaches every verdict that it can.
    expect(Math.min(seen.forward, seen.answer, seen.close)).toBeGreaterThan(100);
    record('bridge-frames', { what: 'mutilated frames of clients: a command that reached an agent', tried: COUNT, through: 0 });
  });
});
