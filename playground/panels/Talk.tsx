/** The conversation, what there is to say beside it, and the bar. */
import { computed } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import { useMemo } from 'preact/hooks';
import type { Fault } from '../scenarios/types.ts';
import type { Playground } from '../state/playground.ts';
import { FAULTS } from '../state/lesson.ts';
import { label } from '../state/words.ts';
import { Button, Draft, Problem, Select, submitOnEnter, useHandedFocus, type PartProps } from './controls.tsx';
import { Conversation } from './Conversation.tsx';
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
        <Problem live="assertive">{pg.notices.problem.value?.message}</Problem>
        <Notices pg={pg} />
        {permission ? <PermissionQuestion pg={pg} permission={permission} /> : null}
      </div>
    </section>
  );
}

function Notices({ pg }: PartProps) {
  const problem = pg.notices.problem.value;
  const waiting = waitingWords(pg);
  const file = pg.visits.fileOf(pg.databases.branch.value);
  const elsewhere = pg.session.elsewhere.value || problem?.elsewhere;
  return (
    <div class="rp-notices" aria-live="polite">
      {[pg.databases.warning.value, pg.missing.value].map((words, index) =>
        words ? (
          <p key={index} class="rp-notice" data-tone="warn">
            <span aria-hidden="true">⚠ </span>
            {words}
          </p>
        ) : null,
      )}
      {pg.inPast.value ? (
        <p class="rp-notice">You are looking at the past. Fork from here to go on from this moment, or return to now.</p>
      ) : null}
      {file ? (
        <p class="rp-notice">
          The sessions here come from the file <bdi>{file.name}</bdi>. What they say was written elsewhere.
        </p>
      ) : null}
      {pg.notices.link.value ? <p class="rp-notice">{pg.notices.link.value}</p> : null}
      {elsewhere ? (
        <Notice>
          The session is live in another tab. You can watch it here, and answer and stop it.{' '}
          <Button onPress={pg.faults.takeOver}>{pg.session.live.value.turnOpen ? 'Take over, and end its turn' : 'Take over'}</Button>
        </Notice>
      ) : null}
      {problem && problem.methods.length > 0 ? (
        <Notice>
          The agent offers:{' '}
          {problem.methods.map((method) => (
            <Button key={method.id} onPress={() => pg.turns.authenticate(method.id)}>
              Sign in with {method.name}
            </Button>
          ))}
        </Notice>
      ) : null}
      {pg.notices.note.value ? <p class="rp-notice">{pg.notices.note.value}</p> : null}
      {waiting === null ? null : <p class="rp-notice">{waiting}</p>}
    </div>
  );
}

function Notice(props: { readonly children: ComponentChildren }) {
  return (
    <div class="rp-notice" ref={useHandedFocus()}>
      {props.children}
    </div>
  );
}

const NEW = '';

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

export function Bar({ pg }: PartProps) {
  const { runner, turns } = pg;
  const past = pg.inPast.value;
  const running = pg.running.value;
  const draft = turns.draft.value;
  const words = runner.words.value;
  const locked = past ? 'This is the past: fork from here, or return to now.' : undefined;
  return (
    <div class="rp-bar">
      <form
        class="rp-prompt"
        onSubmit={(event) => {
          event.preventDefault();
          void turns.sendDraft();
        }}
      >
        <Draft text={turns.draft} words={words}>
          <textarea
            class="rp-field"
            aria-label="Prompt"
            rows={1}
            placeholder={past ? 'This is the past' : words === null ? 'Say something to it' : ''}
            value={draft}
            onInput={(event) => (turns.draft.value = event.currentTarget.value)}
            onKeyDown={submitOnEnter}
          />
        </Draft>
        <Button tone="main" disabled={running || past} next={runner.press.value === 'send' && draft !== ''} why={locked}>
          Send
        </Button>
        <Button onPress={turns.cancel} disabled={!running || past} why={locked}>
          Cancel turn
        </Button>
      </form>
      <Faults pg={pg} />
    </div>
  );
}

function waitingWords({ ready, sending, turns }: Playground): string | null {
  if (!ready.value) return sending.value ? 'The prompt is sent as soon as the database is open.' : null;
  return turns.unsent.value === null ? null : 'The prompt is stored, and sent, when the agent is ready for it. Cancel turn stops that.';
}

function Faults({ pg }: PartProps) {
  const { faults } = pg;
  const { host, agent } = pg.machine.value;
  const away = pg.session.elsewhere.value;
  const locked = !pg.ready.value || pg.inPast.value || away;
  const idle = locked || agent === 'asleep' || agent === 'dead';
  const forgets = faults.canForget.value;
  const fault = (name: Fault, disabled: boolean) => (
    <Button
      tone={name === 'sleep' || name === 'wake' ? 'plain' : 'harm'}
      onPress={faults[name]}
      disabled={disabled}
      next={pg.runner.press.value === name}
      pressed={name === 'arm-crash' ? pg.host.crashArmed.value : undefined}
      why={
        away && name !== 'forget-store'
          ? 'The agent runs in another tab: take the session over, or use the button there.'
          : name === 'forget-store' && !forgets
            ? 'This agent’s store cannot be reached from here.'
            : FAULTS[name][1]
      }
    >
      {FAULTS[name][0]}
    </Button>
  );
  return (
    <div class="rp-faults" role="group" aria-label="Break it">
      {fault('sleep', locked || host !== 'awake')}
      {fault('wake', locked || host !== 'asleep')}
      {fault('kill', idle)}
      {fault('drop', idle)}
      {fault('forget-store', !pg.ready.value || pg.inPast.value || !forgets)}
      {fault('arm-crash', locked)}
    </div>
  );
}
