/** What tabs that share one database say to each other over a BroadcastChannel. */
import { SqlError, type SqlErrorKind } from '../../engine/ports.ts';
import type { Commit } from './database.ts';

/** What a tab asks the owner for. `id` names a change for good, so that asking again does not do it again. */
export type Request =
  | { readonly method: 'query'; readonly args: readonly [sql: string, params: readonly unknown[]] }
  | { readonly method: 'batch'; readonly args: readonly [statements: readonly unknown[]] }
  | { readonly method: 'journal'; readonly args: readonly [after: number] }
  | { readonly method: 'export' | 'reset'; readonly args: readonly [] }
  | { readonly method: 'importFile'; readonly args: readonly [bytes: Uint8Array] };

export type TabMessage =
  /** Who owns it? Asked when a tab comes, and when the owner has been quiet for long. */
  | { readonly type: 'hello' }
  /** A tab owns the database now, in this period of office; `head` is the last acknowledged change. */
  | { readonly type: 'owner'; readonly period: string; readonly head: number }
  /** The asked tab has the lock and is on its way. */
  | { readonly type: 'opening' }
  | { readonly type: 'call'; readonly period: string; readonly tab: string; readonly id: string; readonly request: Request }
  | { readonly type: 'answer'; readonly tab: string; readonly id: string; readonly outcome: Outcome }
  | { readonly type: 'commit'; readonly commit: Commit };

export type Outcome =
  { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly kind: SqlErrorKind; readonly message: string };

export function failed(error: SqlError): Outcome {
  return { ok: false, kind: error.kind, message: error.message };
}

/** Settles a call as the owner's own would have been. */
export function settle(outcome: Outcome, resolve: (value: never) => void, reject: (error: SqlError) => void): void {
  if (outcome.ok) resolve(outcome.value as never);
  else reject(new SqlError(outcome.kind, outcome.message));
}
