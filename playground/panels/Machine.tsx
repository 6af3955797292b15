import { LEGS, STATIONS, type Process, type StationState } from '../state/machine.ts';
import { count } from '../state/words.ts';
import { Panel, type PartProps } from './controls.tsx';

/** Whether what is committed outlives the page. `closed`: nothing can be committed yet. */
type Keeping = 'closed' | 'durable' | 'volatile';
const KEEPING: Readonly<Record<Keeping, string>> = { closed: 'not open', durable: 'durable', volatile: 'in memory' };

const MARK: Readonly<Record<StationState, readonly [glyph: string, word: string]>> = {
  idle: ['○', 'not asked'],
  absent: ['–', 'not offered'],
  trying: ['◐', 'asking'],
  ok: ['●', 'answered'],
  doubted: ['✕', 'not believed'],
  refused: ['✕', 'refused'],
  lost: ['⚠', 'no answer'],
};

/** Hidden where there is little room. */
const OF_SESSION = 'session/';

export function MachinePanel({ pg }: PartProps) {
  const machine = pg.machine.value;
  const { info, permission } = pg.view.value;
  const keeping: Keeping =
    pg.databases.unopened.value || machine.host === 'opening' ? 'closed' : pg.databases.durable.value ? 'durable' : 'volatile';
  const linked = machine.agent !== 'asleep' && machine.agent !== 'dead';
  return (
    <Panel name="Machine" pg={pg}>
      <div class="rp-way" data-legs={machine.legs} data-linked={linked}>
        <span class="rp-token" aria-hidden="true" />
        <div class="rp-box rp-you">
          <h3>You</h3>
        </div>
        <div class="rp-box rp-host" data-state={machine.host === 'awake' ? keeping : machine.host}>
          <h3>Host</h3>
          <p>
            <strong>{machine.host}</strong>
          </p>
          <h3>Database</h3>
          <p>
            <strong>{KEEPING[keeping]}</strong>{' '}
            <span class="rp-dim">
              {keeping === 'closed' ? null : count(info ? info.latestSeq - info.firstSeq + 1 : 0, 'event')}
              {info ? (
                <span class="rp-of">
                  {' '}
                  of <code>{info.sessionId}</code>
                </span>
              ) : null}
              {keeping === 'volatile' ? ', until this page is closed' : null}
            </span>
          </p>
        </div>
        <div class="rp-box rp-agent" data-state={machine.agent}>
          <h3>Agent</h3>
          <p>
            <strong role="status" aria-label="Agent status">
              {machine.agent}
            </strong>
          </p>
          <Processes processes={machine.processes} />
        </div>
      </div>
      <div class="rp-ways">
        <ol class="rp-legs" aria-label="The way of the last prompt">
          {LEGS.map((leg, index) => (
            <li key={leg} data-state={machine.legs > index ? 'ok' : 'idle'}>
              <span aria-hidden="true" class="rp-glyph">
                {machine.legs > index ? '●' : '○'}
              </span>
              {index + 1} {leg}
              <span class="rp-sr">{machine.legs > index ? ', yes' : ', not yet'}</span>
            </li>
          ))}
        </ol>
        <ol class="rp-path" aria-label="The way back">
          {STATIONS.map((station) => {
            const [glyph, word] = MARK[machine.stations[station]];
            return (
              <li key={station} data-state={machine.stations[station]}>
                <span aria-hidden="true" class="rp-glyph">
                  {glyph}
                </span>
                <code>
                  {station.startsWith(OF_SESSION) ? <span class="rp-of">{OF_SESSION}</span> : null}
                  {station.replace(OF_SESSION, '')}
                </code>{' '}
                <span class="rp-small">{word}</span>
              </li>
            );
          })}
        </ol>
      </div>
      <p class="rp-words" aria-live="polite">
        {permission && machine.agent === 'prompting' ? 'The agent waits for your answer.' : machine.words}
      </p>
    </Panel>
  );
}

export function Processes({ processes }: { readonly processes: readonly Process[] }) {
  return (
    <ol class="rp-processes" aria-label="Processes">
      {processes.map((process) => (
        <li key={process.number} data-state={process.state}>
          {process.state === 'runs' ? <span>process {process.number}</span> : <del>process {process.number}</del>}{' '}
          <span class="rp-dim">{process.state === 'runs' ? process.agent : process.words}</span>
        </li>
      ))}
    </ol>
  );
}
