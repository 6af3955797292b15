import type { ReadonlySignal } from '@preact/signals';
import { count } from '../state/words.ts';
import { Panel } from './Panel.tsx';
import { STATIONS, type AgentStatus, type HostStatus, type Machine, type Station, type StationState } from '../state/machine.ts';

const HOST_DETAIL: Readonly<Record<HostStatus, string>> = {
  opening: 'Opens its database.',
  awake: 'Owns the session.',
  asleep: 'Owns nothing now.',
};

/** Whether what is committed outlives the page. `closed`: nothing can be committed yet. */
export type Keeping = 'closed' | 'durable' | 'volatile';
const KEEPING: Readonly<Record<Keeping, string>> = { closed: 'not open', durable: 'durable', volatile: 'in memory' };

const MARK: Readonly<Record<StationState, { readonly glyph: string; readonly word: string }>> = {
  idle: { glyph: '○', word: 'not tried' },
  absent: { glyph: '–', word: 'not offered' },
  trying: { glyph: '◐', word: 'asking' },
  ok: { glyph: '●', word: 'worked' },
  doubted: { glyph: '✕', word: 'not believed' },
  refused: { glyph: '✕', word: 'refused' },
  lost: { glyph: '⚠', word: 'no answer' },
};

const AGENT_DETAIL: Readonly<Record<AgentStatus, string>> = {
  asleep: 'No process. Nothing to pay for.',
  starting: 'A process starts.',
  resuming: 'It is asked for the session.',
  live: 'Waits for a prompt.',
  prompting: 'Works on a turn.',
  dead: 'Its process is gone, unasked.',
};

/** Things that happen many times a second are shown as happening twice a second: a pulse, not a flicker. */
export const beat = (at: number | undefined): number => (at === undefined ? 0 : Math.ceil(at / 500));

/** The live picture: host, database, agent, and the way back the resume took. */
export function MachinePanel(props: {
  readonly machine: ReadonlySignal<Machine>;
  readonly sessionId: ReadonlySignal<string | null>;
  readonly keeping: ReadonlySignal<Keeping>;
  readonly events: ReadonlySignal<number>;
  /** Changes when something was stored, and when something crossed the wire; a change is shown as a short light. */
  readonly flash: ReadonlySignal<number>;
  readonly pulse: ReadonlySignal<number>;
}) {
  const machine = props.machine.value;
  const keeping = props.keeping.value;
  const linked = machine.agent !== 'asleep' && machine.agent !== 'dead';
  return (
    <Panel name="Machine" class="rp-machine-panel">
      <div class="rp-machine">
        <div class="rp-box" data-state={machine.host}>
          <h3>Host</h3>
          <p class="rp-state">{machine.host}</p>
          <p class="rp-detail">{HOST_DETAIL[machine.host]}</p>
        </div>
        <div class="rp-link" data-linked={linked} aria-hidden="true">
          <span class="rp-link-line" />
          <span key={props.pulse.value} class="rp-link-pulse" />
          <span class="rp-link-label">{linked ? 'ACP' : 'no connection'}</span>
        </div>
        <div class="rp-box rp-agent" data-state={machine.agent}>
          <h3>Agent</h3>
          <p class="rp-state" role="status" aria-label="Agent status">
            {machine.agent}
          </p>
          <p class="rp-detail">{AGENT_DETAIL[machine.agent]}</p>
        </div>
        <div class="rp-box rp-db" data-state={keeping}>
          <span key={props.flash.value} class="rp-flash" aria-hidden="true" />
          <h3>Database</h3>
          <p class="rp-state">{KEEPING[keeping]}</p>
          <p class="rp-detail">
            {count(props.events.value, 'event')}
            {props.sessionId.value ? (
              <>
                {' '}
                of <code>{props.sessionId.value}</code>
              </>
            ) : null}
            {keeping === 'volatile' ? ', until this page is closed' : null}
          </p>
        </div>
        <ol class="rp-path" aria-label="The way back">
          {STATIONS.map((station) => (
            <PathStation key={station} station={station} state={machine.stations[station]} />
          ))}
        </ol>
      </div>
      <p class="rp-words" aria-live="polite">
        {machine.words}
      </p>
    </Panel>
  );
}

function PathStation(props: { readonly station: Station; readonly state: StationState }) {
  const mark = MARK[props.state];
  return (
    <li class="rp-station" data-state={props.state}>
      <span aria-hidden="true" class="rp-glyph">
        {mark.glyph}
      </span>
      <code>{props.station}</code>
      <span class="rp-station-word">{mark.word}</span>
    </li>
  );
}
