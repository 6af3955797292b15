/** Starts the agent as a host does, except that what it writes to stdout is kept apart from its stderr. */
import { type ProcessSpec, type RunningProcess, type StartOptions, startProcess } from '../../adapters/stdio/agent-process.ts';
import { messageStream } from '../../adapters/stdio/launcher.ts';
import { STDIO_LIMITS } from '../../adapters/stdio/limits.ts';
import type { ProcessTree } from '../../adapters/stdio/tree.ts';
import type { AgentLauncher } from '../../engine/ports.ts';

/** What an examination needs of a process. */
export type Running = Pick<RunningProcess, 'pid' | 'stdin' | 'stdout' | 'left' | 'exited' | 'diagnostics' | 'note' | 'end'> & {
  readonly tree: Pick<ProcessTree, 'survivors' | 'signal'>;
};
export type Start = (spec: ProcessSpec, options: StartOptions) => Promise<Running>;

export interface Program {
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly start?: Start | undefined;
}

export interface Started {
  /** Processes that the agent leaves behind live on, until the receiver of `running` ends them. */
  readonly keepOrphans: true;
  readonly running: (running: Running) => void;
}

/** `note` is told each line on stdout that is not a message. */
export const launcherOf =
  ({ command, args, env, start = startProcess }: Program, kept?: Started) =>
  (note: (line: string) => void): AgentLauncher => ({
    async launch({ agent: name, cwd = '' }, { signal }) {
      const spec = { name, command, args, cwd, env: { ...process.env, ...env } };
      const running = await start(spec, { signal, limits: STDIO_LIMITS, ...(kept && { keepOrphans: true }) });
      kept?.running(running);
      const { stdin, stdout, exited } = running;
      const noteLine = (line: Uint8Array | string): void => {
        running.note(line);
        note(Buffer.from(line).toString('utf8'));
      };
      return {
        stream: messageStream(name, { stdin, stdout, note: noteLine, drop: noteLine }, STDIO_LIMITS),
        exited,
        end: (how) => (kept ? exited : running.end(how)),
        // The process's own output is in the exit; so the diagnostics of a connection are only the connection's.
        diagnostics: () => '',
      };
    },
  });
