/** Reading what a session's record and the agents' log say. */
import type { SessionEvent } from '../../../src/engine/index.ts';
import type { AgentLogLine } from '../../faults/engine-host/agent-log.ts';

/** What the agent said, in one turn or in all. */
export const said = (events: readonly SessionEvent[], turnId?: string): string =>
  events
    .filter((event) => turnId === undefined || event.turnId === turnId)
    .map((event) =>
      event.kind === 'update' && event.payload.sessionUpdate === 'agent_message_chunk' && event.payload.content.type === 'text'
        ? event.payload.content.text
        : '',
    )
    .join('');

/** How often agents were sent a prompt of this text. */
export const sentTo = (log: readonly AgentLogLine[], text: string): number =>
  log.filter((line) => line.at === 'prompt' && line.text === text).length;
