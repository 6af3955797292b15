/** One process of the agent, started as a host does, but that its stdout is told apart from its stderr. */
import { type RunningProcess, startProcess } from '../../adapters/stdio/agent-process.ts';
import { messageStream } from '../../adapters/stdio/launcher.ts';
import { STDIO_LIMITS } from '../../adapters/stdio/limits.ts';
import type { AgentLauncher } from '../../engine/ports.ts';

export interface Program {
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

export interface Started {
  /** What it leaves behind lives on, and whoever was told of the process ends it. */
  readonly keepOrphans: true;
  readonly running: (running: RunningProcess) => void;
}

/** Starts processes of the program; `note` is told what is on their stdout and no message. */
export const launcherOf =
  ({ command, args, env }: Program, kept?: Started) =>
  (note: (line: string) => void): AgentLauncher => ({
    async launch({ agent: name, cwd = '' }, { signal }) {
      const spec = { name, command, args, cwd, env: { ...process.env, ...env } };
      const running = await startProcess(spec, { signal, limits: STDIO_LIMITS, ...(kept && { keepOrphans: true }) });
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
        // It is in the exit, where it is looked for. So what a connection adds stands alone.
        diagnostics: () => '',
      };
    },
  });
