/** An agent of either version that does something else in each turn, by a seed: it speaks, works, asks, changes settings, dies. */
import { setImmediate as turnOfTheLoop, setTimeout as sleep } from 'node:timers/promises';
import type { AnyMessage } from '@agentclientprotocol/sdk';
import type { AgentExit, AgentLauncher } from '../../../src/engine/index.ts';
import type { Random } from '../engine-host/random.ts';

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- raw JSON
type Json = any;

export interface Lively {
  readonly agents: AgentLauncher;
  /** What it asked of its client, by a name of its own, and how often it was answered. */
  readonly asked: Map<string, { answers: number; alive: boolean }>;
  /** Its own ids of the sessions that it was asked to delete. */
  readonly deleted: string[];
  /** Nothing ends by itself any more: turns end at once, and nobody dies. */
  calm: boolean;
}

/** `w1`: said for good; `d1`: a draft; `f1`: what stands in its place. Each word is said once in a life. */
export function livelyAgent(random: Random, word: (kind: 'w' | 'd' | 'f' | 't') => string): Lively {
  const { below, pick } = random;
  const speaksV2 = below(2) === 0;
  const offers = pick(['resume', 'load', 'none'] as const);
  const forgets = below(4) === 0;
  const forks = below(2) === 0;
  /** What it would replay, by its own ids of sessions. */
  const store = new Map<string, Json[]>();
  // Begun without us.
  if (below(2) === 0)
    store.set('theirs', [
      { sessionUpdate: 'user_message_chunk', messageId: 'b1', content: { type: 'text', text: `${word('w')} ` } },
      { sessionUpdate: 'agent_message_chunk', messageId: 'b2', content: { type: 'text', text: `${word('w')} ` } },
    ]);
  let sessions = 0;
  const lively: Lively = {
    asked: new Map(),
    deleted: [],
    calm: false,
    agents: {
      async launch() {
        const out = new TransformStream<AnyMessage, AnyMessage>(undefined, undefined, { highWaterMark: Infinity });
        const writer = out.writable.getWriter();
        let exit!: (exit: AgentExit) => void;
        const exited = new Promise<AgentExit>((resolve) => (exit = resolve));
        let over = false;
        const mine: { answers: number; alive: boolean }[] = [];
        const end = (how: AgentExit) => {
          if (over) return;
          over = true;
          for (const each of mine) each.alive = false;
          void writer.close().catch(() => undefined);
          exit(how);
        };
        const say = (message: object) => {
          if (!over) void writer.write({ jsonrpc: '2.0', ...message } as AnyMessage).catch(() => undefined);
        };
        let v2 = false;
        let calls = 0;
        let messages = 0;
        let asks = 0;
        let mode = 'a';
        let option = 'x';
        const waiting = new Map<number, () => void>();
        const cancelled = new Set<string>();
        const onCancel = new Map<string, () => void>();

        const pause = () => [Promise.resolve, turnOfTheLoop, turnOfTheLoop, () => sleep(1)][below(4)]!.call(Promise) as Promise<unknown>;
        const working = new Set<string>();
        /** What is said is said in a turn, or is `late`. */
        const tell = (sessionId: string, update: Json, kept = true, late = false) => {
          if (kept && !late && !working.has(sessionId)) return;
          if (kept) store.get(sessionId)?.push(update);
          say({ method: 'session/update', params: { sessionId, update } });
        };
        const ask = (method: string, params: object): Promise<void> => {
          const id = (asks += 1);
          const record = { answers: 0, alive: true };
          mine.push(record);
          lively.asked.set(word('t'), record);
          const answered = new Promise<void>((resolve) =>
            waiting.set(id, () => {
              record.answers += 1;
              resolve();
            }),
          );
          say({ id, method, params });
          // Some change their mind.
          if (below(4) === 0) void pause().then(() => say({ method: '$/cancel_request', params: { requestId: id } }));
          return answered;
        };
        const configOptions = () => [
          {
            ...(v2 ? { configId: 'opt' } : { id: 'opt' }),
            ...{ name: 'Opt', type: 'select', currentValue: option, options: ['x', 'y'].map((value) => ({ value, name: value })) },
          },
          ...(v2
            ? [
                {
                  ...{ configId: 'mode', name: 'Mode', category: 'mode', type: 'select', currentValue: mode },
                  options: ['a', 'b'].map((value) => ({ value, name: value })),
                },
              ]
            : []),
        ];
        const settings = () => ({
          configOptions: configOptions(),
          ...(v2 ? {} : { modes: { currentModeId: mode, availableModes: ['a', 'b'].map((id) => ({ id, name: id })) } }),
        });
        const text = (words: string) => ({ type: 'text', text: words });
        const chunk = (words: string, messageId: string | null, kind = 'agent_message_chunk') => ({
          ...{ sessionUpdate: kind, content: text(words) },
          ...(messageId === null ? {} : { messageId }),
        });

        const STEPS: readonly ((sessionId: string) => unknown)[] = [
          (s) => tell(s, chunk(`${word('w')} `, null)),
          async (s) => {
            const id = `m${(messages += 1)}`;
            for (let i = below(4); i >= 0; i -= 1) {
              tell(s, chunk(`${word('w')} `, id));
              if (below(2)) await pause();
            }
          },
          (s) => tell(s, chunk(`${word('w')} `, below(2) ? `h${(messages += 1)}` : null, 'agent_thought_chunk')),
          async (s) => {
            const toolCallId = `call_${(calls += 1)}`;
            const begin = { toolCallId, title: word('t'), kind: 'read', status: 'in_progress' };
            tell(s, { sessionUpdate: v2 ? 'tool_call_update' : 'tool_call', ...begin });
            await pause();
            const content = [{ type: 'content', content: text(`result of ${toolCallId}`) }];
            if (v2 && below(2)) tell(s, { sessionUpdate: 'tool_call_content_chunk', toolCallId, content: content[0] });
            if (below(4)) tell(s, { sessionUpdate: 'tool_call_update', toolCallId, status: pick(['completed', 'failed']), content });
          },
          (s) => {
            const entries = [{ content: 'a step', priority: 'medium', status: 'pending' }];
            tell(
              s,
              v2 ? { sessionUpdate: 'plan_update', plan: { type: 'items', planId: 'p', entries } } : { sessionUpdate: 'plan', entries },
            );
          },
          (s) => {
            mode = pick(['a', 'b']);
            if (v2) tell(s, { sessionUpdate: 'config_option_update', configOptions: configOptions() }, false);
            else tell(s, { sessionUpdate: 'current_mode_update', currentModeId: mode }, false);
          },
          (s) => {
            option = pick(['x', 'y']);
            tell(s, { sessionUpdate: 'config_option_update', configOptions: configOptions() }, false);
          },
          (s) => tell(s, { sessionUpdate: 'session_info_update', title: `Title ${below(100)}` }, false),
          (s) => tell(s, { sessionUpdate: 'usage_update', used: below(100), size: 1000 }, false),
          async (s) => {
            const toolCallId = `call_${(calls += 1)}`;
            const toolCall = { toolCallId, title: word('t') };
            const options = [
              { optionId: 'y', name: 'Yes', kind: 'allow_once' },
              { optionId: 'n', name: 'No', kind: 'reject_once' },
            ];
            const params = v2
              ? { sessionId: s, title: 'May I?', subject: { type: 'tool_call', toolCall }, options }
              : { sessionId: s, toolCall, options };
            const answered = ask('session/request_permission', params);
            if (below(4)) await answered;
          },
          (s) => ask('_x/ask', { sessionId: s }),
          (s) => ask('fs/read_text_file', { sessionId: s, path: '/tmp/x' }),
          (s) => ask('elicitation/create', { sessionId: s, mode: 'form', message: word('t'), requestedSchema: { type: 'object' } }),
          (s) => say({ method: '_x/note', params: { sessionId: s } }),
          pause,
          pause,
          // Only what v2 has.
          async (s) => {
            if (!v2) return;
            const messageId = `u${(messages += 1)}`;
            const whole = (words: string) => ({ sessionUpdate: 'agent_message', messageId, content: words === '' ? [] : [text(words)] });
            if (below(2)) tell(s, whole(''));
            const drafts = below(3) === 0;
            let said = '';
            for (let i = below(3); i >= 0; i -= 1) {
              const words = `${word(drafts ? 'd' : 'w')} `;
              said += words;
              tell(s, chunk(words, messageId));
              if (below(3) === 0) await pause();
            }
            if (drafts) tell(s, whole(`${word('f')} `));
            else if (below(2)) tell(s, whole(said));
          },
        ];

        async function turn(sessionId: string): Promise<string> {
          for (let i = below(7); i >= 0; i -= 1) {
            if (cancelled.has(sessionId) || over) break;
            await Promise.race([(async () => pick(STEPS)(sessionId))(), new Promise<void>((resolve) => onCancel.set(sessionId, resolve))]);
          }
          if (lively.calm) return cancelled.has(sessionId) ? 'cancelled' : 'end_turn';
          switch (below(24)) {
            case 0:
              throw new Error('refused');
            case 1:
              end({ kind: 'failed', code: 3, signal: null });
              return '';
            case 2:
            case 3:
              if (!cancelled.has(sessionId)) await new Promise<void>((resolve) => onCancel.set(sessionId, resolve));
              break;
            case 4:
              return v2 ? '_odd' : 'odd';
          }
          return cancelled.has(sessionId) ? 'cancelled' : 'end_turn';
        }

        async function prompt(id: unknown, { sessionId, prompt: blocks }: Json): Promise<void> {
          cancelled.delete(sessionId);
          const messageId = `p${(messages += 1)}`;
          for (const content of blocks) store.get(sessionId)?.push({ sessionUpdate: 'user_message_chunk', messageId, content });
          if (v2) {
            if (below(2))
              say({
                method: 'session/update',
                params: { sessionId, update: { sessionUpdate: 'user_message', messageId, content: blocks } },
              });
            say({ id, result: { messageId } });
            tell(sessionId, { sessionUpdate: 'state_update', state: 'running' }, false);
          }
          working.add(sessionId);
          const outcome = await turn(sessionId).then(
            (stopReason) => ({ stopReason }),
            () => ({ error: { code: -32603, message: 'It went wrong' } }),
          );
          working.delete(sessionId);
          if (!v2) say('error' in outcome ? { id, ...outcome } : { id, result: outcome });
          else if ('error' in outcome)
            tell(sessionId, { sessionUpdate: 'state_update', state: 'idle', stopReason: 'error', ...outcome }, false);
          else tell(sessionId, { sessionUpdate: 'state_update', state: 'idle', ...outcome }, false);
          // Some go on.
          if (below(4) === 0) {
            await pause();
            tell(sessionId, chunk(`${word('w')} `, `m${(messages += 1)}`), true, true);
          }
        }

        function replay(sessionId: string): void {
          for (const update of store.get(sessionId) ?? []) say({ method: 'session/update', params: { sessionId, update } });
        }

        function hear({ id, method, params }: Json): void {
          const result = (value: object) => say({ id, result: value });
          switch (method) {
            case undefined: {
              const answered = waiting.get(Number(id));
              return answered?.();
            }
            case 'initialize': {
              v2 = speaksV2 && params.protocolVersion === 2;
              if (v2)
                return result({
                  protocolVersion: 2,
                  info: { name: 'lively', version: '1' },
                  capabilities: { session: { prompt: {}, delete: {}, ...(forks ? { fork: {} } : {}) } },
                });
              const can = { list: {}, delete: {}, ...(offers === 'resume' ? { resume: {} } : {}), ...(forks ? { fork: {} } : {}) };
              return result({ protocolVersion: 1, agentCapabilities: { loadSession: offers === 'load', sessionCapabilities: can } });
            }
            case 'session/fork': {
              const sessionId = `own-${(sessions += 1)}`;
              store.set(sessionId, [...(store.get(params.sessionId) ?? [])]);
              return result({ sessionId, ...settings() });
            }
            case 'session/new': {
              const sessionId = `own-${(sessions += 1)}`;
              store.set(sessionId, []);
              return result({ sessionId, ...settings() });
            }
            case 'session/load':
            case 'session/resume': {
              const { sessionId } = params;
              if (!store.has(sessionId) || (forgets && below(3) === 0))
                return say({ id, error: { code: -32002, message: 'Resource not found', data: { sessionId } } });
              if (method === 'session/load' || params.replayFrom) replay(sessionId);
              if (v2) tell(sessionId, { sessionUpdate: 'state_update', state: 'idle' }, false);
              return result(settings());
            }
            case 'session/prompt':
              return void prompt(id, params);
            case 'session/cancel':
              cancelled.add(params.sessionId);
              return onCancel.get(params.sessionId)?.();
            case 'session/set_mode':
              mode = params.modeId;
              return result({});
            case 'session/set_config_option':
              if (params.configId === 'mode') mode = params.value;
              else option = params.value;
              return result({ configOptions: configOptions() });
            case 'session/delete':
              lively.deleted.push(params.sessionId);
              store.delete(params.sessionId);
              return result({});
            case 'session/list':
              return result({ sessions: [...store.keys()].map((sessionId) => ({ sessionId, cwd: '/tmp' })) });
            case '_x/slow':
              return void sleep(3).then(() => result({}));
            default:
              if (id !== undefined) return result({});
          }
        }

        return {
          stream: { readable: out.readable, writable: new WritableStream<Json>({ write: hear }) },
          exited,
          async end(how) {
            end(how === 'ask' ? { kind: 'ended', code: 0, signal: null } : { kind: 'killed', code: null, signal: 'SIGKILL' });
            return exited;
          },
          diagnostics: () => '',
        };
      },
    },
  };
  return lively;
}
