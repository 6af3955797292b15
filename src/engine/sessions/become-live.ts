/** Makes a durable session live again: goes through the tiers as `nextStep` decides, and checks a success. */
import type { AgentLink } from '../protocol/link.ts';
import { readSettings } from '../protocol/v1.ts';
import { RehydrateError } from '../errors.ts';
import { classifyResumeFailure } from '../resume/classify.ts';
import { nextStep, type NativeMethod, type NextStep, type TriedStep } from '../resume/decide.ts';
import { verifyResume } from '../resume/verify.ts';
import type { StoredSession } from '../storage/rows.ts';
import type { AttemptMethod, AttemptOutcome, ResumeAttempt, Tier, Verification } from '../types.ts';
import { askList, type Listed } from './ask-list.ts';
import { knownFrom, type KnownState } from './last-known.ts';
import { authRequired, callWithAuth, newAgentSession, sessionParams, tenths, type BecomeLive, type Opened } from './opening.ts';
import { makePreamble, type MadePreamble } from './preamble.ts';
import { openReplay, type Outcome, type Replay } from './replay.ts';
import { restoreSettings } from './settings.ts';

/** Goes through the tiers. */
export async function resumeAgent(open: BecomeLive, stored: StoredSession, link: AgentLink, began: number): Promise<Opened> {
  const { session, store, config, policy } = open;
  const { info } = stored;
  const before = knownFrom(info);
  const oldId = info.agentSessionId;
  const attempts: ResumeAttempt[] = [];
  /** The same, as `nextStep` wants them. */
  const tried: TriedStep[] = [];
  const hasHistory = await store.hasMessages(info.sessionId);
  let replay: Replay | null = null;
  let outcomeOfReplay: Outcome | null = null;
  let verified: Verification | null = null;
  let listed: Listed | undefined;
  let result: unknown = null;

  const note = (method: AttemptMethod, outcome: AttemptOutcome, evidence: string, since: number, error?: ResumeAttempt['error']) => {
    attempts.push({ method, outcome, evidence, ...(error ? { error } : {}), ms: tenths(link.agentMs - since) });
  };

  const list = async (): Promise<Listed> =>
    (listed ??= oldId !== null && session.facts.canList ? await askList(link, oldId, open.cwd, config.limits) : 'unknown');

  const native = async (method: NativeMethod): Promise<void> => {
    const record = (outcome: AttemptOutcome, evidence: string, since: number, error?: ResumeAttempt['error'], weak?: true) => {
      tried.push({ method, outcome, ...(weak ? { weak } : {}) });
      note(method, outcome, evidence, since, error);
    };
    const id = oldId as string;
    const since = link.agentMs;
    session.adopt(id);
    replay ??= await openReplay(store, info.sessionId, id, session.redact);
    replay.restart(method);
    session.gate = replay;
    verified = null;
    const outcome = await callWithAuth(open, link, method, { sessionId: id, ...sessionParams(open) });
    switch (outcome.kind) {
      case 'hung':
        return record('hang', `no answer within ${outcome.afterMs / 1000} s`, since);
      case 'ended':
        await link.gone;
        return RehydrateError.is(link.fault) && link.fault.code === 'limit_exceeded'
          ? record('limit', link.fault.message, since)
          : record('crash', `the agent ${link.goneWords}`, since);
      case 'refused': {
        const verdict = classifyResumeFailure(outcome.error, { method, agentSessionId: id, ...(listed ? { listed } : {}) });
        return record(verdict.outcome, verdict.evidence, since, outcome.error, verdict.weak);
      }
      case 'answered':
        break;
    }
    result = outcome.result;
    if (method === 'session/load') {
      await replay.untilQuiet(link, config.limits);
      outcomeOfReplay = await replay.finish();
      verified = outcomeOfReplay.verified;
      // A success that brought none of the messages that it should have is none.
      const nothing = verified === 'replay-empty' || verified === 'replay-mismatch';
      const unproven = nothing && hasHistory && outcomeOfReplay.expectsMessages;
      record(unproven ? 'unproven' : 'ok', `answered; ${words(outcomeOfReplay)}`, since);
      return;
    }
    const shown = await list();
    if (shown === 'absent' && hasHistory) {
      return record('unknown_session', 'it answered with success, but session/list does not show the session', since);
    }
    verified = verifyResume(shown);
    outcomeOfReplay = replay.received > 0 ? await replay.finish() : null;
    const replayed = outcomeOfReplay?.isReplay
      ? `; it replayed ${outcomeOfReplay.received} messages although session/resume must not, and they were not stored again`
      : '';
    record('ok', `${shown === 'present' ? 'answered, and session/list shows the session' : 'answered'}${replayed}`, since);
  };

  for (;;) {
    const step: NextStep = nextStep({
      policy,
      capabilities: { resume: session.facts.canResume, load: session.facts.canLoad, list: session.facts.canList },
      agentSessionId: oldId,
      hasHistory,
      attempts: tried,
      ...(listed ? { listed } : {}),
    });
    switch (step.do) {
      case 'session/resume':
      case 'session/load':
        await native(step.do);
        continue;
      case 'ask-list': {
        const since = link.agentMs;
        const shown = await list();
        for (const [i, attempt] of attempts.entries()) {
          const { method } = tried[i] as TriedStep;
          if (!attempt.error) continue;
          const { outcome, evidence, weak } = classifyResumeFailure(attempt.error, {
            method,
            agentSessionId: oldId as string,
            listed: shown,
          });
          tried[i] = { method, outcome, ...(weak ? { weak } : {}) };
          attempts[i] = { ...attempt, outcome, evidence };
        }
        const last = attempts.pop() as ResumeAttempt;
        attempts.push({ ...last, ms: tenths(last.ms + link.agentMs - since) });
        continue;
      }
      case 'session/new': {
        const since = link.agentMs;
        const made = await newAgentSession(open, link);
        const preamble =
          step.tier === 'transcript'
            ? await makePreamble(
                store,
                info.sessionId,
                config,
                [...open.secrets.known, ...config.knownSecrets],
                session.facts.embeddedContext,
              )
            : null;
        const evidence = preamble
          ? `a successor; the record goes in front of its first prompt${preamble.instead ? `; ${preamble.instead}` : ''}`
          : 'a new session: the record has nothing to tell';
        note('session/new', 'ok', evidence, since);
        return finish(step.tier, made.agentSessionId, made.result, preamble, null, null);
      }
      case 'accept':
        return finish(step.tier, oldId as string, result, null, verified, outcomeOfReplay);
      case 'stop':
        throw await stopError(step.code, step.reason);
    }
  }

  async function finish(
    tier: Exclude<Tier, 'live'>,
    agentSessionId: string,
    answer: unknown,
    preamble: MadePreamble | null,
    verification: Verification | null,
    replayed: Outcome | null,
  ): Promise<Opened> {
    const said = readSettings(answer);
    const now: KnownState = {
      ...session.known,
      modes: said.modes ?? session.known.modes,
      configOptions: said.configOptions ?? session.known.configOptions,
    };
    const restored = await restoreSettings(link, agentSessionId, before, now, config.limits.settingMs);
    const failed = [...restored.settings.failed];
    if (open.additionalDirectories.length > 0 && !session.facts.additionalDirectories) {
      failed.push({ id: 'additionalDirectories', reason: 'the agent does not support them' });
    }
    return {
      tier,
      attempts,
      agentSessionId,
      previousAgentSessionId: agentSessionId === oldId ? null : oldId,
      verified: verification,
      replay: replayed,
      preamble,
      settings: { restored: restored.settings.restored, failed },
      known: { modes: restored.now.modes ?? before.modes, configOptions: restored.now.configOptions ?? before.configOptions },
      began,
    };
  }

  async function stopError(code: RehydrateError['code'], reason: string): Promise<RehydrateError> {
    const last = attempts.at(-1);
    if (code === 'auth_required') return authRequired(open, last?.error);
    const exit = link.exit;
    const noise = link.diagnostics().trimEnd().split('\n').slice(-10).join('\n').trim();
    const raw = last?.error ? ` It said: error ${last.error.code}: ${last.error.message}.` : '';
    return new RehydrateError(
      code,
      `Session "${info.sessionId}" could not be resumed: ${reason}.${raw}${ADVICE[code] ?? ''}${noise ? ` The agent last wrote:\n${noise}` : ''}`,
      {
        sessionId: info.sessionId,
        attempts,
        ...(exit ? { exit } : {}),
      },
    );
  }
}

/** What to do next, where the reason does not say it. */
const ADVICE: Partial<Record<RehydrateError['code'], string>> = {
  agent_timeout: ' Try again, raise the limit sessionMs, or use policy transcript to go on from the stored record.',
  agent_exited: ' Try again, run the agent by hand to see why, or use policy transcript to go on from the stored record.',
  agent_protocol_error: ' Try another version of the agent, or use policy transcript to go on from the stored record.',
  session_not_resumable: ' Use policy auto or transcript to go on from the stored record.',
};

function words(replay: Outcome): string {
  return `${replay.matched} of ${replay.matched + replay.missing} messages were replayed${replay.imported.length > 0 ? `, ${replay.importedMessages} came from elsewhere` : ''}`;
}
