/** `rehydrate prompt`: one turn of a durable session. */
import { isUtf8 } from 'node:buffer';
import { buffer as readAll } from 'node:stream/consumers';
import { RehydrateError } from '../../engine/errors.ts';
import { STOP_REASONS } from '../../engine/protocol/agent-protocol.ts';
import type { PromptResult } from '../../engine/types.ts';
import {
  type Command,
  type Context,
  endedBy,
  exitCodeOf,
  type Interrupts,
  messageOf,
  SIGNAL_EXITS,
  printError,
  watchInterrupts,
} from '../ends.ts';
import { EXIT } from '../table.ts';
import { explain, hostOf, type OpenHost, type PromptingHost } from '../host.ts';
import type { Output } from '../output.ts';
import { type Call, has, one } from '../parse.ts';
import {
  followEvents,
  jsonPrinter,
  ownEvents,
  permissionAsker,
  permissionRule,
  storedEvents,
  textPrinter,
  type TurnPrinter,
} from '../turn.ts';
import { applySettings, readySession, sessionOptions, type SessionOptions } from '../session.ts';

export const prompt: Command = async (context) => {
  const { call, output, signals } = context;
  const options = sessionOptions(call);
  const content = await promptText(call);
  const rule = permissionRule(call);
  // A signal that comes before there is a host is remembered; `oneTurn` then stops.
  const interrupts = watchInterrupts(signals);
  const open = await hostOf(call, rule, options.env);
  interrupts.act = (action) => {
    void endEarly(open, action, output);
  };
  const progress = { asked: false };
  let code: number;
  try {
    code = await oneTurn(context, open, options, content, interrupts, progress);
  } catch (error) {
    code = failed(explain(error, open.file), interrupts, progress.asked, output, has(call, 'json'));
  }
  interrupts.act = killOnly(open);
  await open.close();
  return code;
};

/** The call is ending anyway, so a further signal can only hurry it. */
const killOnly =
  (open: OpenHost): Interrupts['act'] =>
  (action) => {
    if (action === 'kill') void open.killAgents();
  };

/** `progress.asked` is set just before the host is asked for the turn: from then on a failure may be the turn's. */
async function oneTurn(
  { call, output }: Context,
  open: PromptingHost,
  options: SessionOptions,
  content: string,
  interrupts: Interrupts,
  progress: { asked: boolean },
): Promise<number> {
  const { host } = open;
  const { sessionId } = options;
  const json = has(call, 'json');
  const { before } = await readySession(host, options, output, interrupts.signal);
  interrupts.signal.throwIfAborted();
  const printer = json ? jsonPrinter(output) : textPrinter(output, { between: false });
  const asker = permissionAsker(call, host, sessionId, output);
  const own = ownEvents(open.ownIds, (event) => printer.event(event));
  const following = followEvents(host, sessionId, before, (event) => {
    own.event(event);
    if (event.kind !== 'permission_requested' || open.ownIds.has(event.payload.requestId)) asker.event(event);
    return output.room();
  });
  try {
    await applySettings(host, options);
    interrupts.signal.throwIfAborted();
    interrupts.act = (action) => {
      // When the turn cannot be cancelled, the prompt's own error says why.
      if (action === 'cancel') void host.cancel(sessionId).catch(() => undefined);
      else void endEarly(open, action, output);
    };
    const key = one(call, 'idempotency-key');
    progress.asked = true;
    const result = await host.prompt(sessionId, content, key === undefined ? {} : { idempotencyKey: key });
    await following.caughtUp();
    if (result.repeated) {
      output.note('this key was used before: here is the stored result; nothing was sent');
      if (!json) await repeatReply(open, sessionId, result, output, printer);
    }
    // An agent may say more after its answer. Closing waits until it is quiet, and what comes until then belongs to the reply.
    interrupts.act = killOnly(open);
    await open.close();
    await following.ended();
    printer.result(result);
    const signal = endedBy(interrupts.ending);
    if (signal) return SIGNAL_EXITS[signal];
    if (!STOP_REASONS.has(result.stopReason)) return EXIT.error;
    return result.stopReason === 'cancelled' ? EXIT.cancelled : EXIT.ok;
  } catch (error) {
    // Print what was stored of the turn before its error. In a busy session, though, the turn is another process's.
    if (exitCodeOf(error) !== EXIT.busy) {
      await following.caughtUp();
      own.release();
      printer.end();
    }
    throw error;
  } finally {
    asker.stop();
    await following.stop();
  }
}

/** Prints the stored reply of a turn, for a call that repeats it. */
async function repeatReply({ host }: OpenHost, sessionId: string, { turnId }: PromptResult, output: Output, printer: TurnPrinter) {
  for await (const event of storedEvents(host, sessionId)) {
    if (event.turnId === turnId && event.kind === 'update') printer.event(event);
    await output.room();
  }
}

/** Reports a failure, and returns the exit code: that of the signal, if one caused it. */
function failed(error: unknown, interrupts: Interrupts, asked: boolean, output: Output, json: boolean): number {
  const signal = endedBy(interrupts.ending);
  if (interrupts.signal.aborted && neverSent(error, asked)) {
    if (json) output.json({ type: 'result', turnId: null, stopReason: 'cancelled' });
    output.note(`cancelled before the prompt was sent${signal ? ` (${signal})` : ''}`);
    return signal ? SIGNAL_EXITS[signal] : EXIT.cancelled;
  }
  printError(error, output, json);
  return signal ? SIGNAL_EXITS[signal] : exitCodeOf(error);
}

/** Whether a prompt that a signal ended was certainly not sent. If not, its error says what is known. */
export function neverSent(error: unknown, asked: boolean): boolean {
  return !asked || (RehydrateError.is(error) && error.code === 'prompt_cancelled');
}

async function endEarly(open: OpenHost, action: 'cancel' | 'sleep' | 'kill', output: Output): Promise<void> {
  output.hurry();
  try {
    if (action === 'kill') await open.killAgents();
    await open.host.sleep();
  } catch (error) {
    output.note(`rehydrate: the host could not be put to sleep: ${messageOf(error)}`);
  }
}

/** Reads the prompt, and checks it before anything is opened or started. */
async function promptText(call: Call): Promise<string> {
  const [word = ''] = call.words;
  const content = word === '-' ? utf8(await readAll(process.stdin)) : word;
  if (content.trim() === '') {
    throw new RehydrateError(
      'invalid_argument',
      `The prompt is empty${word === '-' ? ' (read from stdin)' : ''}. Write what the agent should do.`,
      { argument: 'TEXT' },
    );
  }
  return content;
}

function utf8(bytes: Buffer): string {
  if (isUtf8(bytes)) return bytes.toString('utf8');
  throw new RehydrateError(
    'invalid_argument',
    'The prompt (read from stdin) is not UTF-8, and part of it would be lost. Convert it, for example with iconv.',
    {
      argument: 'TEXT',
    },
  );
}
