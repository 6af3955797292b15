import type { ReadonlySignal } from '@preact/signals';
import type { ResumeReport } from '../../src/engine/types.ts';
import { TIER_WORDS, attemptWords, isDoubted, msWords, reportNotes } from '../state/words.ts';
import { Empty, Panel } from './Panel.tsx';

/** How the session became live, and what that was concluded from. */
export function ReportPanel(props: { readonly report: ReadonlySignal<ResumeReport | null> }) {
  const report = props.report.value;
  return (
    <Panel name="Resume report">
      {report ? (
        <Report report={report} />
      ) : (
        <Empty>Send a prompt. The first thing it does is make the session live; how that went is told here.</Empty>
      )}
    </Panel>
  );
}

function Report({ report }: { readonly report: ResumeReport }) {
  return (
    <div class="rp-report" data-tier={report.tier}>
      <p class="rp-tier">
        <span class="rp-tier-word">{report.tier}</span> {TIER_WORDS[report.tier]}
      </p>
      {report.attempts.length > 0 ? (
        <ol class="rp-attempts">
          {report.attempts.map((attempt, index) => (
            <li key={index} data-outcome={attempt.outcome} data-doubted={isDoubted(attempt, report.tier)}>
              <p>
                <span aria-hidden="true">{attempt.outcome === 'ok' && !isDoubted(attempt, report.tier) ? '● ' : '✕ '}</span>
                <code>{attempt.method}</code> {attemptWords(attempt, report.tier)} <span class="rp-dim">{msWords(attempt.ms)}</span>
              </p>
              <p class="rp-evidence">{attempt.evidence}</p>
              {attempt.error ? (
                <details>
                  <summary>The agent’s answer, {attempt.error.code}</summary>
                  <pre tabIndex={0}>{JSON.stringify(attempt.error, null, 2)}</pre>
                </details>
              ) : null}
            </li>
          ))}
        </ol>
      ) : null}
      <ul class="rp-notes">
        {reportNotes(report).map((note) => (
          <li key={note}>{note}</li>
        ))}
        <li>
          It took {msWords(report.ms)}, of which {msWords(report.agentMs)} was the agent’s.
        </li>
      </ul>
    </div>
  );
}
