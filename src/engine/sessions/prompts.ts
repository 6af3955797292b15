/** Prompts of a host: one at a time for a session, safe to repeat under a key. */
import { RehydrateError } from '../errors.ts';
import type { StoredTurn } from '../storage/rows.ts';
import type { Store } from '../storage/store.ts';
import type { ContentBlock, PromptResult, StopReason } from '../types.ts';
import type { PromptOptions } from './api.ts';
import type { Living } from './living.ts';
import { invalid, type Config } from './options.ts';
import type { Slot, Slots } from './slots.ts';
import { startTurn } from './turn.ts';

export interface Prompts {
  prompt(sessionId: string, content: readonly ContentBlock[], options: PromptOptions): Promise<PromptResult>;
  cancel(sessionId: string): Promise<void>;
}

export function createPrompts({ config, store, slots, living }: { config: Config; store: Store; slots: Slots; living: Living }): Prompts {
  async function prompt(sessionId: string, content: readonly ContentBlock[], options: PromptOptions): Promise<PromptResult> {
    const { idempotencyKey: key, signal } = options;
    if (key !== undefined && (typeof key !== 'string' || key === '' || !key.isWellFormed()))
      throw invalid('An idempotency key is a well-formed string that is not empty.');
    signal?.throwIfAborted();
    const slot = slots.of(sessionId);
    const running = slot.prompting;
    const hash = hashOf(content);
    if (running) {
      if (key === undefined || running.idempotencyKey !== key) {
        // Another turn runs; one that is over has its result all the same.
        const prior = key === undefined ? null : await store.turnByKey(sessionId, key);
        if (prior) return repeat(sessionId, slot, prior, await hash);
        throw inProgress(sessionId, running.turn?.turnId);
      }
      if ((await running.hash) !== (await hash)) throw conflict(sessionId, key);
      return unlessAborted(running.result, signal);
    }
    const abort = new AbortController();
    const entry: NonNullable<Slot['prompting']> = {
      abort,
      idempotencyKey: key,
      hash,
      turn: null,
      result: Promise.resolve().then(() => run(sessionId, slot, entry, content, options)),
    };
    slot.prompting = entry;
    const onAbort = () => void stop(entry, signal?.reason);
    signal?.addEventListener('abort', onAbort, { once: true });
    try {
      return await entry.result;
    } finally {
      signal?.removeEventListener('abort', onAbort);
      slot.prompting = null;
    }
  }

  async function run(
    sessionId: string,
    slot: Slot,
    entry: NonNullable<Slot['prompting']>,
    content: readonly ContentBlock[],
    options: PromptOptions,
  ): Promise<PromptResult> {
    const { idempotencyKey: key } = options;
    const hash = await entry.hash;
    if (key !== undefined) {
      const prior = await store.turnByKey(sessionId, key);
      if (prior) return repeat(sessionId, slot, prior, hash);
    }
    const turn = await slots.serially(sessionId, async () => {
      const session = await living.ensure(sessionId, slot, options.policy ?? config.policy, entry.abort.signal);
      entry.abort.signal.throwIfAborted();
      const stored = session.redact(content);
      const started = await startTurn(session, config, {
        turnId: config.newId(),
        content,
        stored,
        contentHash: hash,
        idempotencyKey: key,
        report: living.reportFor(session, 'keep'),
      });
      living.reportFor(session, 'take');
      entry.turn = started;
      if (slot.activity.kind === 'live' && slot.activity.session === session) slot.activity = { kind: 'prompting', session, turn: started };
      return started;
    });
    if (entry.abort.signal.aborted) void turn.cancel();
    try {
      return await turn.result;
    } finally {
      const { activity } = slot;
      if (activity.kind === 'prompting' && activity.turn === turn) slot.activity = { kind: 'live', session: activity.session };
    }
  }

  /** What the same key is told again. */
  async function repeat(sessionId: string, slot: Slot, prior: StoredTurn, hash: string): Promise<PromptResult> {
    if (prior.contentHash !== hash) throw conflict(sessionId, prior.idempotencyKey as string);
    let turn = prior;
    if (turn.state === 'running') {
      // Not ours, or it would have been joined. Taking the lease ends it if its host is dead, and says who is not.
      await slots.serially(sessionId, () => living.settleLeftBehind(sessionId, slot));
      turn = (await store.turnByKey(sessionId, prior.idempotencyKey as string)) ?? turn;
    }
    // It is over, and its end not yet in the record.
    if (turn.state === 'running') throw inProgress(sessionId, turn.turnId);
    if (turn.error)
      throw new RehydrateError(turn.error.code, turn.error.message, { turnId: turn.turnId, ...(turn.error.data as object | undefined) });
    return { turnId: turn.turnId, stopReason: turn.stopReason as StopReason, report: turn.report, repeated: true };
  }

  async function stop(entry: NonNullable<Slot['prompting']>, reason: unknown): Promise<void> {
    if (!entry.abort.signal.aborted) entry.abort.abort(reason);
    await entry.turn?.cancel();
  }

  return {
    prompt,
    async cancel(sessionId) {
      const entry = slots.has(sessionId) ? slots.of(sessionId).prompting : null;
      if (!entry) return;
      await stop(entry, new DOMException(`The prompt of session "${sessionId}" was cancelled before it was sent.`, 'AbortError'));
      await entry.result.then(
        () => undefined,
        () => undefined,
      );
    },
  };
}

/** The result, or the signal's reason if that comes first. */
function unlessAborted<T>(result: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return result;
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason as Error);
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
    result.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}

async function hashOf(content: readonly ContentBlock[]): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(JSON.stringify(content)));
  return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

function inProgress(sessionId: string, turnId: string | undefined): RehydrateError {
  return new RehydrateError(
    'turn_in_progress',
    `Session "${sessionId}" is in the middle of a turn. Wait for it, or cancel it, and prompt again.`,
    {
      sessionId,
      ...(turnId === undefined ? {} : { turnId }),
    },
  );
}

function conflict(sessionId: string, key: string): RehydrateError {
  return new RehydrateError(
    'idempotency_conflict',
    `The idempotency key ${JSON.stringify(key)} was used in session "${sessionId}" with other content. Use a new key for a new prompt.`,
    {
      sessionId,
      idempotencyKey: key,
    },
  );
}
