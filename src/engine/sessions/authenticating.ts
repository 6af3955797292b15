/** Signing in with an agent, apart from any session. */
import { callError, type AgentLink } from '../protocol/link.ts';
import { RehydrateError } from '../errors.ts';
import type { LivingParts } from './living.ts';
import { exitWords, withAgent, type BecomeLive } from './opening.ts';
import { invalid } from './options.ts';
import { secretValues } from './secrets.ts';
import type { Slot } from './slots.ts';

export interface Authenticating {
  /** Errors: `invalid_argument` for a method the agent does not offer, and those of starting an agent. */
  authenticate(agent: string, methodId: string): Promise<void>;
  /** The host goes to sleep: nobody goes on waiting for a login, which may take minutes in a browser. */
  end(): Promise<void>;
}

export function createAuthenticating({
  config,
  store,
  authMethods,
  newSession,
}: Pick<LivingParts, 'config' | 'store' | 'authMethods' | 'newSession'>): Authenticating {
  const { limits } = config;
  const running = new Set<{ readonly abort: AbortController; readonly over: Promise<unknown> }>();

  return {
    async authenticate(agent, methodId) {
      const abort = new AbortController();
      const sessionId = `authenticate-${config.newId()}`;
      const slot: Slot = { activity: { kind: 'asleep' }, prompting: null, tail: Promise.resolve(), waiting: 0, secrets: null };
      const secrets = secretValues({}, []);
      const session = newSession(sessionId, agent, '.', [], secrets, slot);
      const open: BecomeLive = {
        config,
        store,
        session,
        agent,
        cwd: '.',
        additionalDirectories: [],
        secrets,
        policy: config.policy,
        signal: abort.signal,
        authMethod: undefined,
      };
      const authenticated = async (opened: AgentLink) => {
        const methods = session.facts.authMethods;
        if (!methods.some((method) => method.id === methodId)) {
          const names = methods.map((method) => `"${method.id}"`).join(', ') || 'none';
          throw invalid(`Agent "${agent}" has no way to authenticate called "${methodId}"; it offers ${names}.`, {
            agent,
            methodId,
            authMethods: methods,
          });
        }
        const outcome = await opened.call('authenticate', { methodId }, limits.sessionMs);
        if (outcome.kind !== 'answered') throw callError(outcome, 'authenticate', agent, opened, await exitWords(opened, outcome));
      };
      const work = withAgent(open, authenticated, (_, opened) => opened.end('ask')).finally(() => running.delete(entry));
      const entry = { abort, over: work.catch(() => undefined) };
      running.add(entry);
      await work;
      authMethods.set(agent, methodId);
    },
    async end() {
      const reason = new RehydrateError(
        'agent_exited',
        'The agent was being authenticated when the host was put to sleep. Authenticate again.',
      );
      const open = [...running];
      for (const { abort } of open) abort.abort(reason);
      await Promise.all(open.map(({ over }) => over));
    },
  };
}
