import { useSignal } from '@preact/signals';
import type { Tier } from '../../src/engine/types.ts';
import { PAGES } from '../scenarios/index.ts';
import { msWords, reportNotes, verdictOf, verdictWords, waysOf, type StoredReport, type Told } from '../state/words.ts';
import { Empty, Panel, Select, type PartProps } from './controls.tsx';

const TIER_PAGES: Readonly<Record<Tier, string>> = {
  live: `${PAGES}create-and-prompt/`,
  new: `${PAGES}create-and-prompt/`,
  resume: `${PAGES}native-resume/`,
  load: `${PAGES}replay/`,
  transcript: `${PAGES}transcript/`,
};

export function ReportPanel({ pg }: PartProps) {
  /** The chosen one; the newest, where none was chosen or a newer one came. */
  const chosen = useSignal<{ readonly of: number; readonly at: number } | null>(null);
  const until = pg.timeline.past.value?.moment.at ?? Infinity;
  const failures = pg.session.failures.value.filter((failure) => failure.at <= until);
  const reports: readonly Told[] = [...pg.view.value.reports, ...failures].sort((a, b) => a.at - b.at);
  const at = chosen.value?.of === reports.length ? chosen.value.at : reports.length - 1;
  const told = reports[at];
  const live = !pg.inPast.value && pg.session.foundLive.value && at === reports.length - 1;
  return (
    <Panel
      name="Resume report"
      pg={pg}
      aside={
        reports.length > 1 ? (
          <Select
            label="All reports"
            bare
            value={`${at}`}
            groups={{ '': reports.map((one, index) => [`${index}`, `${index + 1}: ${listed(one)}`]) }}
            onChoose={(index) => (chosen.value = { of: reports.length, at: Number(index) })}
          />
        ) : null
      }
    >
      {told ? (
        <div class="rp-report" data-tier={live ? 'live' : 'report' in told ? told.report.tier : 'none'}>
          <p>
            <strong class="rp-verdict" data-verdict={verdictOf(told)}>
              {verdictOf(told)}
            </strong>{' '}
            {'report' in told ? (
              <a class="rp-badge" href={`${pg.base}${TIER_PAGES[told.report.tier]}`}>
                {told.report.tier}
              </a>
            ) : (
              'The session did not come back. '
            )}{' '}
            {verdictWords(told)}
          </p>
          {live ? <p class="rp-dim">The agent was still live at the last prompt, so nothing had to be brought back.</p> : null}
          <Ways pg={pg} told={told} />
          {'report' in told ? (
            <Notes told={told} />
          ) : (
            <p class="rp-dim">A resume that fails leaves nothing in the log. This report is stored beside the log, in this browser.</p>
          )}
        </div>
      ) : (
        <Empty>Send a prompt. It first makes the session live; this panel then says how that went.</Empty>
      )}
    </Panel>
  );
}

const listed = (told: Told) =>
  `${verdictOf(told)}, ${'report' in told ? told.report.tier : 'failed'}, ${new Date(told.at).toLocaleTimeString()}`;

function Ways({ pg, told }: PartProps & { readonly told: Told }) {
  return (
    <ol class="rp-attempts">
      {waysOf(told).map((way, index) => (
        <li key={index} data-good={way.good} data-asked={way.attempt !== null}>
          <p>
            <span aria-hidden="true">{way.good ? '●' : way.attempt ? '✕' : '○'}</span> <code>{way.method}</code> {way.words}{' '}
            {way.attempt ? (
              <>
                <span class="rp-dim">{msWords(way.attempt.ms)}</span>{' '}
                <button type="button" class="rp-show" onClick={() => pg.stage.showFrames(way.method)}>
                  its frames
                </button>
              </>
            ) : null}
          </p>
          {way.attempt ? <p class="rp-evidence">{way.attempt.evidence}</p> : null}
          {way.attempt?.error ? (
            <details>
              <summary>The agent’s answer, {way.attempt.error.code}</summary>
              <pre tabIndex={0}>{JSON.stringify(way.attempt.error, null, 2)}</pre>
            </details>
          ) : null}
        </li>
      ))}
    </ol>
  );
}

function Notes({ told }: { readonly told: StoredReport }) {
  const { report, seq } = told;
  return (
    <ul class="rp-notes">
      {reportNotes(report).map((note) => (
        <li key={note}>{note}</li>
      ))}
      <li class="rp-dim">
        It took {msWords(report.ms)}, of which {msWords(report.agentMs)} was the agent’s. It is event {seq} of the log.
      </li>
    </ul>
  );
}
