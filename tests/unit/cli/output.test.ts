import { spawnSync } from 'node:child_process';
import { Writable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { createOutput, OUTPUT_WAITING_BYTES } from '../../../src/cli/output.ts';
import { followEvents, jsonPrinter } from '../../../src/cli/turn.ts';
import type { Host } from '../../../src/engine/index.ts';
import type { PromptResult, ResumeReport, SessionEvent } from '../../../src/engine/types.ts';

/** A stream whose reader reads when it is told to. */
class Reader extends Writable {
  text = '';
  readonly isTTY: boolean;
  #held: (() => void)[] | null;
  constructor({ tty = false, stalled = false } = {}) {
    super({ decodeStrings: false });
    this.isTTY = tty;
    this.#held = stalled ? [] : null;
  }
  override _write(chunk: string, _encoding: string, done: (error?: Error) => void): void {
    this.text += chunk;
    if (this.#held) this.#held.push(done);
    else done();
  }
  read(): void {
    const held = this.#held ?? [];
    this.#held = null;
    for (const done of held) done();
  }
}

const open = (options = {}) => {
  const stdout = new Reader(options);
  const stderr = new Reader(options);
  return { stdout, stderr, output: createOutput({ stdout, stderr }) };
};
const settled = async (promise: Promise<unknown>) =>
  Promise.race([promise.then(() => true), new Promise<false>((resolve) => setTimeout(resolve, 20, false))]);

describe('output', () => {
  it('a terminal is shown text, a pipe gets it as it is', () => {
    const tty = open({ tty: true });
    const pipe = open();
    for (const { output } of [tty, pipe]) output.text('\u001b[31mred');
    expect([tty.stdout.text, pipe.stdout.text]).toEqual(['␛[31mred', '\u001b[31mred']);
  });

  it('what the command lays out is shown and not obeyed, into a pipe, too', () => {
    const { stdout, stderr, output } = open();
    output.line('\u001b[31mred\u202e');
    output.note('\u001b]0;title\u0007');
    expect([stdout.text, stderr.text]).toEqual(['␛[31mred\ufffd\n', '␛]0;title\ufffd\n']);
  });

  it('JSON says what would act on a terminal as escapes, and means the same', () => {
    const value = { text: 'a\u009b31mb\u202ec\u200fd\u0085e\u2028f\u001b]0;x\u0007 ünï 🚀 \ud800' };
    for (const tty of [true, false]) {
      const { stdout, output } = open({ tty });
      output.json(value);
      expect(stdout.text).not.toMatch(/[^\n\P{C}]|[\u2028-\u202e\u200e\u200f]/u);
      expect(stdout.text).toContain('\\u009b31m');
      expect(stdout.text).toContain('ünï 🚀');
      expect(JSON.parse(stdout.text)).toEqual(value);
    }
  });

  it.each([
    ['a character', ['a\ud83d', '\ude80b'], 'a🚀b'],
    ['a line end', ['a\r', '\nb'], 'a\nb'],
    ['half a character that stays so', ['a\ud83d', 'b'], 'a\ud83db'],
  ])('%s split over pieces of a text is one', (_name, pieces, text) => {
    const { stdout, output } = open({ tty: true });
    for (const piece of pieces) output.text(piece);
    expect(stdout.text).toBe(text);
  });

  it('half a character at the end of all is written when the line ends', async () => {
    const { stdout, output } = open();
    output.text('a\ud83d');
    output.freshLine();
    output.text('b\ud83d');
    await output.flushed();
    expect(stdout.text).toBe('a\ud83d\nb\ud83d');
  });

  it('a note does not run into a line that is being written on the same terminal', () => {
    const { stdout, stderr, output } = open({ tty: true });
    output.text('half a li');
    output.note('by the way', (text) => `<${text}>`);
    expect([stdout.text, stderr.text]).toEqual(['half a li\n', '<by the way>\n']);
    output.freshLine();
    expect(stdout.text).toBe('half a li\n');
  });

  it('a reader that leaves is noticed and is no error', async () => {
    const { stdout, output } = open();
    stdout.destroy(Object.assign(new Error('gone'), { code: 'EPIPE' }));
    await new Promise((resolve) => setImmediate(resolve));
    expect(output.gone).toBe(true);
    output.line('to nobody');
    await output.flushed();
    expect([stdout.text, output.lost]).toEqual(['', false]);
  });

  it.each([
    ['in its own time', (stdout: Reader, error: Error) => (stdout._write = (_chunk, _encoding, done) => done(error))],
    [
      'at once, as a file does on some Nodes',
      (stdout: Reader, error: Error) => {
        stdout.write = () => {
          throw error;
        };
      },
    ],
  ])('a stdout that fails %s is told once, and the writer goes on', async (_name, fail) => {
    const { stdout, stderr, output } = open();
    fail(stdout, Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' }));
    output.line('into the void');
    output.line('and again');
    await output.flushed();
    expect([output.gone, output.lost]).toEqual([true, true]);
    expect(stderr.text).toMatch(/^rehydrate: stdout cannot be written: ENOSPC: no space left on device, write\. .*\n$/);
    output.line('to nobody');
    await output.room();
    expect(stderr.text.split('\n')).toHaveLength(2);
  });

  it('a stderr that fails has nobody to tell, and ends nothing', async () => {
    const { stdout, stderr, output } = open();
    stderr._write = (_chunk, _encoding, done) => done(Object.assign(new Error('full'), { code: 'ENOSPC' }));
    output.note('to nobody');
    output.line('still here');
    await output.flushed();
    expect([stdout.text, output.gone, output.lost]).toEqual(['still here\n', false, false]);
  });

  it('I10: room waits for a slow reader, and not for one that is taken as gone', async () => {
    const { stdout, output } = open({ stalled: true });
    expect(await settled(output.room())).toBe(true);
    output.line('x'.repeat(OUTPUT_WAITING_BYTES));
    expect(await settled(output.room())).toBe(false);
    const room = output.room();
    stdout.read();
    await room;
    const stuck = open({ stalled: true });
    stuck.output.line('x'.repeat(OUTPUT_WAITING_BYTES));
    stuck.output.hurry(1);
    await Promise.all([stuck.output.room(), stuck.output.flushed()]);
    expect(stuck.output.gone).toBe(true);
  });

  it('I10: waiting leaves nothing behind at the stream, however often', async () => {
    const { stdout, output } = open({ stalled: true });
    const listeners = () => ['drain', 'error', 'close'].map((name) => stdout.listenerCount(name));
    const before = listeners();
    output.line('x'.repeat(OUTPUT_WAITING_BYTES));
    const rooms = [output.room(), output.room()];
    stdout.read();
    await Promise.all(rooms);
    expect(listeners()).toEqual(before);
  });
});

const report: ResumeReport = {
  tier: 'resume',
  attempts: [],
  verified: 'listed',
  replay: null,
  preamble: null,
  settings: { restored: [], failed: [] },
  agentSessionId: 'a',
  previousAgentSessionId: 'a',
  ms: 1,
  agentMs: 1,
};
const base = { at: 0, origin: 'host', turnId: null } as const;
const leftOver: SessionEvent = { ...base, seq: 1, kind: 'turn_ended', payload: { state: 'interrupted' } };
const resumed: SessionEvent = { ...base, seq: 2, kind: 'resumed', payload: report };
const said: SessionEvent = {
  ...base,
  seq: 3,
  turnId: 't',
  origin: 'agent',
  kind: 'update',
  payload: { sessionUpdate: 'agent_message_chunk', content: { type: 'text', text: 'hi' } },
};
const result: PromptResult = { turnId: 't', stopReason: 'end_turn', report };

describe('a turn as JSON lines', () => {
  const types = (work: (printer: ReturnType<typeof jsonPrinter>) => void) => {
    const { stdout, output } = open();
    work(jsonPrinter(output));
    return stdout.text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { type: string; event?: SessionEvent })
      .map(({ type, event }) => (event ? `${type} ${event.seq}` : type));
  };

  it('the report comes first, also before what a dead host left behind', () => {
    expect(types((printer) => [leftOver, resumed, said].forEach(printer.event))).toEqual(['report', 'event 1', 'event 2', 'event 3']);
  });

  it('a repeated result has the report it was stored with', () => {
    expect(types((printer) => printer.result({ ...result, repeated: true }))).toEqual(['report', 'result']);
  });

  it('when the resume fails there is no report, and what was stored is still shown', () => {
    expect(types((printer) => (printer.event(leftOver), printer.end()))).toEqual(['event 1']);
  });
});

describe('following events', () => {
  const host = (events: readonly SessionEvent[], latestSeq: number): Host =>
    ({
      get: async () => ({ latestSeq }),
      async *events(_id: string, { after = 0, signal }: { after?: number; signal?: AbortSignal }) {
        yield* events.filter((event) => event.seq > after);
        await new Promise((resolve) => signal?.addEventListener('abort', resolve, { once: true }));
      },
    }) as unknown as Host;

  it('has caught up when the last stored event was shown, one at a time and in order', async () => {
    const shown: number[] = [];
    const following = followEvents(host([leftOver, resumed, said], 3), 's', 1, async (event) => {
      await new Promise((resolve) => setImmediate(resolve));
      shown.push(event.seq);
    });
    await following.caughtUp();
    expect(shown).toEqual([2, 3]);
    await following.stop();
  });

  it('keeps the process until it has caught up: the host’s own looks at other processes’ work do not', async () => {
    const script = `
      import { followEvents } from ${JSON.stringify(new URL('../../../src/cli/turn.ts', import.meta.url).href)};
      const host = {
        get: async () => ({ latestSeq: 1 }),
        async *events() {
          await new Promise((resolve) => setTimeout(resolve, 300).unref());
          yield { seq: 1 };
        },
      };
      await followEvents(host, 's', 0, () => console.log('shown')).caughtUp();
    `;
    const done = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
    expect([done.status, done.stdout]).toEqual([0, 'shown\n']);
  });

  it('an error in showing comes out', async () => {
    const following = followEvents(host([leftOver], 1), 's', 0, () => {
      throw new Error('cannot show');
    });
    await expect(following.caughtUp()).rejects.toThrow('cannot show');
    await expect(following.stop()).rejects.toThrow('cannot show');
  });
});
