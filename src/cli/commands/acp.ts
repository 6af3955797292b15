/** `rehydrate acp`: an agent for an editor, with sessions that never die. stdout carries ACP and nothing else. */
import type { RehydrateError } from '../../engine/errors.ts';
import { DEFAULT_LIMITS } from '../../engine/limits.ts';
import { serveAcp } from '../../server/index.ts';
import { type Command, type Context, endedBy, SIGNAL_EXITS, watchInterrupts } from '../ends.ts';
import { EXIT } from '../table.ts';
import { hostOf } from '../host.ts';
import { type Call, has, one, UsageError } from '../parse.ts';
import { sessionOptions } from '../session.ts';
import { agentAddress, pump, stdioMessages, type ServerAddress } from '../stdio-messages.ts';
import { tokenFrom } from './bridge.ts';

export const acp: Command = ({ call, ...context }) => {
  const url = one(call, 'connect');
  if (url !== undefined) return connect(url, { call, ...context });
  if (call.agent.length === 0)
    throw new UsageError('“acp” needs an agent’s command after --, as in: -- my-agent --acp; or --connect.', 'acp');
  return serveHere({ call, ...context });
};

async function serveHere({ call, output, signals }: Context): Promise<number> {
  const options = sessionOptions(call);
  const asked = Promise.withResolvers<void>();
  const interrupts = watchInterrupts(signals, () => asked.resolve());
  // What the agent asks of its client is the editor's to answer, not this process's.
  const opened = await hostOf(call, 'ask', options.env, { client: null });
  let fault: RehydrateError | undefined;
  const messages = stdioMessages(process.stdin, process.stdout, DEFAULT_LIMITS.messageBytes, (error) => (fault = error));
  const serving = serveAcp(opened.host, messages, {
    agent: one(call, 'agent') ?? options.agent,
    env: options.env,
    // Where the editor would have started the agent.
    cwd: process.cwd(),
    adopt: has(call, 'adopt'),
  });
  interrupts.act = (action) => {
    asked.resolve();
    if (action === 'kill') void opened.killAgents();
  };
  await Promise.race([serving.closed, asked.promise]);
  serving.close();
  await opened.close();
  // What was said last is gathered until then.
  await new Promise(setImmediate);
  interrupts.stop();
  if (fault !== undefined) throw fault;
  const signal = endedBy(interrupts.ending, 'SIGINT');
  if (signal !== null) output.note(`ended by ${signal}`);
  return signal === null ? EXIT.ok : SIGNAL_EXITS[signal];
}

/** The same on a server, which keeps the sessions: this process only leads to it. */
async function connect(url: string, { call, signals }: Context): Promise<number> {
  const leading = pump(serverOf(url, call), process.stdin, process.stdout);
  const interrupts = watchInterrupts(signals, leading.close);
  await leading.done;
  interrupts.stop();
  const signal = endedBy(interrupts.ending, 'SIGINT');
  return signal === null ? EXIT.ok : SIGNAL_EXITS[signal];
}

function serverOf(url: string, call: Call): ServerAddress {
  const [agent, file] = [one(call, 'agent'), one(call, 'token-file')];
  if (agent === undefined || file === undefined)
    throw new UsageError('--connect needs --agent NAME and --token-file FILE: which agent of the server, and where its token is.', 'acp');
  if (call.agent.length > 0) throw new UsageError('With --connect the server starts the agent; leave away what follows --.', 'acp');
  if (!URL.canParse(url) || !/^(ws|http)s?:$/.test(new URL(url).protocol))
    throw new UsageError(`“${url}” is no address of a server: ws://HOST:PORT, or the gateway URL of a RivetKit actor.`, 'acp');
  return agentAddress(url, agent, tokenFrom(file));
}
