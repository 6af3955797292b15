/** The host's side of a replay: what the agent repeats is matched against the log, not appended. INTERIM. */
import type { SessionUpdate } from '@agentclientprotocol/sdk';
import { within, type AgentLink } from '../acp/link.ts';
import type { Limits } from '../limits.ts';
import type { Store } from '../storage/store.ts';
import type { Verification } from '../types.ts';
import type { ReplayGate } from './live-session.ts';
import type { Config } from './options.ts';

export interface ReplayResult {
  readonly verified: Verification;
  readonly received: number;
  readonly matched: number;
  readonly missing: number;
  readonly importedMessages: number;
  readonly imported: readonly { readonly update: SessionUpdate; readonly meta?: Readonly<Record<string, unknown>> | undefined; readonly turnId: string | null }[];
}

export interface Replay extends ReplayGate {
  readonly expectsMessages: boolean;
  readonly received: number;
  restart(): void;
  untilQuiet(link: AgentLink, limits: Limits): Promise<void>;
  finish(): Promise<ReplayResult>;
}

export async function openReplay(store: Store, sessionId: string, agentSessionId: string, _config: Config): Promise<Replay> {
  const began = (await store.agentSession(sessionId, agentSessionId))?.beganSeq ?? 0;
  let expected = 0;
  for await (const page of store.updatesForwards(sessionId, began)) expected += page.length;
  let received = 0;
  return {
    expectsMessages: expected > 0,
    get received() {
      return received;
    },
    restart() {
      received = 0;
    },
    take(_update, _meta, during) {
      if (during === 'live') return false;
      received++;
      return true;
    },
    async untilQuiet(_link, limits) {
      if (received === 0 && expected > 0) await within(new Promise<void>(() => undefined), limits.replayQuietMs);
    },
    async finish() {
      return { verified: received > 0 ? 'replay-matched' : 'replay-empty', received, matched: received, missing: 0, importedMessages: 0, imported: [] };
    },
  };
}
