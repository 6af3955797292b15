/** The misbehaving agents of the launcher contract, whatever wire they are reached by. They speak JSON-RPC lines, not all of ACP. */

export const CONTRACT_AGENTS = ['echo', 'rubbish', 'crash', 'quit', 'stubborn', 'flood'] as const;
export type ContractAgent = (typeof CONTRACT_AGENTS)[number];

/** An agent's side of the wire. */
export interface ContractWire {
  /** Writes one line; the newline, where the wire has lines, is the wire's. */
  line(text: string): void;
  /** Writes what is for people. A wire without stderr ignores it. */
  stderr(text: string): void;
  exit(code: number): void;
  /** Makes the agent deaf to polite ends. A wire without signals ignores it. */
  ignoreSignals(): void;
}

interface Request {
  readonly id?: number | string;
  readonly method?: string;
  readonly params?: Readonly<Record<string, unknown>>;
}

/**
 * - `echo` answers every request with its params;
 * - `rubbish` does too, between lines that are not JSON-RPC;
 * - `crash` writes to stderr and exits with 3 at the first message, `quit` exits with 0;
 * - `stubborn` answers like `echo` and does not go when asked;
 * - `flood` answers `{count, size}` with so many notifications, then the response.
 *
 * Returns what to call with each incoming line, and when input has ended.
 *
 * @example
 * const agent = contractAgent('echo', { line: console.log, stderr: console.error, exit: process.exit, ignoreSignals() {} });
 */
export function contractAgent(name: ContractAgent, wire: ContractWire): { message(text: string): void; end(): void } {
  const send = (message: object): void => wire.line(JSON.stringify({ jsonrpc: '2.0', ...message }));
  const echo = (request: Request): void => {
    if (request.id !== undefined) send({ id: request.id, result: request.params ?? null });
  };
  const behaviours: Record<ContractAgent, (request: Request) => void> = {
    echo,
    stubborn: echo,
    rubbish(request) {
      wire.line('Loading model… 42 %');
      wire.line('');
      wire.line('[1, 2, 3]');
      wire.line('{"level":30,"method":"GET","msg":"a log line in JSON"}');
      wire.line('{"jsonrpc":"2.0","method":');
      echo(request);
      wire.line('null');
    },
    crash() {
      wire.stderr('the disk is on fire\n');
      wire.exit(3);
    },
    quit() {
      wire.exit(0);
    },
    flood(request) {
      const { count = 0, size = 0 } = (request.params ?? {}) as { count?: number; size?: number };
      const text = 'x'.repeat(size);
      for (let index = 0; index < count; index += 1) send({ method: 'flood', params: { index, text } });
      echo(request);
    },
  };
  if (name === 'stubborn') wire.ignoreSignals();
  return {
    message: (text) => behaviours[name](JSON.parse(text) as Request),
    end() {
      if (name !== 'stubborn') wire.exit(0);
    },
  };
}
