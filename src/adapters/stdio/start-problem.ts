/** Why an agent, or a command it asked for, could not be started, and what to do. */
import { statSync } from 'node:fs';
import { RehydrateError } from '../../engine/errors.ts';

export interface Started {
  /** An agent's name, or a command as it was asked for. */
  readonly name: string;
  /** The program. */
  readonly command: string;
  readonly cwd: string;
  /** Default: an agent. */
  readonly what?: 'agent' | 'command';
}

/** Null when the directory can be used. */
export function cwdProblem({ name, cwd, what = 'agent' }: Omit<Started, 'command'>, isDirectory = isDirectoryNow): RehydrateError | null {
  let reason: string;
  try {
    if (isDirectory(cwd)) return null;
    reason = 'is not a directory';
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    reason = code === 'ENOENT' || code === 'ENOTDIR' ? 'does not exist' : `cannot be used (${code ?? String(error)})`;
  }
  const message = `The working directory ${cwd} of the ${what} '${name}' ${reason}. Make it, or name another.`;
  return new RehydrateError('cwd_missing', message, { [what]: name, cwd });
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such program, or the interpreter its first line names is missing. Check the spelling, or give its full path',
  EACCES: 'it is not executable. Make it so (chmod +x), or name the program that runs it',
  EPERM: 'the system does not allow it to run',
  ENOEXEC: 'it is not a program this system can run. Name the interpreter that runs it',
  ENOTDIR: 'a part of its path is not a directory',
  ENAMETOOLONG: 'its name is longer than the system allows',
  E2BIG: 'its arguments and environment are too large for the system',
  EAGAIN: 'the system has no process left to give. End some programs and try again',
  ENOMEM: 'the system is out of memory',
  EMFILE: 'this process has too many open files',
  ENFILE: 'the system has too many open files',
};

const isDirectoryNow = (cwd: string): boolean => statSync(cwd).isDirectory();

/** The error for a spawn that failed. Arguments are not quoted: they may hold secrets. */
export function startProblem(spec: Started, error: unknown): RehydrateError {
  const { what = 'agent' } = spec;
  const code = (error as NodeJS.ErrnoException).code;
  const why = (code === undefined ? undefined : REASONS[code]) ?? (error instanceof Error ? error.message : String(error));
  const program = what === 'command' && spec.name === spec.command ? '' : `${spec.command}: `;
  return new RehydrateError(
    'agent_start_failed',
    `The ${what} '${spec.name}' could not be started: ${program}${why}.`,
    { [what]: spec.name, command: spec.command, cause: code },
    { cause: error },
  );
}
