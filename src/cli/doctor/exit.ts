/** Examines whether the agent ends when its input is closed, and which processes it leaves behind. */
import { readFileSync } from 'node:fs';
import { exitOf } from '../../adapters/stdio/agent-process.ts';
import { STDIO_LIMITS } from '../../adapters/stdio/limits.ts';
import type { ProcessEntry } from '../../adapters/stdio/process-table.ts';
import { delay, within } from '../../engine/waiting.ts';
import { count, seconds } from '../format.ts';
import { describeEnd, type RunningAgent, startAgent } from './agent.ts';
import type { Examination } from './examination.ts';
import { launcherOf, type Running } from './process.ts';
import { fail, type Found, methodOf, pass, record, skip } from './report.ts';
import { says } from './word.ts';

/** How long the processes that an agent started may take to end after it. */
const FOLLOW_MS = 3_000;

/** Ends the agent as a host does, but looks at what it leaves behind before ending that. */
export async function lookAtExit(x: Examination): Promise<Found> {
  let running: Running | undefined;
  const launch = launcherOf(x.program, { keepOrphans: true, running: (started) => (running = started) });
  try {
    // Here its end is not misconduct; `judgeExit` looks at it.
    const agent = await startAgent({ ...x, launch, conduct: { ...x.conduct, ends: [] } });
    const work = await setToWork(x, agent);
    agent.letGo();
    return await judgeExit(x, running!, agent.asked, work);
  } finally {
    await running?.end('kill');
  }
}

/** What the agent did before its input was closed. */
interface Work {
  /** What it could not do, as a sentence with a space in front. */
  readonly untried: string;
  /** How it ended instead of answering, if it did. */
  readonly crash?: string | false;
}

/**
 * Makes a session, and prompts it if a prompt was answered before, because agents start helper processes then. The prompt asks for what another
 * session was told: if the agent knows that here, too, then knowing it there proves nothing.
 */
async function setToWork(x: Examination, agent: RunningAgent): Promise<Work> {
  const { told } = x;
  const { facts, failure } = await agent.introduce();
  if (!facts) return { untried: ' It had not been initialized.', crash: failure };
  const made = await agent.newSession();
  if (made.sessionId === null) return { untried: ' It had no session.', crash: made.kind === 'ended' && made.failure };
  if (told === null || told.said.length === 0) return { untried: ' It had not been prompted.' };
  const { answer, reply } = await agent.askFor(made.sessionId, 'codeword', []);
  if (told.codeword !== null && says(reply, told.codeword)) sharesMemory(x);
  if (answer.kind === 'answered') return { untried: '' };
  return { untried: ` Before, it ${answer.failure}.`, crash: answer.kind === 'ended' && answer.failure };
}

function sharesMemory(x: Examination): void {
  const untried = 'a new session knows the codeword, too';
  for (const how of ['resume', 'load'] as const) {
    const came = x.came[how];
    if (came?.outcome !== 'ok' || came.forgotten) continue;
    x.came[how] = { ...came, untried };
    const method = methodOf(how, x.facts?.protocolVersion);
    const detail = `After kill -9 it answered ${method} with success. Whether it remembers the session cannot be seen: ${untried}.`;
    record(x.found, { [`kill-and-${how}`]: pass(detail, x.found[`kill-and-${how}`]?.ms) });
  }
}

async function judgeExit(x: Examination, running: Running, asked: string, { untried, crash }: Work): Promise<Found> {
  const { left, pid, stdin, tree } = running;
  const { graceMs = STDIO_LIMITS.askMs } = x.options;
  // Waits a moment, because its output may end before its exit is known.
  const early = await within(left, 100);
  if (early !== undefined && !crash) x.conduct.ends.push(`${describeEnd(exitOf(early, running.diagnostics()))} after ${asked}`);
  const isWindows = process.platform === 'win32';
  // Listed while the tree is whole, so that a child which leaves the process group later is still known.
  const before = isWindows ? 1 : (await tree.survivors()).length;
  const began = performance.now();
  stdin.end();
  // An agent that could not make a session before has already failed for that.
  const crashed: Found = crash ? { 'clean-exit': (x.told ? fail : skip)(`It ${crash}.`) } : {};
  const clean: Found = early === undefined ? { 'clean-exit': await ending() } : crashed;
  if (isWindows) return { ...clean, 'no-orphans': skip('Not examined on Windows.') };
  let orphans = await tree.survivors();
  for (const deadline = performance.now() + FOLLOW_MS; orphans.length > 0 && performance.now() < deadline; orphans = await tree.survivors())
    await delay(50);
  const none = pass(`Nothing was left of ${early === undefined ? `its ${count(before, 'process')}` : 'it'}.${untried}`);
  const some = fail(`It left ${count(orphans.length, 'process')} behind: ${orphans.map(nameOf).join(', ')}.`);
  return { ...clean, 'no-orphans': orphans.length === 0 ? none : some };

  async function ending() {
    const exit = await within(left, graceMs);
    const ms = performance.now() - began;
    if (exit?.code === 0) return pass(`It exited with code 0 when its input closed.${untried}`, ms);
    if (exit) {
      const end = exit.signal ? `died of ${exit.signal}` : `exited with code ${exit.code}`;
      return fail(`When its input closed it ${end}, which a client must take for a crash.`, ms);
    }
    await tree.signal('SIGTERM');
    let how = '; SIGTERM ended it';
    if (!(await within(left, STDIO_LIMITS.termMs))) {
      how = ', and in spite of SIGTERM; a client has to kill it';
      // Only the agent itself, to see whether what it started ends with it.
      process.kill(pid, 'SIGKILL');
      await within(left, STDIO_LIMITS.goneMs);
    }
    return fail(`It was still running ${seconds(graceMs)} after its input had closed${how}.`, performance.now() - began);
  }
}

function nameOf({ pid }: ProcessEntry): string {
  if (process.platform !== 'linux') return String(pid);
  try {
    return `${readFileSync(`/proc/${pid}/comm`, 'utf8').trim()} (${pid})`;
  } catch {
    return String(pid); // it has just ended
  }
}
