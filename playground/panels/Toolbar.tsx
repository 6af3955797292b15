import type { ReadonlySignal } from '@preact/signals';
import type { ResumePolicy } from '../../src/engine/types.ts';
import type { AgentChoice } from '../state/agents.ts';
import type { Scenario } from '../scenarios/types.ts';
import { Button } from './Button.tsx';

const POLICIES: readonly { readonly value: ResumePolicy; readonly words: string }[] = [
  { value: 'auto', words: 'auto: native, else transcript' },
  { value: 'strict', words: 'strict: native or an error' },
  { value: 'transcript', words: 'transcript: skip native' },
];

/** What is played, by whom, and what may be tried. */
export function Toolbar(props: {
  readonly scenarios: readonly Scenario[];
  readonly scenario: ReadonlySignal<Scenario>;
  readonly agents: ReadonlySignal<readonly AgentChoice[]>;
  readonly agent: ReadonlySignal<string>;
  readonly policy: ReadonlySignal<ResumePolicy>;
  readonly onScenario: (name: string) => void;
  readonly onAgent: (key: string) => void;
  readonly onPolicy: (policy: ResumePolicy) => void;
  readonly onShare: () => void;
  readonly onReset: () => void;
  readonly onBridge: () => void;
  readonly bridgeWords: ReadonlySignal<string>;
}) {
  const agents = props.agents.value;
  const chosen = agents.find((agent) => agent.key === props.agent.value);
  const bridged = agents.filter((agent) => agent.where === 'bridge');
  const inTab = agents.filter((agent) => agent.where === 'tab');
  return (
    <div class="rp-toolbar">
      <div class="rp-choices">
        <label class="rp-choice">
          <span>Scenario</span>
          <select class="rp-field" value={props.scenario.value.name} onChange={(event) => props.onScenario(event.currentTarget.value)}>
            {props.scenarios.map((scenario) => (
              <option key={scenario.name} value={scenario.name}>
                {scenario.title}
              </option>
            ))}
          </select>
        </label>
        <label class="rp-choice">
          <span>Agent</span>
          <select class="rp-field" value={props.agent.value} onChange={(event) => props.onAgent(event.currentTarget.value)}>
            {bridged.length > 0 ? <AgentGroup label="Over the bridge" agents={bridged} chosen={props.agent.value} /> : null}
            <AgentGroup label="In this tab" agents={inTab} chosen={props.agent.value} />
          </select>
        </label>
        <label class="rp-choice">
          <span>Policy</span>
          <select
            class="rp-field"
            value={props.policy.value}
            onChange={(event) => props.onPolicy(event.currentTarget.value as ResumePolicy)}
          >
            {POLICIES.map((policy) => (
              <option key={policy.value} value={policy.value}>
                {policy.words}
              </option>
            ))}
          </select>
        </label>
      </div>
      <div class="rp-row rp-toolbar-buttons">
        <Button tone="quiet" onPress={props.onShare}>
          Share
        </Button>
        <Button tone="quiet" onPress={props.onReset}>
          Reset
        </Button>
        <Button tone="quiet" onPress={props.onBridge}>
          {props.bridgeWords.value}
        </Button>
      </div>
      <p class="rp-agent-words rp-dim">{chosen?.description ?? ''}</p>
    </div>
  );
}

function AgentGroup(props: { readonly label: string; readonly agents: readonly AgentChoice[]; readonly chosen: string }) {
  return (
    <optgroup label={props.label}>
      {props.agents.map((agent) => (
        <option key={agent.key} value={agent.key} selected={agent.key === props.chosen}>
          {agent.name}
        </option>
      ))}
    </optgroup>
  );
}
