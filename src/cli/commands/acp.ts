/** `rehydrate acp`: runs an agent for an editor, with sessions that survive it. stdout carries ACP and nothing else. */
import type { RehydrateError } from '../../engine/errors.ts';
import { DEFAULT_LIMITS } from '../../engine/limits.ts';
import { within } from '../../engine/waiting.ts';
import { serveAcp } from '../../server/index.ts';
import { type Command, type Context, firstSignal, SIGNAL_EXITS } from '../ends.ts';
import { EXIT } from '../table.ts';
import { hostOf } from '../host.ts';
import { type Call, has, one, UsageError } from '../parse.ts';
import { sessionOptions } from '../session.ts';
import { ANSWERS_MS, answeredToTheEnd, stdioMessages } from '../stdio-messages.ts';
import { tokenFrom } from '../token-file.ts';

export const acp: Command = ({ call, ...context }) => {
  const url = one(call, 'connect');
  if (url !== undefined) return connect(url, { call, ...context });
  if (call.agent.length === 0)
    throw new UsageError('“acp” needs an agent’s command after --, as in: -- my-agent --acp; or --connect.', 'acp');
  return serveHere({ call, ...context });
};

async function serveHere({ call, output, signals }: Context): Promise<number> {
  const options = sessionOptions(call);
  // Requests of the agent go to the editor.
  const opened = await hostOf(call, 'ask', options.env, { client: null });
  const signalled = firstSignal(signals, opened.killAgents);
  let fault: RehydrateError | undefined;
  const messages = stdioMessages(process.stdin, process.stdout, DEFAULT_LIMITS.messageBytes, (error) => (fault = error));
  const answered = async () => {
    serving.inputEnded();
    await within(serving.idle(), ANSWERS_MS);
  };
  const serving = serveAcp(
    opened.host,
    { ...messages, readable: answeredToTheEnd(messages.readable, answered) },
    {
      agent: one(call, 'agent') ?? options.agent,
      env: options.env,
      // Where the editor would have started the agent.
      cwd: process.cwd(),
      adopt: has(call, 'adopt'),
    },
  );
  const signal = await Promise.race([serving.closed, signalled]);
  serving.close();
  await opened.close();
  output.hurry();
  // The last messages are written on the next turn of the event loop.
  await new Promise(setImmediate);
  if (fault !== undefined) throw fault;
  if (!signal) return EXIT.ok;
  output.note(`ended by ${signal}`);
  return SIGNAL_EXITS[signal];
}

/** With `--connect` the server has the sessions; this process only passes messages on. */
async function connect(url: string, { call, output, signals }: Context): Promise<number> {
  const server = serverOf(url, call);
  // Imported here, so that no other call waits for it to load.
  const { agentAddress, pump } = await import('../connect.ts');
  const connection = pump(agentAddress(url, server.agent, server.token), process.stdin, process.stdout);
  let code: number = EXIT.ok;
  void firstSignal(signals).then((signal) => {
    code = SIGNAL_EXITS[signal];
    connection.close();
  });
  await connection.done;
  output.hurry();
  return code;
}

function serverOf(url: string, call: Call) {
  const agent = one(call, 'agent');
  const file = one(call, 'token-file');
  if (agent === undefined || file === undefined)
    throw new UsageError('--connect needs --agent NAME and --token-file FILE: which agent of the server, and where its token is.', 'acp');
  if (call.agent.length > 0) throw new UsageError('With --connect the server starts the agent; leave out what follows --.', 'acp');
  if (!URL.canParse(url) || !/^(ws|http)s?:$/.test(new URL(url).protocol))
    throw new UsageError(`“${url}” is not the address of a server: ws://HOST:PORT, or the gateway URL of a RivetKit actor.`, 'acp');
  return { agent, token: tokenFrom(file) };
}
