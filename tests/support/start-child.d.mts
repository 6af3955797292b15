export interface ChildExit {
  readonly code: number | null;
  readonly signal: string | null;
}
export interface StartedChild {
  readonly url: string;
  /** What lets the first browser in. */
  readonly address: string;
  /** Does what a browser does with the printed address, and gives the cookie it gets. */
  letIn(): Promise<{ readonly name: string; readonly value: string }>;
  readonly pid: number;
  readonly exited: Promise<ChildExit>;
  stop(signal?: NodeJS.Signals): Promise<ChildExit>;
}
export function startChild(args?: readonly string[], env?: NodeJS.ProcessEnv): Promise<StartedChild>;
