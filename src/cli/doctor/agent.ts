/** One process of the agent under examination, and everything it said in order. */
import { openLink, within } from '../../engine/protocol/link.ts';
import type { IncomingRequest, RpcError, RpcResponse } from '../../engine/protocol/peer.ts';
import { PROTOCOL_VERSION } from '../../engine/protocol/v1.ts';
import { DEFAULT_LIMITS } from '../../engine/limits.ts';
import { describeExit, type AgentLauncher } from '../../engine/ports.ts';
import { quote, seconds } from '../format.ts';

type Update = Readonly<Record<string, unknown>>;

/** What came of a request. Nothing that an agent does throws. */
export type Answer =
  | {
      readonly kind: 'answered';
      readonly result: unknown;
      readonly ms: number;
      /** Updates that had come before it. */ readonly updates: number;
    }
  | { readonly kind: 'refused'; readonly error: RpcError; readonly ms: number }
  | { readonly kind: 'hung'; readonly ms: number }
  | { readonly kind: 'ended'; readonly how: string; readonly ms: number };

export function errorWords({ code, message, data }: RpcError): string {
  const more = data === undefined ? '' : `, data ${quote(JSON.stringify(data) ?? 'undefined')}`;
  return `error ${String(code).replace('-', '−')} ${quote(message)}${more}`;
}

/** What an agent did instead of a good answer: “answered session/load with error …”. */
export function failureWords(method: string, answer: Exclude<Answer, { kind: 'answered' }>): string {
  switch (answer.kind) {
    case 'refused':
      return `answered ${method} with ${errorWords(answer.error)}`;
    case 'hung':
      return `did not answer ${method} within ${seconds(answer.ms)}`;
    case 'ended':
      return `${answer.how} before it answered ${method}`;
  }
}

/** How many updates of one process are kept; a doctor's conversation has a few dozen. */
const KEPT_UPDATES = 10_000;

export const INITIALIZE = {
  protocolVersion: PROTOCOL_VERSION,
  clientCapabilities: { fs: { readTextFile: false, writeTextFile: false }, terminal: false },
  clientInfo: { name: 'rehydrate-doctor', version: '1' },
};

/** Permission is never given: the doctor has no use for tools. */
export async function answerAgent(request: IncomingRequest): Promise<RpcResponse> {
  if (request.method !== 'session/request_permission') return { error: { code: -32601, message: `Method not found: ${request.method}` } };
  const options = request.params['options'];
  const reject = Array.isArray(options)
    ? options.find((option: { kind?: unknown }) => String(option?.kind).startsWith('reject'))
    : undefined;
  return {
    result: { outcome: reject ? { outcome: 'selected', optionId: (reject as { optionId: string }).optionId } : { outcome: 'cancelled' } },
  };
}

export interface ExaminedAgent {
  /** The updates so far, oldest first. */
  readonly updates: readonly Update[];
  /** Sends a request and waits for its answer as long as the doctor's patience lasts. */
  ask(method: string, params: unknown): Promise<Answer>;
  /** Waits until no update has come for a while: late replay is part of what is examined. */
  quiet(): Promise<void>;
  end(how: 'ask' | 'kill'): Promise<void>;
}

/** Starts the agent. Rejects with `RehydrateError` when it cannot be started. */
export async function startAgent(
  launcher: AgentLauncher,
  options: { cwd: string; timeoutMs: number; signal: AbortSignal },
): Promise<ExaminedAgent> {
  const updates: Update[] = [];
  let lastUpdate = performance.now();
  const link = await openLink(launcher, { agent: 'agent', cwd: options.cwd, sessionId: 'doctor' }, options.signal, {
    onRequest: answerAgent,
    onNotification(method, params) {
      if (method !== 'session/update' || updates.length >= KEPT_UPDATES) return;
      lastUpdate = performance.now();
      const update = params['update'];
      if (typeof update === 'object' && update !== null) updates.push(update as Update);
    },
    room: () => Promise.resolve(),
  });
  return {
    updates,
    ask(method, params) {
      const began = performance.now();
      const took = (): number => performance.now() - began;
      return new Promise((resolve) => {
        const timer = setTimeout(() => resolve({ kind: 'hung', ms: took() }), options.timeoutMs);
        const done = (answer: Answer): void => {
          clearTimeout(timer);
          resolve(answer);
        };
        // `settle` runs in the order of messages, so the count tells what came before the response.
        link.start(method, params, (response) => {
          if (response === null)
            void link.gone.then((exit) =>
              done({ kind: 'ended', how: `${describeExit(exit)}${lastWords(link.diagnostics())}`, ms: took() }),
            );
          else if ('error' in response) done({ kind: 'refused', error: response.error, ms: took() });
          else done({ kind: 'answered', result: response.result, ms: took(), updates: updates.length });
        });
      });
    },
    async quiet() {
      const deadline = performance.now() + DEFAULT_LIMITS.replayMaxMs;
      lastUpdate = performance.now();
      for (;;) {
        const now = performance.now();
        const wait = Math.min(lastUpdate + DEFAULT_LIMITS.replayQuietMs, deadline) - now;
        if (wait <= 0 || link.exit !== null) return;
        await within(link.gone, wait);
      }
    },
    async end(how) {
      await link.end(how);
    },
  };
}

/** The last line an agent wrote for people, which mostly says why it went. */
function lastWords(diagnostics: string): string {
  const line = diagnostics
    .trim()
    .split('\n')
    .findLast((one) => /[A-Za-z]{3}/.test(one) && !/^\s*at |^Node\.js v/.test(one));
  return line === undefined ? '' : ` (it wrote ${quote(line)})`;
}
