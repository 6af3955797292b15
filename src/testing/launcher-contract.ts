/** The contract of the `AgentLauncher` port as a suite for any test runner. */
import type { AnyMessage } from '@agentclientprotocol/sdk';
import { checkOptions } from '../engine/check-options.ts';
import { RehydrateError } from '../engine/errors.ts';
import { delay } from '../engine/waiting.ts';
import { ensure, same } from './assertions.ts';
import { type AgentExit, type AgentLauncher, type AgentProcess, isCleanExit } from '../engine/ports.ts';

export interface LauncherUnderTest {
  /** Knows the agents of `CONTRACT_AGENTS` by name, and `missing`, whose program does not exist, where that can be. */
  readonly launcher: AgentLauncher;
  readonly cwd: string;
  /** How many agents' processes exist, if that can be counted: the suite then proves that none is left. */
  readonly alive?: () => Promise<number>;
  close(): Promise<void>;
}

export interface LauncherContract {
  readonly describe: (name: string, body: () => void) => unknown;
  readonly it: (name: string, body: () => Promise<void>) => unknown;
  /** Called once for each test. */
  readonly open: () => Promise<LauncherUnderTest>;
  readonly has?: {
    /** Agents have exit codes. Default true. */
    readonly exitCodes?: boolean;
    /** Agents have a stderr. Default true. */
    readonly stderr?: boolean;
    /** An agent can fail to start (`missing`). Default true. */
    readonly missing?: boolean;
    /** An agent can refuse to go when it is asked (`stubborn`). Default true. */
    readonly stubborn?: boolean;
  };
}

/**
 * Declares the suite with the runner's own `describe` and `it`.
 *
 * @example
 * agentLauncherContract({ describe, it, open: async () => ({ launcher: agents, cwd: process.cwd(), close: async () => {} }) });
 */
export function agentLauncherContract(contract: LauncherContract): void {
  checkOptions('agentLauncherContract', contract, ['describe', 'it', 'open', 'has']);
  checkOptions('has', contract.has, ['exitCodes', 'stderr', 'missing', 'stubborn']);
  const has = { exitCodes: true, stderr: true, missing: true, stubborn: true, ...contract.has };
  const test = (name: string, body: (launch: Launch, under: LauncherUnderTest) => Promise<void>): void => {
    contract.it(name, async () => {
      const under = await contract.open();
      const launched: AgentProcess[] = [];
      const launch: Launch = async (agent) => {
        const { signal } = new AbortController();
        const process = await under.launcher.launch({ agent, cwd: under.cwd, sessionId: 'contract' }, { signal });
        launched.push(process);
        return process;
      };
      const end = () => Promise.all(launched.map((process) => process.end('kill')));
      try {
        await body(launch, under);
        await end();
        if (under.alive !== undefined) same(await under.alive(), 0, 'processes left');
      } finally {
        await end();
        await under.close();
      }
    });
  };

  contract.describe('AgentLauncher contract', () => {
    test('carries messages both ways as they are', async (launch) => {
      const peer = new Peer(await launch('echo'));
      for (const params of [{}, { text: 'é 漢字 🦊 \u2028 \\n "quoted"\n\r\t\u0000' }, { deep: [[[{ a: null }]]], big: 2 ** 53 - 1 }]) {
        same(await peer.request('echo', params), params, 'the answer');
      }
    });

    test('carries a message of a mebibyte', async (launch) => {
      const peer = new Peer(await launch('echo'));
      const text = '漢'.repeat(350_000);
      same((await peer.request('echo', { text })) as { text: string }, { text }, 'the answer');
    });

    test('keeps the order of many messages', async (launch) => {
      const peer = new Peer(await launch('flood'));
      await peer.request('flood', { count: 3_000, size: 20 });
      same(indexes(peer.notifications), count(3_000), 'the indexes');
    });

    test('loses nothing while nobody reads', async (launch) => {
      const { stream } = await launch('flood');
      await stream.writable.getWriter().write({ jsonrpc: '2.0', id: 1, method: 'flood', params: { count: 20_000, size: 200 } });
      await delay(100);
      const read: AnyMessage[] = [];
      for await (const message of stream.readable) {
        read.push(message);
        if ('result' in message) break;
      }
      same(indexes(read), count(20_000), 'the indexes');
    });

    test('takes many messages at once', async (launch) => {
      const peer = new Peer(await launch('echo'));
      const asked = count(500).map((index) => ({ index }));
      same(await Promise.all(asked.map((params) => peer.request('echo', params))), asked, 'the answers');
    });

    test('keeps what is not JSON-RPC as diagnostics and goes on', async (launch) => {
      const process = await launch('rubbish');
      const peer = new Peer(process);
      same(await peer.request('echo', { n: 1 }), { n: 1 }, 'the first answer');
      same(await peer.request('echo', { n: 2 }), { n: 2 }, 'the second answer');
      same(peer.others, [], 'messages that are none');
      // An agent behind a bridge has those of the bridge until the end.
      await process.end('ask');
      for (const part of ['Loading model… 42 %', '[1, 2, 3]', 'a log line in JSON']) {
        ensure(process.diagnostics().includes(part), `The diagnostics lack “${part}”: ${process.diagnostics()}`);
      }
    });

    test('I8: an end that was asked for and came with 0 is the only clean one', async (launch, under) => {
      const process = await launch('echo');
      const peer = new Peer(process);
      await peer.request('echo', {});
      await counted(under);
      const exit = await process.end('ask');
      same(exit.kind, 'ended', 'the exit');
      ensure(isCleanExit(exit), 'It does not count as clean.');
      same(await process.exited, exit, 'exited');
      same(await process.end('kill'), exit, 'a later end');
      await peer.closed;
    });

    test('I8: a kill is not clean', async (launch) => {
      const process = await launch('echo');
      await new Peer(process).request('echo', {});
      const exit = await process.end('kill');
      ensure(!isCleanExit(exit), 'It counts as clean.');
      same(exit.kind, 'killed', 'the exit');
    });

    if (has.exitCodes) {
      test('I8: an exit nobody asked for says so, 0 or not', async (launch) => {
        const quit = await launch('quit');
        await tell(quit);
        same(strip(await quit.exited), { kind: 'quit', code: 0, signal: null }, 'the exit with 0');
        const crash = await launch('crash');
        await tell(crash);
        same(strip(await crash.exited), { kind: 'failed', code: 3, signal: null }, 'the exit with 3');
      });
    }

    if (has.stderr) {
      test('quotes stderr in the exit and the diagnostics', async (launch) => {
        const process = await launch('crash');
        await tell(process);
        const exit = await process.exited;
        ensure(exit.stderr?.includes('the disk is on fire') === true, `The exit quotes ${exit.stderr}.`);
        ensure(process.diagnostics().includes('the disk is on fire'), `The diagnostics are ${process.diagnostics()}.`);
      });
    }

    test('closes the stream when the agent goes', async (launch) => {
      const process = await launch('quit');
      const peer = new Peer(process);
      await peer.notify('go');
      await peer.closed;
      await process.exited;
    });

    test('refuses to write to an agent that is gone, and survives it', async (launch) => {
      const process = await launch('quit');
      const peer = new Peer(process);
      await peer.notify('go');
      await process.exited;
      await peer.closed;
      const writer = process.stream.writable.getWriter();
      await rejects(() => writer.write({ jsonrpc: '2.0', method: 'late' }), 'agent_exited');
    });

    if (has.stubborn) {
      test('I7: an agent that does not go is killed', async (launch, under) => {
        const process = await launch('stubborn');
        await new Peer(process).request('echo', {});
        await counted(under);
        const exit = await process.end('ask');
        same(exit.kind, 'killed', 'the exit');
        ensure(!isCleanExit(exit), 'It counts as clean.');
      });

      test('I7: a kill hurries an end that was only asked for', async (launch) => {
        const process = await launch('stubborn');
        await new Peer(process).request('echo', {});
        const [asked, killed] = await Promise.all([process.end('ask'), process.end('kill')]);
        same(asked, killed, 'both ends');
        same(asked.kind, 'killed', 'the exit');
      });
    }

    test('does not mix two agents', async (launch) => {
      const peers = [new Peer(await launch('echo')), new Peer(await launch('echo'))] as const;
      const asked = count(100).map((index) => ({ to: index % 2, index }));
      same(await Promise.all(asked.map((params) => peers[params.to]!.request('echo', params))), asked, 'the answers');
      for (const { others } of peers) same(others, [], 'answers to the other');
    });

    test('names an agent that does not exist', async (launch) => {
      const error = await rejects(() => launch('nobody'), 'agent_not_found');
      ensure(error.message.includes('nobody'), error.message);
    });

    if (has.missing) {
      test('names an agent that cannot start', async (launch) => {
        const error = await rejects(() => launch('missing'), 'agent_start_failed');
        ensure(error.message.includes('missing'), error.message);
      });
    }

    test('I7: a launch that is called off leaves nothing', async (_launch, under) => {
      const reason = new Error('called off');
      const launch = (signal: AbortSignal): Promise<AgentProcess> =>
        under.launcher.launch({ agent: 'echo', cwd: under.cwd, sessionId: 'contract' }, { signal });
      await launch(AbortSignal.abort(reason)).then(
        () => ensure(false, 'It did not fail.'),
        (error: unknown) => ensure(error === reason, 'It fails with the reason before'),
      );
      const controller = new AbortController();
      const launching = launch(controller.signal);
      controller.abort(reason);
      // An error may come too late, and must not be forgotten.
      await launching.then(
        (process) => process.end('kill'),
        (error: unknown) => ensure(error === reason, 'It fails with the reason during'),
      );
    });
  });
}

/** A count that is always 0 would prove nothing when the agent is gone. */
async function counted({ alive }: LauncherUnderTest): Promise<void> {
  if (alive !== undefined) ensure((await alive()) > 0, 'An agent runs, and `alive` counts none.');
}

type Launch = (agent: string) => Promise<AgentProcess>;

class Peer {
  readonly notifications: AnyMessage[] = [];
  readonly others: AnyMessage[] = [];
  /** Settles when the agent's side of the stream has closed. */
  readonly closed: Promise<void>;
  readonly #writer: WritableStreamDefaultWriter<AnyMessage>;
  readonly #waiting = new Map<number, (message: { result?: unknown; error?: unknown }) => void>();
  #id = 0;

  constructor(process: AgentProcess) {
    this.#writer = process.stream.writable.getWriter();
    this.closed = this.#read(process.stream.readable);
    this.closed.catch(() => undefined);
    void this.closed.finally(() => this.#writer.releaseLock()).catch(() => undefined);
  }

  async request(method: string, params: Record<string, unknown>): Promise<unknown> {
    const id = (this.#id += 1);
    const answer = new Promise<{ result?: unknown; error?: unknown }>((resolve) => this.#waiting.set(id, resolve));
    await this.#writer.write({ jsonrpc: '2.0', id, method, params });
    const gone = this.closed.then(() => {
      throw new Error(`The agent went before it answered ${method}.`);
    });
    return (await Promise.race([answer, gone])).result;
  }

  notify(method: string): Promise<void> {
    return this.#writer.write({ jsonrpc: '2.0', method });
  }

  async #read(readable: ReadableStream<AnyMessage>): Promise<void> {
    for await (const message of readable) {
      const waiting = 'id' in message && !('method' in message) ? this.#waiting.get(message.id as number) : undefined;
      if (waiting !== undefined) waiting(message as { result?: unknown });
      else if ('method' in message) this.notifications.push(message);
      else this.others.push(message);
    }
  }
}

async function tell({ stream }: AgentProcess): Promise<void> {
  const writer = stream.writable.getWriter();
  await writer.write({ jsonrpc: '2.0', method: 'go' });
  writer.releaseLock();
}

function indexes(messages: readonly AnyMessage[]): unknown[] {
  return messages.filter((message) => 'method' in message).map((message) => (message as { params?: { index?: unknown } }).params?.index);
}

function count(to: number): number[] {
  return Array.from({ length: to }, (_, index) => index);
}

function strip({ kind, code, signal }: AgentExit): object {
  return { kind, code, signal };
}

async function rejects(action: () => Promise<unknown>, code: string): Promise<Error> {
  const error = await action().then(
    () => new Error('It did not fail.'),
    (reason: unknown) => reason,
  );
  if (!RehydrateError.is(error)) throw new Error(`It failed with ${String(error)}, which is no RehydrateError.`);
  same(error.code, code, `the code of “${error.message}”`);
  return error;
}
