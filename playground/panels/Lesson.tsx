/** The scenario: what to watch, its steps, and what is chosen for it. */
import { useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import type { ProtocolChoice, ResumePolicy } from '../../src/engine/types.ts';
import { LESSONS, SCENARIOS, type Scenario } from '../scenarios/index.ts';
import { AGENT_GROUPS, LOCKED } from '../state/agents.ts';
import type { Inventory } from '../state/navigation.ts';
import { agentName } from '../platform/bridge-prefix.ts';
import { doing, WAITING } from '../state/lesson.ts';
import type { StepProgress } from '../state/visits.ts';
import { label } from '../state/words.ts';
import { Button, Dialog, Problem, Select, useKeptFocus, type PartProps } from './controls.tsx';
import { BridgeDialog, ResetDialog, ShareDialog } from './Dialogs.tsx';

const MARK: Readonly<Record<StepProgress['state'], readonly [glyph: string, word: string]>> = {
  waiting: ['○', 'not yet'],
  running: ['◐', 'running'],
  done: ['●', 'as expected'],
  differs: ['◆', 'done, and not as expected'],
  failed: ['✕', 'not done'],
  skipped: ['–', 'skipped'],
};

const scenariosOf = (lesson: string) => SCENARIOS.filter((scenario) => scenario.lesson === lesson);
const BY_LESSON = Object.fromEntries(
  LESSONS.map((lesson) => [lesson, scenariosOf(lesson).map(({ name, title }) => [name, title] as const)]),
);

export function ScenarioPicker({ pg }: PartProps) {
  const cards = useSignal(false);
  return (
    <div class="rp-picker">
      <Select label="Scenario" value={pg.choice.scenario.value.name} groups={BY_LESSON} onChoose={pg.navigation.chooseScenario} />
      <Button tone="quiet" onPress={() => (cards.value = true)}>
        All lessons
      </Button>
      {cards.value ? <Cards pg={pg} onClose={() => (cards.value = false)} /> : null}
    </div>
  );
}

function Cards({ pg, onClose }: PartProps & { readonly onClose: () => void }) {
  const choose = (scenario: Scenario) => {
    onClose();
    void pg.navigation.chooseScenario(scenario.name);
  };
  return (
    <Dialog title="What do you want to see?" onClose={onClose} wide>
      {LESSONS.map((lesson) => (
        <section key={lesson} aria-label={lesson}>
          <h3>{lesson}</h3>
          <ul class="rp-cards">
            {scenariosOf(lesson).map((scenario) => (
              <li key={scenario.name}>
                <button type="button" aria-current={scenario === pg.choice.scenario.value} onClick={() => choose(scenario)}>
                  <strong>{scenario.title}</strong>
                  {pg.visits.hasSeen(scenario) ? <span class="rp-seen">● seen</span> : null}
                  <span>{scenario.watch}</span>
                </button>
              </li>
            ))}
          </ul>
        </section>
      ))}
    </Dialog>
  );
}

export function Steps({ pg }: PartProps) {
  const { lesson, runner, stage, turns } = pg;
  const scenario = pg.choice.scenario.value;
  const { steps } = scenario;
  const next = lesson.next.value;
  const over = next >= steps.length;
  const blocked = runner.blocked.value;
  const bridge = useSignal(false);
  const story = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const box = story.current;
    const here = box?.querySelector<HTMLElement>('[aria-current], .rp-end');
    if (!box || !here) return;
    const top = here.offsetTop - box.offsetTop;
    // The first step is seen whole, with as much above it as fits.
    box.scrollTop = next === 0 ? top + here.offsetHeight - box.clientHeight : top;
  }, [scenario, next, over]);
  return (
    <>
      {bridge.value ? <BridgeDialog pg={pg} onClose={() => (bridge.value = false)} /> : null}
      {steps.length > 0 ? (
        <div class="rp-row rp-run">
          {blocked !== null && pg.agents.bridge.value.kind !== 'connected' ? (
            <Button tone="main" onPress={() => (bridge.value = true)}>
              Connect a bridge
            </Button>
          ) : (
            <Button
              tone={over ? 'plain' : 'main'}
              onPress={runner.runNext}
              disabled={over || runner.busy.value || blocked !== null}
              next={runner.press.value === 'create'}
              why="Does the step for you. You can also do it yourself: type, and press the control with the ring."
            >
              {over ? 'All steps done' : `Run step ${next + 1} of ${steps.length}`}
            </Button>
          )}
          {blocked === null ? (
            <Button tone="quiet" onPress={runner.skipNext} disabled={over || runner.running.value}>
              Skip
            </Button>
          ) : null}
          <Button
            tone="quiet"
            onPress={() => {
              turns.draft.value = '';
              return pg.notices.attempt(pg.navigation.startOver);
            }}
          >
            Start over
          </Button>
        </div>
      ) : null}
      <Problem>{blocked}</Problem>
      <div class="rp-story" ref={story} tabIndex={0} role="group" aria-label={scenario.title}>
        <p class="rp-watch">
          {scenario.watch}{' '}
          <button type="button" class="rp-show" onClick={() => stage.show(scenario.look)}>
            Show it
          </button>{' '}
          <a href={`${pg.base}${scenario.read}`}>Why</a>
        </p>
        {steps.length > 0 ? (
          <ol class="rp-steps" aria-label="Steps">
            {steps.map((step, index) => {
              const progress = lesson.progress.value[index] ?? WAITING;
              const [glyph, word] = MARK[progress.state];
              return (
                <li key={index} data-state={progress.state} aria-current={index === next ? 'step' : undefined}>
                  <span aria-hidden="true" class="rp-glyph">
                    {glyph}
                  </span>
                  <span>
                    <strong>{doing(step)}</strong> <span class="rp-dim">{step.note}</span>
                    <span class="rp-sr">, {word}</span>
                    {progress.why ? <span class="rp-step-why">{progress.why}</span> : null}
                  </span>
                </li>
              );
            })}
          </ol>
        ) : null}
        {over && steps.length > 0 ? (
          <p class="rp-end" aria-live="polite">
            {scenario.end} The playground is yours now: go on, or break it.
          </p>
        ) : null}
      </div>
    </>
  );
}

const POLICIES = {
  '': [
    ['auto', 'auto: native, else transcript'],
    ['strict', 'strict: native or an error'],
    ['transcript', 'transcript: skip native'],
  ],
} as const;

const PROTOCOLS = {
  '': [
    ['v1', 'version 1'],
    ['v2', 'version 2, a draft'],
    ['newest', 'the newest the agent speaks'],
  ],
} as const;

export function Tools({ pg }: PartProps) {
  const dialog = useSignal<'share' | 'bridge' | Inventory | null>(null);
  const onClose = () => (dialog.value = null);
  const agents = pg.agents.list.value;
  const chosen = pg.chosen.value;
  const agent = pg.choice.agent.value;
  // It opens for a step that is done in it.
  const open = pg.stage.advanced.value || pg.runner.press.value === 'policy';
  const advanced = useKeptFocus<HTMLDetailsElement>('summary');
  return (
    <>
      <div class="rp-tools">
        <details class="rp-advanced" open={open} ref={advanced}>
          <summary
            onClick={(event) => {
              event.preventDefault();
              pg.stage.advanced.value = !open;
            }}
          >
            Advanced
          </summary>
          <div class="rp-advanced-body">
            <Select
              label="Agent"
              value={agent}
              groups={{
                // The session's own agent, even where it is not here.
                '': chosen || agent === '' ? [] : [[agent, label(agentName(agent), 'without a name', 80)] as const],
                ...Object.fromEntries(
                  AGENT_GROUPS.map((name) => [
                    name,
                    agents.flatMap(({ group, key, name: words }) => (group === name ? [[key, words] as const] : [])),
                  ]),
                ),
              }}
              onChoose={pg.navigation.chooseAgent}
            />
            <p class="rp-dim rp-small">
              {chosen ? <span class="rp-badge">{chosen.where === 'tab' ? 'in this tab' : 'a process'}</span> : null} {chosen?.description}
            </p>
            <Select<ResumePolicy>
              label="Policy"
              value={pg.choice.policy.value}
              groups={POLICIES}
              onChoose={pg.navigation.choosePolicy}
              next={pg.runner.press.value === 'policy'}
              outlined={pg.stage.outlined.value === 'Policy'}
            />
            <Select<ProtocolChoice>
              label="ACP"
              value={pg.choice.protocol.value}
              groups={PROTOCOLS}
              onChoose={pg.navigation.chooseProtocol}
            />
            {pg.agents.bridge.value.kind === 'locked' ? <p class="rp-dim rp-small">{LOCKED}</p> : null}
          </div>
        </details>
        <div class="rp-row">
          <a class="rp-link" href={`${pg.base}start/what-it-is/`}>
            Docs
          </a>
          <Button tone="quiet" onPress={() => (dialog.value = 'share')}>
            Share
          </Button>
          <Button tone="quiet" onPress={() => pg.notices.attempt(async () => (dialog.value = await pg.branches.inventory()))}>
            Reset
          </Button>
          <Button tone="quiet" onPress={() => (dialog.value = 'bridge')}>
            {pg.agents.bridge.value.kind === 'connected' ? 'About the bridge' : 'Connect a bridge'}
          </Button>
        </div>
      </div>
      {dialog.value === 'share' ? <ShareDialog pg={pg} onClose={onClose} /> : null}
      {dialog.value === 'bridge' ? <BridgeDialog pg={pg} onClose={onClose} /> : null}
      {typeof dialog.value === 'object' && dialog.value ? <ResetDialog pg={pg} inventory={dialog.value} onClose={onClose} /> : null}
    </>
  );
}
