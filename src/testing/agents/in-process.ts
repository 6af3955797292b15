/** Scripted agents in the same process, over paired streams: the quickest way to test a host. */
import type { AnyMessage } from '@agentclientprotocol/sdk';
import { checkOptions } from '../../engine/check-options.ts';
import { RehydrateError } from '../../engine/errors.ts';
import type { AgentExit, AgentLauncher, AgentProcess, AgentSpec } from '../../engine/ports.ts';
import { runScriptedAgent } from './agent.ts';
import { memoryStore, type SessionStore } from './store.ts';
import { sleeper } from './surroundings.ts';
import { type AgentVariant, behaviourOf } from './variants.ts';

export interface InProcessOptions {
  /** Default `native`. */
  readonly variant?: AgentVariant | undefined;
  /** The agent's store, shared by all the processes this launcher starts. Default: one in memory. */
  readonly store?: SessionStore | undefined;
  /** Multiplies the agent's pauses. Default 0: none. */
  readonly pace?: number | undefined;
}

export interface InProcessLauncher extends AgentLauncher {
  readonly store: SessionStore;
  /** How many agents were started, and the last of them. */
  readonly launched: number;
  readonly last: InProcessAgent | null;
}

export interface InProcessAgent extends AgentProcess {
  /** Ends the agent as a crash would. */
  crash(code?: number): void;
}

/**
 * An `AgentLauncher` whose agents run in this process. Their exits tell a `kill` from an end, as with real processes.
 *
 * @example
 * const host = await createHost({ database, agents: inProcessLauncher({ variant: 'forgetful' }) });
 */
export function inProcessLauncher(options: InProcessOptions = {}): InProcessLauncher {
  checkOptions('inProcessLauncher', options, ['variant', 'store', 'pace']);
  const store = options.store ?? memoryStore();
  let launched = 0;
  let last: InProcessAgent | null = null;
  return {
    store,
    get launched() {
      return launched;
    },
    get last() {
      return last;
    },
    async launch(spec, { signal }) {
      signal.throwIfAborted();
      launched += 1;
      last = startInProcess({ ...options, store }, spec.env);
      return last;
    },
  };
}

function startInProcess(options: InProcessOptions & { readonly store: SessionStore }, env: AgentSpec['env']): InProcessAgent {
  const toAgent = new TransformStream<AnyMessage, AnyMessage>();
  const toHost = new TransformStream<AnyMessage, AnyMessage>();
  const fromAgent = toHost.readable.getReader();
  const toAgentWriter = toAgent.writable.getWriter();
  const lines: string[] = [];
  const settled = Promise.withResolvers<AgentExit>();
  const variant = options.variant ?? 'native';
  const { stubborn } = behaviourOf(variant);
  let over = false;
  let host: ReadableStreamDefaultController<AnyMessage> | null = null;

  const finish = (kind: 'ended' | 'killed' | 'quit' | 'failed', code = 0) => {
    if (over) return;
    over = true;
    const exit = (kind === 'killed' ? { kind, code: null, signal: 'SIGKILL' } : { kind, code, signal: null }) as AgentExit;
    host?.close();
    // Both streams may have failed already.
    toAgentWriter.abort().catch(ignore);
    fromAgent.cancel().catch(ignore);
    settled.resolve(lines.length > 0 ? { ...exit, stderr: lines.join('\n') } : exit);
  };
  const readable = new ReadableStream<AnyMessage>(
    {
      start(controller) {
        host = controller;
      },
      async pull(controller) {
        const { done, value } = await fromAgent.read();
        if (over || !host) return;
        if (done) finish('quit');
        else controller.enqueue(value);
      },
      cancel() {
        // The process lives on when its host stops listening.
        host = null;
      },
    },
    { highWaterMark: 0 },
  );
  const writable = new WritableStream<AnyMessage>({
    write: async (message) => {
      if (over) throw new RehydrateError('agent_exited', 'The scripted agent is gone, so nothing can be sent to it.');
      await toAgentWriter.write(message);
    },
    close: () => {
      if (!stubborn) finish('ended');
    },
    abort: () => finish('killed'),
  });
  runScriptedAgent(
    { readable: toAgent.readable, writable: toHost.writable },
    {
      variant,
      store: options.store,
      around: {
        exit: (code) => finish(code === 0 ? 'quit' : 'failed', code),
        log: (text) => lines.push(text),
        print: (line) => lines.push(line),
        env: (name) => env?.[name],
        sleep: sleeper(options.pace ?? 0),
      },
    },
  );
  return {
    stream: { readable, writable },
    exited: settled.promise,
    async end(how) {
      finish(how === 'ask' && !stubborn ? 'ended' : 'killed');
      return settled.promise;
    },
    crash: (code = 3) => finish('failed', code),
    diagnostics: () => lines.join('\n'),
  };
}

function ignore(): void {
  // The stream had failed already.
}
