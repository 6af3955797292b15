/**
 * Launchers and their processes are somebody else's code. Here they are held to the port: what a launcher throws or returns wrongly becomes
 * an error that says so, and a process always comes to an end, without throwing.
 */
import { RehydrateError } from '../errors.ts';
import { FIXED_LIMITS } from '../limits.ts';
import { fieldsOf, stringOf } from '../objects.ts';
import { asExit, type AgentExit, type AgentLauncher, type AgentProcess, type AgentSpec } from '../ports.ts';
import { redactTokens } from '../transcript/token-shapes.ts';
import { within } from '../waiting.ts';
import { beginning, QUOTE_CHARS } from './bounded.ts';
import { messageOf } from './json-rpc.ts';

/** Starts an agent. Error: `agent_timeout`, when that takes more than `startMs`, and those of the launcher. */
export async function launch(launcher: AgentLauncher, spec: AgentSpec, caller: AbortSignal, startMs: number): Promise<AgentProcess> {
  const late = new AbortController();
  const signal = AbortSignal.any([caller, late.signal]);
  const onLate = () => {
    const message = `Agent "${spec.agent}" was not started by its launcher within ${startMs / 1000} s. Mend what that waits for, or raise the limit initializeMs.`;
    late.abort(new RehydrateError('agent_timeout', message, { agent: spec.agent, afterMs: startMs }));
  };
  const timer = setTimeout(onLate, startMs);
  const failed = (what: string, cause?: unknown) =>
    new RehydrateError(
      'agent_start_failed',
      `Agent "${spec.agent}" could not be started: its launcher ${what}. Mend what it needs, and try again.`,
      { agent: spec.agent },
      { cause },
    );
  try {
    const given: unknown = await untilGivenUp(async () => launcher.launch(spec, { signal }), signal);
    if (!isProcess(given)) throw failed('gave no agent process, which has a stream that nobody uses yet, exited and end');
    return heldToPort(given);
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    if (RehydrateError.is(error)) throw error;
    throw failed(`threw (${redactTokens(beginning(String(error), QUOTE_CHARS))})`, error);
  } finally {
    clearTimeout(timer);
  }
}

/** Waits for the start. A launcher that ignores the signal is not waited for any longer, and what it starts later is killed. */
async function untilGivenUp(start: () => Promise<AgentProcess>, signal: AbortSignal): Promise<AgentProcess> {
  const started = start();
  const { promise: tooLate, reject } = Promise.withResolvers<never>();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const giveUp = () => {
    started.then((late) => heldToPort(late).end('kill')).catch(() => undefined);
    reject(signal.reason);
  };
  const onAbort = () => (timer = setTimeout(giveUp, FIXED_LIMITS.launcherMs));
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([started, tooLate]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', onAbort);
  }
}

function isProcess(given: unknown): given is AgentProcess {
  const { stream, exited, end } = fieldsOf(given) as Partial<AgentProcess>;
  const { readable, writable } = fieldsOf(stream);
  const isFree = (side: unknown, method: string): boolean => {
    const { [method]: getLock, locked } = fieldsOf(side);
    return typeof getLock === 'function' && locked === false;
  };
  return isFree(readable, 'getReader') && isFree(writable, 'getWriter') && typeof exited?.then === 'function' && typeof end === 'function';
}

function heldToPort(process: AgentProcess): AgentProcess {
  const { promise: exited, resolve: settle } = Promise.withResolvers<AgentExit>();
  const lost = (what: string): void => settle({ kind: 'disconnected', code: null, signal: null, message: `its launcher ${what}` });
  const told = (exit: unknown): void => {
    const known = asExit(exit);
    if (known) settle(known);
    else lost('did not tell how it ended');
  };
  process.exited.then(told, (error: unknown) => lost(`failed (${messageOf(error)})`));
  return {
    stream: process.stream,
    exited,
    async end(how) {
      const ending = (async () => process.end(how))().then(told, (error: unknown) => lost(`could not end it (${messageOf(error)})`));
      await within(ending, FIXED_LIMITS.launcherMs);
      // Does nothing if the exit is known by now.
      lost(`did not end it within ${FIXED_LIMITS.launcherMs / 1000} s`);
      return exited;
    },
    diagnostics() {
      try {
        return stringOf(process.diagnostics());
      } catch {
        return '';
      }
    },
    dropped() {
      try {
        const { lines, last } = fieldsOf(process.dropped?.());
        return typeof lines === 'number' && typeof last === 'string' ? { lines, last } : null;
      } catch {
        return null;
      }
    },
  };
}
