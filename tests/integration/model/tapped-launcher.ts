/** Agents in this process whose every prompt is noted, with what was in the database when it was sent. */
import type { AnyMessage } from '@agentclientprotocol/sdk';
import type { AgentLauncher, AgentProcess, SqlDatabase } from '../../../src/engine/index.ts';
import type { InProcessAgent, InProcessLauncher } from '../../../src/testing/agents/index.ts';

export interface Sent {
  readonly agentSessionId: string;
  readonly blocks: number;
  readonly text: string;
  /** Whether the user's words were in the log when they were sent (I1). */
  readonly stored: boolean;
}

export interface TappedLauncher extends AgentLauncher {
  /** Agents of this host that still run. */
  readonly alive: number;
  /** Ends one as a crash does; false when there is none. */
  crashAgent(): boolean;
  /** Ends all at once, as the guard does when their host was killed. */
  killAll(): Promise<void>;
}

export function tapped(launcher: InProcessLauncher, database: SqlDatabase, sent: Sent[]): TappedLauncher {
  const running = new Set<InProcessAgent>();
  const note = async (message: AnyMessage): Promise<void> => {
    if (!('method' in message) || message.method !== 'session/prompt') return;
    const { sessionId, prompt } = message.params as { sessionId: string; prompt: { text?: string }[] };
    const text = prompt.at(-1)?.text ?? '';
    const rows = await database.query(
      `SELECT 1 AS yes FROM acp_session_events WHERE kind = 'update' AND origin = 'host' AND json_extract(payload, '$.content.text') = ?`,
      [text],
    );
    sent.push({ agentSessionId: sessionId, blocks: prompt.length, text, stored: rows.length > 0 });
  };
  return {
    get alive() {
      return running.size;
    },
    crashAgent() {
      const [agent] = running;
      agent?.crash();
      return agent !== undefined;
    },
    async killAll() {
      for (const agent of running) await agent.end('kill');
    },
    async launch(spec, options): Promise<AgentProcess> {
      const agent = (await launcher.launch(spec, options)) as InProcessAgent;
      running.add(agent);
      void agent.exited.then(() => running.delete(agent));
      const writer = agent.stream.writable.getWriter();
      const writable = new WritableStream<AnyMessage>({
        async write(message) {
          await note(message);
          await writer.write(message);
        },
        close: () => writer.close(),
        abort: (reason) => writer.abort(reason),
      });
      return {
        stream: { readable: agent.stream.readable, writable },
        exited: agent.exited,
        end: (how) => agent.end(how),
        diagnostics: () => agent.diagnostics(),
      };
    },
  };
}
