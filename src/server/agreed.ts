/** What a host gives our agent side, where it does not yet. */
import type { Host, SessionList } from '../engine/index.ts';

export interface AgreedHost extends Omit<Host, 'list'> {
  list(options?: { agent?: string; cwd?: string; cursor?: string; limit?: number }): Promise<SessionList>;
}

export function asAgreed(host: Host): AgreedHost {
  return {
    ...host,
    async list({ agent, cwd, cursor, limit = 100 } = {}) {
      const sessions = [];
      let at = cursor;
      for (;;) {
        const page = await host.list({ ...(at === undefined ? {} : { cursor: at }), limit });
        sessions.push(...page.sessions.filter((info) => (agent ?? info.agent) === info.agent && (cwd ?? info.cwd) === info.cwd));
        at = page.nextCursor;
        if (at === undefined || sessions.length >= limit) return { sessions, ...(at === undefined ? {} : { nextCursor: at }) };
      }
    },
  };
}
