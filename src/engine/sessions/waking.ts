/** A session of the record becomes live again, or is at least no longer somebody's who is gone. */
import { endLeftBehind, letGo, notFound, takeLease } from './lease.ts';
import type { NewEvent } from '../storage/statements.ts';
import type { ResumePolicy, ResumeReport } from '../types.ts';
import { resumeAgent } from './become-live.ts';
import { knownFrom, toColumns, type KnownState } from './last-known.ts';
import type { LiveSession } from './live-session.ts';
import type { LivingParts } from './living.ts';
import { reportOf, withAgent, type BecomeLive, type Opened } from './opening.ts';
import type { Config } from './options.ts';
import { recallSecrets } from './recall.ts';
import type { Slot } from './slots.ts';

export interface Wake {
  readonly sessionId: string;
  readonly slot: Slot;
  readonly policy: ResumePolicy;
  readonly signal: AbortSignal;
}

/** Takes the lease and resumes; call it inside `opening`. When it fails, the lease is free again and no agent is left. */
export async function wake(
  { config, store, lease, authMethods, newSession, writerFor }: LivingParts,
  { sessionId, slot, policy, signal }: Wake,
): Promise<{ session: LiveSession; value: LiveSession }> {
  const began = performance.now();
  const stored = await store.session(sessionId);
  if (!stored) throw notFound(sessionId);
  const { info } = stored;
  const secrets = slot.secrets ?? (await recallSecrets(config.secrets, info));
  const taken = await takeLease(lease, sessionId);
  const session = newSession(sessionId, info.agent, info.cwd, info.additionalDirectories, secrets, slot);
  const before = knownFrom(info);
  // Modes and options are as the agent says now; the others stay until it says otherwise.
  session.known = { ...before, modes: null, configOptions: null };
  writerFor(session, taken.fence, taken.latestSeq);
  const open: BecomeLive = {
    config,
    store,
    session,
    agent: info.agent,
    cwd: info.cwd,
    additionalDirectories: info.additionalDirectories,
    secrets,
    policy,
    signal,
    authMethod: authMethods.get(info.agent),
  };
  try {
    await withAgent(
      open,
      (link) => resumeAgent(open, stored, link, began),
      (opened) => recordOpening(session, opened, config, before),
    );
  } catch (error) {
    await session.writer.settled();
    await letGo(lease, taken.fence);
    throw error;
  }
  slot.secrets = secrets;
  return { session, value: session };
}

/** Writes what the opening found: imported messages, the report, what is known now. Then early updates follow. */
async function recordOpening(session: LiveSession, opened: Opened, config: Config, before: KnownState): Promise<ResumeReport> {
  const at = config.clock();
  const report = session.redact(reportOf(opened, session.link));
  session.known = { ...session.known, ...opened.known };
  const changes = session.takeStateChanges(before);
  const events: NewEvent[] = [
    ...(opened.replay?.heard ?? []).map(({ update, meta, turnId, origin }): NewEvent => ({
      kind: 'update',
      turnId,
      at,
      origin,
      payload: update,
      ...(meta ? { meta } : {}),
    })),
    { kind: 'resumed', turnId: null, at, origin: 'host', payload: report },
    ...changes.map(({ update, meta }): NewEvent => ({
      kind: 'update',
      turnId: null,
      at,
      origin: 'agent',
      payload: update,
      ...(meta ? { meta } : {}),
    })),
  ];
  // In the same tick, so that nothing comes in between.
  const written = session.writer.append({
    events,
    lastKnown: { ...toColumns(session.known), capabilities: session.facts.capabilities, agent_info: session.facts.info },
  });
  session.finishOpening();
  const { lastSeq } = await written;
  if (opened.tier === 'transcript' || opened.tier === 'new') {
    session.successor = {
      preamble: opened.preamble?.blocks ?? null,
      preambleText: opened.preamble?.text ?? null,
      beganSeq: lastSeq - changes.length,
    };
  }
  session.report = report;
  return report;
}

/** Ends what a dead host left running. Errors: `session_busy` when its host lives, `session_not_found`. */
export async function settleLeftBehind({ store, lease }: LivingParts, sessionId: string, { activity }: Slot): Promise<void> {
  if (activity.kind === 'live' || activity.kind === 'prompting') {
    const stored = await store.session(sessionId);
    // What runs is ours, and ends by itself.
    if (stored?.lease.owner === lease.self) return;
    // Another host took the session over, and this one has not noticed yet.
    await activity.session.shutdown({ kind: 'taken_over', words: 'the session was taken over by another host' }, 'kill');
  }
  await endLeftBehind(lease, sessionId);
}
