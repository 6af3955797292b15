/** Sockets dropped at random moments, and frames of rubbish: the bridge stays as it was, and mixes nothing up. */
import { randomBytes } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { type Bridge, startBridge } from '../../../src/bridge/index.ts';
import { AGENTS, frame, Raw, TEXT, upgradeText } from '../../integration/bridge/raw.ts';
import { random, SEED } from '../engine-host/random.ts';
import { record } from '../../support/record.ts';
import { expectNoLeak, footprint, processesOf, settleIn, times } from '../processes/leaks.ts';

const { below, pick } = random(SEED);
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

const open = (limits = {}): Promise<Bridge> =>
  startBridge({
    agents: AGENTS,
    allowMissingOrigin: true,
    limits: { upgradesPerSecond: 10_000, connections: 1_000, ...limits },
    processLimits: { askMs: 50, termMs: 100, orphanMs: 50 },
  });

beforeAll(settleIn);

/** One connection that is dropped at some moment of its life, in some way. */
async function drop(bridge: Bridge): Promise<void> {
  const raw = await Raw.open(bridge);
  const text = upgradeText(bridge, {}, `/agents/${pick(['echo', 'flood', 'stubborn', 'rubbish', 'crash', 'quit', 'missing'])}`);
  const end = (): void => {
    if (below(3) === 0) raw.socket.resetAndDestroy();
    else if (below(2) === 0) raw.socket.end();
    else raw.socket.destroy();
  };
  const moment = below(6);
  if (moment === 0) {
    // In the middle of the handshake.
    raw.socket.write(text.slice(0, below(text.length)));
    await pause(below(20));
  } else {
    raw.socket.write(text);
    // Before, while and after the agent starts.
    if (moment === 1) await pause(below(5));
    else await raw.until(() => raw.received.includes('\r\n\r\n'));
    if (moment >= 3) raw.socket.write(frame(TEXT, '{"jsonrpc":"2.0","id":1,"method":"flood","params":{"count":2000,"size":500}}'));
    if (moment === 4) raw.socket.pause();
    if (moment === 5)
      raw.socket.write(
        frame(TEXT, `{"jsonrpc":"2.0","id":2,"method":"echo","params":"${'x'.repeat(below(100_000))}`).subarray(0, below(200)),
      );
    await pause(below(60));
  }
  end();
  raw.socket.resume();
  await Promise.race([raw.closed, pause(15_000)]);
  raw.socket.destroy();
}

describe('I7: no orphan', () => {
  it(`${times(1_000)} sockets dropped at random moments`, async () => {
    const bridge = await open();
    const some = async (count: number): Promise<void> => {
      for (let done = 0; done < count; done += 5) await Promise.all(Array.from({ length: Math.min(5, count - done) }, () => drop(bridge)));
    };
    await some(10);
    await expect.poll(async () => (await processesOf()).length).toBe(0);
    const before = footprint();
    await some(times(1_000));
    await expectNoLeak(before);
    await bridge.close();
    record('bridge-drops', {
      what: 'sockets of the bridge dropped at a random moment: a process, descriptor or megabyte left',
      tried: times(1_000),
      through: 0,
    });
  });
});

describe('fuzzed frames', () => {
  it(`${times(2_000)} connections of rubbish never crash the bridge, nor reach another connection`, async () => {
    const bridge = await open({ messageBytes: 65_536, closeMs: 100 });
    const witness = new WebSocket(`${bridge.url}/agents/echo`, ['acp.v1', `bearer.${bridge.token}`]);
    await new Promise((resolve) => witness.once('open', resolve));
    const strangers: string[] = [];
    let answered = 0;
    witness.on('message', (data) => {
      const { id, result } = JSON.parse(String(data)) as { id: number; result?: { mine: number } };
      if (result?.mine === id) answered += 1;
      else strangers.push(String(data));
    });
    const good = '{"jsonrpc":"2.0","id":"theirs","method":"echo","params":{"theirs":true}}';
    const rubbish = (): Buffer => {
      switch (below(5)) {
        case 0:
          return randomBytes(below(300));
        case 1:
          return frame(below(256), randomBytes(below(300)), { masked: below(4) > 0 });
        case 2:
          return frame(TEXT, mutate(good));
        case 3:
          return frame(TEXT, good, { claim: below(2 ** 31) });
        default:
          return Buffer.concat([frame(0x01, good.slice(0, below(good.length))), frame(pick([0x00, 0x80, 0x89, 0x01]), mutate(good))]);
      }
    };
    const agents = ['quit', 'echo', 'rubbish'];
    const total = times(2_000);
    for (let done = 0; done < total; done += 10) {
      const id = done;
      witness.send(JSON.stringify({ jsonrpc: '2.0', id, method: 'echo', params: { mine: id } }));
      await Promise.all(
        Array.from({ length: 10 }, async () => {
          const raw = await Raw.open(bridge);
          // Most are rubbish from the first byte; starting an agent for each would only test the agents.
          if (below(5) === 0) {
            raw.socket.write(upgradeText(bridge, {}, `/agents/${pick(agents)}`));
            await raw.until(() => raw.received.includes('\r\n\r\n'));
          } else if (below(2) === 0) raw.socket.write(mutate(upgradeText(bridge)));
          for (let frames = 0; frames < 1 + below(4); frames += 1) raw.socket.write(rubbish());
          await pause(below(10));
          raw.socket.destroy();
        }),
      );
    }
    await expect.poll(() => answered, { timeout: 120_000 }).toBe(Math.ceil(total / 10));
    expect(strangers).toEqual([]);
    witness.close();
    await bridge.close();
    await expect.poll(async () => (await processesOf()).length).toBe(0);
    record('bridge-rubbish', {
      what: 'connections of rubbish to the bridge: a crash, or a word in another connection',
      tried: total,
      through: 0,
    });
  });
});

/** Some bytes changed, lost or doubled. */
function mutate(text: string): Buffer {
  const bytes = [...Buffer.from(text)];
  for (let edits = 1 + below(4); edits > 0; edits -= 1) bytes.splice(below(bytes.length + 1), below(3), ...randomBytes(below(3)));
  return Buffer.from(bytes);
}
