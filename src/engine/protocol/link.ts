/**
 * One live agent: its process, the ACP connection to it, and the waiting for its answers. Every way a
 * call can come out is one of four; nothing here throws for what an agent does.
 */
import { describeExit, type AgentExit, type AgentLauncher, type AgentProcess, type AgentSpec } from '../ports.ts';
import { RehydrateError } from '../errors.ts';
import { FIXED_LIMITS } from '../limits.ts';
import { createPeer, type IncomingRequest, type Peer, type RpcError, type RpcResponse } from './peer.ts';

export type CallOutcome =
  | { readonly kind: 'answered'; readonly result: unknown }
  | { readonly kind: 'refused'; readonly error: RpcError }
  | { readonly kind: 'hung'; readonly afterMs: number }
  | { readonly kind: 'ended' };

export interface LinkHandlers {
  onRequest(request: IncomingRequest): Promise<RpcResponse>;
  onNotification(method: string, params: Readonly<Record<string, unknown>>): void;
  room(): Promise<void> | null;
}

export interface AgentLink {
  /** Sends a request and waits for its answer at most `timeoutMs`. */
  call(method: string, params: unknown, timeoutMs: number): Promise<CallOutcome>;
  /** Sends a request; `settle` runs in the order of messages, with null when the agent ended first. */
  start(method: string, params: unknown, settle: (response: RpcResponse | null) => void): void;
  notify(method: string, params: unknown): void;
  /** Waits, and counts it as the agent's time. */
  wait(ms: number): Promise<void>;
  /** Settles when the process tree is gone and everything it said has been handled. */
  readonly gone: Promise<AgentExit>;
  /** How it went, for a sentence: the exit, and why the host ended it if the agent's output was the reason. */
  readonly goneWords: string;
  /** The exit, once there is one. */
  readonly exit: AgentExit | null;
  /** What was wrong with its output, when that is why the host ended it. */
  readonly fault: Error | null;
  end(how: 'ask' | 'kill'): Promise<AgentExit>;
  /** stderr and noise, for error messages. */
  diagnostics(): string;
  /** Milliseconds spent waiting for this agent so far. */
  readonly agentMs: number;
}

const NOISE_KEPT = 20;

export async function openLink(launcher: AgentLauncher, spec: AgentSpec, signal: AbortSignal, handlers: LinkHandlers): Promise<AgentLink> {
  const started = performance.now();
  const process = await launcher.launch(spec, { signal });
  return attach(process, handlers, performance.now() - started);
}

function attach(process: AgentProcess, handlers: LinkHandlers, launchMs: number): AgentLink {
  let agentMs = launchMs;
  let exit: AgentExit | null = null;
  /** What was wrong with the agent's output, when that is why it was ended. */
  let fault: Error | null = null;
  const noise: string[] = [];
  const peer: Peer = createPeer(process.stream, {
    ...handlers,
    onNoise(what) {
      if (noise.length < NOISE_KEPT) noise.push(`[the agent ${what}]`);
    },
  });

  const gone = (async () => {
    await Promise.race([peer.closed, process.exited]);
    const exited = await within(process.exited, FIXED_LIMITS.exitGraceMs);
    // It closed its output and stays: it can say nothing any more, and is not let go as if it had been asked.
    if (exited === undefined) fault = (await within(peer.closed, 0)) ?? new Error('it closed its output and stayed');
    exit = exited ?? (await process.end('kill'));
    if ((await within(peer.closed, FIXED_LIMITS.exitGraceMs)) === undefined) peer.close();
    return exit;
  })();

  return {
    call(method, params, timeoutMs) {
      const began = performance.now();
      return new Promise<CallOutcome>((resolve) => {
        const finish = (outcome: CallOutcome) => {
          clearTimeout(timer);
          agentMs += performance.now() - began;
          resolve(outcome);
        };
        const timer = setTimeout(() => finish({ kind: 'hung', afterMs: timeoutMs }), timeoutMs);
        peer.request(method, params, (response) => {
          if (response === null) finish({ kind: 'ended' });
          else if ('error' in response) finish({ kind: 'refused', error: response.error });
          else finish({ kind: 'answered', result: response.result });
        });
      });
    },
    async wait(ms) {
      await new Promise((resolve) => setTimeout(resolve, ms));
      agentMs += ms;
    },
    start: (method, params, settle) => peer.request(method, params, settle),
    notify: (method, params) => peer.notify(method, params),
    gone,
    get goneWords() {
      if (exit === null) return 'is gone';
      return fault === null ? describeExit(exit) : `${describeExit(exit)}, because: ${fault.message}`;
    },
    get exit() {
      return exit;
    },
    get fault() {
      return fault;
    },
    async end(how) {
      await process.end(how);
      return gone;
    },
    diagnostics: () => [process.diagnostics(), ...noise].filter(Boolean).join('\n'),
    get agentMs() {
      return agentMs;
    },
  };
}

/** The value, or undefined when it does not come in time. */
export async function within<T>(promise: Promise<T>, ms: number): Promise<T | undefined> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  try {
    return await Promise.race([promise, new Promise<undefined>((resolve) => (timer = setTimeout(resolve, ms, undefined)))]);
  } finally {
    clearTimeout(timer);
  }
}

/** The last lines of an agent's diagnostics as a clause for an error message, or nothing. */
export function quoteDiagnostics(diagnostics: string): string {
  const lines = diagnostics.trimEnd().split('\n').slice(-10).join('\n').trim();
  return lines ? ` It last wrote:\n${lines}` : '';
}

/** The error of a call that got no result, for calls whose failure ends the operation. */
export function callError(
  outcome: Exclude<CallOutcome, { kind: 'answered' }>,
  method: string,
  agent: string,
  link: AgentLink,
  exit: string,
): RehydrateError {
  switch (outcome.kind) {
    case 'hung':
      return new RehydrateError(
        'agent_timeout',
        `Agent "${agent}" did not answer ${method} within ${outcome.afterMs / 1000} s and was ended. Check that it speaks ACP on its standard input and output, or raise the limit.${quoteDiagnostics(link.diagnostics())}`,
        { agent, method, afterMs: outcome.afterMs },
      );
    case 'ended':
      if (RehydrateError.is(link.fault)) {
        return new RehydrateError(
          link.fault.code,
          `Agent "${agent}" was ended before it answered ${method}. ${link.fault.message}`,
          { agent, method, ...link.fault.data },
          { cause: link.fault },
        );
      }
      return new RehydrateError(
        'agent_exited',
        `Agent "${agent}" ${exit} before it answered ${method}. Run it by hand to see why.${quoteDiagnostics(link.diagnostics())}`,
        { agent, method, exit: link.exit },
      );
    case 'refused':
      return new RehydrateError(
        'agent_protocol_error',
        `Agent "${agent}" answered ${method} with error ${outcome.error.code}: ${outcome.error.message || '(no message)'}. Run it by hand to see why, or try another version of it.${quoteDiagnostics(link.diagnostics())}`,
        { agent, method, error: outcome.error },
      );
  }
}
