/** What a host gives our agent side, where it does not yet. */
import { type ClientServices, type Host, type PromptOptions, type PromptResult, type SessionList } from '../engine/index.ts';
import type { CreateOptions } from '../engine/index.ts';
import { RPC, RpcFailure } from './errors.ts';

export interface AgreedHost extends Omit<Host, 'create' | 'prompt' | 'list'> {
  create(options: CreateOptions & { client?: ClientServices }): ReturnType<Host['create']>;
  prompt(
    sessionId: string,
    content: Parameters<Host['prompt']>[1],
    options: PromptOptions & { client?: ClientServices },
  ): Promise<PromptResult & { answer?: unknown }>;
  list(options: { agent?: string; cwd?: string; cursor?: string; limit?: number }): Promise<SessionList>;
  describeAgent(
    agent: string,
    options: { client?: ClientServices; signal?: AbortSignal },
  ): Promise<{ capabilities: object; info: object | null; authMethods: readonly unknown[] }>;
  request(sessionId: string, method: string, params: unknown, options: { client?: ClientServices; signal?: AbortSignal }): Promise<unknown>;
  notify(sessionId: string, method: string, params: unknown): void;
}

export function asAgreed(host: Host): AgreedHost {
  const now = host as Host & Partial<AgreedHost>;
  return {
    ...(host as unknown as AgreedHost),
    async list({ agent, cwd, cursor, limit = 100 }) {
      const sessions = [];
      let at = cursor;
      for (;;) {
        const page = await host.list({ ...(at === undefined ? {} : { cursor: at }), limit });
        sessions.push(...page.sessions.filter((info) => (agent ?? info.agent) === info.agent && (cwd ?? info.cwd) === info.cwd));
        at = page.nextCursor;
        if (at === undefined || sessions.length >= limit) return { sessions, ...(at === undefined ? {} : { nextCursor: at }) };
      }
    },
    describeAgent: now.describeAgent ?? (async () => ({ capabilities: { promptCapabilities: {} }, info: null, authMethods: [] })),
    request:
      now.request ??
      (async (_session, method) => {
        throw new RpcFailure({ code: RPC.methodNotFound, message: `Method not found: ${method}` });
      }),
    notify: now.notify ?? (() => undefined),
  };
}
