import type { Output } from './output.ts';
import type { Call } from './parse.ts';
import type { SignalSource } from './signals.ts';

/** What every command gets. */
export interface Context {
  readonly call: Call;
  readonly output: Output;
  readonly signals: SignalSource;
}

/** Runs a call and resolves to its exit code. */
export type Command = (context: Context) => Promise<number>;
