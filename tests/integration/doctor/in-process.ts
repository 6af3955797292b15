/** Scripted agents in this process, as the doctor starts processes: bytes on pipes, an exit, a tree of one. */
import { PassThrough, Readable, Writable } from 'node:stream';
import { ndJsonStream } from '@agentclientprotocol/sdk';
import { exitOf, type ExitFacts } from '../../../src/adapters/stdio/agent-process.ts';
import type { Start } from '../../../src/cli/doctor/process.ts';
import { type AgentVariant, memoryStore, runScriptedAgent, sleeper } from '../../../src/testing/agents/index.ts';

/** Processes of one agent, which share its store. Nothing here outlives an end: a stubborn agent needs a real process. */
export function inProcess(variant: AgentVariant): Start {
  const store = memoryStore();
  return async () => {
    const [stdin, stdout] = [new PassThrough(), new PassThrough()];
    const lines: string[] = [];
    const left = Promise.withResolvers<ExitFacts>();
    let asked = false;
    let lives = true;
    const leave = (code: number | null, signal: string | null = null) => {
      lives = false;
      stdout.end();
      left.resolve({ code, signal, asked, sent: signal === null ? [] : [signal] });
    };
    const log = (text: string) => void (lives && lines.push(text));
    // What an agent would have said after its end.
    stdout.on('error', () => undefined);
    const stream = ndJsonStream(
      Writable.toWeb(stdout) as WritableStream<Uint8Array>,
      Readable.toWeb(stdin) as unknown as ReadableStream<Uint8Array>,
    );
    const around = { exit: leave, log, print: (line: string) => void stdout.write(`${line}\n`), env: () => undefined, sleep: sleeper(0) };
    void runScriptedAgent(stream, { variant, store, around }).closed.then(() => leave(0));
    const exited = left.promise.then((facts) => exitOf(facts, lines.join('\n')));
    const me = { pid: process.pid, ppid: process.ppid, pgid: process.pid, startTime: '', zombie: false };
    return {
      pid: process.pid,
      stdin,
      stdout,
      left: left.promise,
      exited,
      tree: { survivors: async () => (lives ? [me] : []), signal: async (signal) => leave(null, signal) },
      diagnostics: () => lines.join('\n'),
      note: (line) => void lines.push(String(line)),
      end: (how) => {
        asked = true;
        if (how === 'kill') leave(null, 'SIGKILL');
        else stdin.end();
        return exited;
      },
    };
  };
}
