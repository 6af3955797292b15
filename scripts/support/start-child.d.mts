export interface ChildExit {
  readonly code: number | null;
  readonly signal: string | null;
}
export interface StartedChild {
  readonly url: string;
  readonly pid: number;
  readonly exited: Promise<ChildExit>;
  stop(signal?: NodeJS.Signals): Promise<ChildExit>;
}
export function startChild(args?: readonly string[], env?: NodeJS.ProcessEnv): Promise<StartedChild>;
