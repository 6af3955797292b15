/** The conversation with what is to be said around it, and the bar in which one types, answers and breaks things. */
import { useMemo } from 'preact/hooks';
import { computed } from '@preact/signals';
import type { Fault } from '../scenarios/types.ts';
import type { Playground } from '../state/playground.ts';
import { FAULT_NAMES } from '../state/scenario.ts';
import { label } from '../state/words.ts';
import { Button, Problem, Select, submitOnEnter, WriteIt, type PartProps } from './controls.tsx';
import { Conversation } from './Conversation.tsx';
import { Notices } from './Notices.tsx';
import { PermissionQuestion } from './Permission.tsx';

export function Talk({ pg }: PartProps) {
  const { ready, runner, turns } = pg;
  const permission = pg.inPast.value ? null : pg.session.live.value.permission;
  const shown = useMemo(
    () => ({
      unsent: computed(() => (pg.inPast.value ? null : turns.unsent.value)),
      hint: computed(() => {
        if (!ready.value || pg.moves.going.value) return 'The session is being opened.';
        return runner.press.value === 'send'
          ? 'Nothing has been said yet. Type what the first step says, or a prompt of your own.'
          : 'Nothing has been said yet. Tell the agent something it should remember, such as “My cat is called Ada.”';
      }),
    }),
    [pg],
  );
  return (
    <section class="rp-talk" aria-label="Talk" data-outlined={pg.stage.outlined.value === 'Conversation'}>
      <SessionBar pg={pg} />
      <Conversation view={pg.view} unsent={shown.unsent} hint={shown.hint} />
      <div class="rp-said">
        <Notices pg={pg} />
        {permission ? (
          <PermissionQuestion
            permission={permission}
            press={runner.press.value}
            onAnswer={(requestId, optionId) => void turns.answer(requestId, optionId)}
          />
        ) : null}
      </div>
    </section>
  );
}

const NEW = '';

/** Which session is shown, and in which branch. All of them are in the database and can be taken up again. */
function SessionBar({ pg }: PartProps) {
  const current = pg.session.id.value;
  const sessions = pg.session.list.value;
  const known = current === null || sessions.some((session) => session.sessionId === current);
  const branch = pg.databases.branch.value;
  const named = sessions.map(
    ({ sessionId, title }) => [sessionId, title ? `${label(title, 'untitled', 80)} (${sessionId})` : sessionId] as const,
  );
  return (
    <div class="rp-session">
      {branch === null ? null : <strong class="rp-badge">You are in {branchWords(branch)}</strong>}
      {pg.inPast.value ? <strong class="rp-badge">The past</strong> : null}
      <Select
        label="Session"
        bare
        value={current ?? NEW}
        groups={{ '': [[NEW, 'a new session, begun by the next prompt'], ...(known ? [] : [[current, current] as const]), ...named] }}
        onChoose={(chosen) => pg.notices.attempt(() => pg.navigation.chooseSession(chosen === NEW ? null : chosen))}
      />
    </div>
  );
}

/** Forks are numbered; what came from a file has its name. */
export const branchWords = (branch: string): string => (/^\d+$/.test(branch) ? `fork ${branch}` : branch);

/** Where a person types, stops a turn, and breaks things. It stays where it is. */
export function Bar({ pg }: PartProps) {
  const { runner, turns } = pg;
  const past = pg.inPast.value;
  const running = pg.running.value;
  const draft = turns.draft.value;
  const words = runner.words.value;
  const locked = past ? 'This is the past: fork from here, or return to now.' : undefined;
  const waiting = waitingWords(pg);
  const problem = pg.notices.problem.value?.message;
  return (
    <div class="rp-bar">
      <form
        class="rp-prompt"
        onSubmit={(event) => {
          event.preventDefault();
          void turns.sendDraft();
        }}
      >
        <Problem live="assertive">{problem}</Problem>
        <div class="rp-draft">
          <textarea
            class="rp-field"
            aria-label="Prompt"
            rows={1}
            placeholder={past ? 'This is the past' : words === null ? 'Say something to it' : ''}
            value={draft}
            onInput={(event) => (turns.draft.value = event.currentTarget.value)}
            onKeyDown={submitOnEnter}
          />
          {words !== null && draft === '' ? (
            <WriteIt
              words={words}
              onPress={(form) => {
                turns.draft.value = words;
                form?.querySelector('textarea')?.focus();
              }}
            />
          ) : null}
        </div>
        <Button
          tone="main"

          disabled={running || past}
          next={runner.press.value === 'send' && draft !== ''}
          why={locked}
        >
          Send
        </Button>
        <Button onPress={turns.cancel} disabled={!running || past} why={locked}>
          Cancel turn
        </Button>
      </form>
      <Faults pg={pg} />
      {waiting === null ? null : (
        <p class="rp-dim rp-small" aria-live="polite">
          {waiting}
        </p>
      )}
    </div>
  );
}

function waitingWords({ ready, turns }: Playground): string | null {
  if (!ready.value) return turns.sending.value ? 'The prompt is sent as soon as the database is open.' : null;
  return turns.unsent.value === null ? null : 'The prompt is stored, and sent, when the agent is ready for it. Cancel turn stops that.';
}

const HARM: Readonly<Record<Fault, string>> = {
  sleep: 'End host and agent. The database stays.',
  wake: 'Open a host on the same database again. No agent starts yet.',
  kill: 'End the agent’s process at once.',
  drop: 'Cut the line between host and agent.',
  'forget-store': 'The agent forgets every session. The host’s record stays.',
  'arm-crash': 'The agent is killed as soon as it says the first word of its next answer.',
};

/** The ways to break it, as buttons. */
function Faults({ pg }: PartProps) {
  const { faults } = pg;
  const { host, agent } = pg.machine.value;
  const away = pg.session.elsewhere.value;
  const locked = !pg.ready.value || pg.inPast.value || away;
  const idle = locked || agent === 'asleep' || agent === 'dead';
  const forgets = faults.canForget.value;
  const fault = (name: Fault, disabled: boolean, onPress: () => Promise<void>) => (
    <Button
      tone={name === 'sleep' || name === 'wake' ? 'plain' : 'harm'}
      onPress={onPress}
      disabled={disabled}
      next={pg.runner.press.value === name}
      {...(name === 'arm-crash' ? { pressed: pg.host.crashArmed.value } : {})}
      why={
        away && name !== 'forget-store'
          ? 'The agent runs in another tab: take the session over, or press it there.'
          : name === 'forget-store' && !forgets
            ? 'This agent’s store cannot be reached from here.'
            : HARM[name]
      }
    >
      {FAULT_NAMES[name]}
    </Button>
  );
  return (
    <div class="rp-faults" role="group" aria-label="Break it">
      {fault('sleep', locked || host !== 'awake', faults.sleep)}
      {fault('wake', locked || host !== 'asleep', faults.wake)}
      {fault('kill', idle, faults.kill)}
      {fault('drop', idle, faults.drop)}
      {fault('forget-store', !pg.ready.value || pg.inPast.value || !forgets, faults['forget-store'])}
      {fault('arm-crash', locked, faults['arm-crash'])}
    </div>
  );
}
