/** What the core of a scripted agent needs from its platform. */
import { delay } from '../../engine/waiting.ts';

export interface Surroundings {
  /** Ends the process at once with this code. Nothing said after that must reach the client. */
  exit(code: number): void;
  /** Writes to where a process has stderr. */
  log(text: string): void;
  /** Writes a line to where a process has stdout, outside the protocol. */
  print(line: string): void;
  /** An environment value, where there is an environment. */
  env(name: string): string | undefined;
  /** The files in a directory, where there is a disk. */
  listFiles?(directory: string): Promise<readonly string[]>;
  /** The text of a file, where there is a disk and it can be read; else null. */
  readFile?(path: string): Promise<string | null>;
  /** Waits, at most until the signal aborts. Tests make it shorter. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/**
 * Waits for `ms` milliseconds times `pace`, or until the signal aborts.
 *
 * @example
 * const sleep = sleeper(0); // a test does not wait
 */
export function sleeper(pace: number): Surroundings['sleep'] {
  return (ms, signal) => delay(ms * pace, signal);
}
