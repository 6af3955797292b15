/** The whole page: who stands where. All panels are always there, under the same names, at every width. */
import { computed, useSignal } from '@preact/signals';
import { useEffect, useMemo } from 'preact/hooks';
import { SCENARIOS } from './scenarios/index.ts';
import type * as TerminalModule from './panels/terminal.ts';
import { Picture, runningIn, Steps, Talk, type PartProps } from './parts.tsx';
import type { Inventory } from './state/branches.ts';
import { formatFragment } from './state/link.ts';
import { errorWords } from './state/words.ts';
import { BootSteps } from './panels/BootSteps.tsx';
import { DatabasePanel } from './panels/Database.tsx';
import { BridgeDialog, ConsentDialog, ResetDialog, ShareDialog } from './panels/Dialogs.tsx';
import { Faults } from './panels/Faults.tsx';
import { ReportPanel } from './panels/Report.tsx';
import { SessionBar } from './panels/SessionBar.tsx';
import { TerminalPanel } from './panels/Terminal.tsx';
import { TimelinePanel } from './panels/Timeline.tsx';
import { Toolbar } from './panels/Toolbar.tsx';
import { TranscriptPanel } from './panels/Transcript.tsx';
import { UnopenedNotice } from './panels/Unopened.tsx';
import { WirePanel } from './panels/Wire.tsx';

type Open =
  | { readonly kind: 'none' }
  | { readonly kind: 'share' }
  | { readonly kind: 'bridge' }
  | { readonly kind: 'reset'; readonly inventory: Inventory };

const JUMPS = ['Machine', 'Resume report', 'Terminal', 'Timeline', 'Database', 'Transcript', 'Wire'];

export interface AppProps extends PartProps {
  readonly loadTerminal: () => Promise<typeof TerminalModule>;
  readonly pageUrl: () => string;
}

export function App({ pg, loadTerminal, pageUrl }: AppProps) {
  const open = useSignal<Open>({ kind: 'none' });
  const close = () => (open.value = { kind: 'none' });
  const bridgeWords = useMemo(
    () => computed(() => (pg.agents.bridge.value.kind === 'connected' ? 'About the bridge' : 'Connect a bridge')),
    [pg],
  );
  const { branches, faults, navigation } = pg;
  return (
    <div class="rp">
      <div class="rp-head">
        <p class="rp-intro">
          Tell an agent something, let its process die, and ask for it back.{' '}
          <span class="rp-dim">Engine and database are the real ones, in this tab.</span>
        </p>
        <BootSteps steps={pg.boot.steps} />
      </div>
      <UnopenedNotice
        unopened={pg.databases.unopened}
        onAgain={() => pg.databases.answer('again')}
        onMemory={() => pg.databases.answer('memory')}
        onSalvage={() => void branches.salvage()}
      />
      <Toolbar
        scenarios={SCENARIOS}
        scenario={pg.choice.scenario}
        agents={pg.agents.list}
        agent={pg.choice.agent}
        policy={pg.choice.policy}
        onScenario={(name) => void navigation.chooseScenario(name)}
        onAgent={(key) => void navigation.chooseAgent(key)}
        onPolicy={(policy) => navigation.choosePolicy(policy)}
        onShare={() => (open.value = { kind: 'share' })}
        onReset={() => void pg.notices.attempt(async () => (open.value = { kind: 'reset', inventory: await branches.inventory() }))}
        onBridge={() => (open.value = { kind: 'bridge' })}
        bridgeWords={bridgeWords}
      />
      <Jumps />
      <div class="rp-columns">
        <div class="rp-column rp-first">
          <Steps pg={pg} />
          <Talk
            pg={pg}
            hint={
              pg.choice.scenario.value.steps.length > 0
                ? 'Nothing has been said yet. Run the first step above, or type a prompt of your own.'
                : 'Nothing has been said yet. Tell the agent something it should remember, such as “My cat is called Ada.”'
            }
            above={
              <SessionBar
                sessions={pg.session.list}
                sessionId={pg.session.id}
                onSession={(id) => void pg.notices.attempt(() => navigation.chooseSession(id))}
              />
            }
            below={
              <Faults
                machine={pg.machine}
                ready={pg.ready}
                past={pg.inPast}
                elsewhere={pg.session.elsewhere}
                canForget={faults.canForget}
                crashArmed={pg.host.crashArmed}
                onSleep={() => void faults.sleep()}
                onWake={() => void faults.wake()}
                onKill={() => void faults.kill()}
                onDrop={() => void faults.drop()}
                onForget={() => void faults.forgetStore()}
                onCrash={() => faults.toggleCrash()}
              />
            }
          />
        </div>
        <Happening pg={pg} loadTerminal={loadTerminal} />
        <Evidence pg={pg} />
      </div>
      {pg.turns.consent.value ? <ConsentDialog consent={pg.turns.consent.value} /> : null}
      {open.value.kind === 'share' ? (
        <ShareDialog
          link={`${pageUrl()}${formatFragment(navigation.here())}`}
          bridged={pg.chosen.value?.where === 'bridge'}
          onClose={close}
        />
      ) : null}
      {open.value.kind === 'reset' ? (
        <ResetDialog
          inventory={open.value.inventory}
          undeleted={branches.undeleted}
          onClose={close}
          onConfirm={() => void branches.reset()}
          onReload={() => pg.platform.reload()}
        />
      ) : null}
      {open.value.kind === 'bridge' ? (
        <BridgeDialog
          state={pg.agents.bridge}
          origin={location.origin}
          publicOrigin={!['localhost', '127.0.0.1', '[::1]'].includes(location.hostname)}
          onConnect={(url, token) => void pg.connectBridge({ url, token })}
          onDisconnect={() => void pg.notices.attempt(() => pg.disconnectBridge())}
          onClose={close}
        />
      ) : null}
    </div>
  );
}

/** What happens now, and how one goes back to what happened. */
function Happening({ pg, loadTerminal }: Pick<AppProps, 'pg' | 'loadTerminal'>) {
  const running = useMemo(() => runningIn(pg), [pg]);
  return (
    <div class="rp-column">
      <Picture pg={pg} />
      <ReportPanel report={pg.report} />
      <TerminalPanel
        view={pg.view}
        running={running}
        load={loadTerminal}
        actions={{ onSubmit: (text) => pg.turns.sendLine(text), onCancel: () => void pg.turns.cancel() }}
      />
      <TimelinePanel
        moments={pg.timeline.moments}
        at={pg.timeline.at}
        branch={pg.databases.branch}
        note={pg.notices.note}
        onSeek={(index) => void pg.branches.seek(index)}
        onFork={() => void pg.branches.fork()}
        onNow={() => void pg.branches.returnToNow()}
      />
    </div>
  );
}

/** What it all leaves behind: rows, the record, the frames. */
function Evidence({ pg }: PartProps) {
  useEffect(
    () => pg.session.followTranscript((error) => (pg.notices.note.value = `The transcript could not be rendered: ${errorWords(error)}`)),
    [pg],
  );
  const shown = useMemo(
    () => ({
      tables: computed(() => pg.timeline.past.value?.tables ?? pg.tables.list.value),
      table: computed(() => (pg.timeline.past.value ? pg.timeline.past.value.table : pg.tables.table.value)),
      changes: computed(() => (pg.timeline.past.value ? new Map() : pg.tables.changes.value)),
      transcript: computed(() => (pg.timeline.past.value ? pg.timeline.past.value.transcript : pg.session.transcript.value)),
    }),
    [pg],
  );
  return (
    <div class="rp-column">
      <DatabasePanel
        tables={shown.tables}
        table={shown.table}
        changes={shown.changes}
        role={pg.databases.role}
        sql={pg.tables.sql}
        result={pg.tables.result}
        onTable={(name) => void pg.branches.showTable(name)}
        onRun={() => void pg.tables.run()}
        onExport={() => void pg.branches.exportDatabase()}
        importing={pg.branches.importing}
        onImport={(file) =>
          void pg.branches.importDatabase({ name: file.name, size: file.size, bytes: async () => new Uint8Array(await file.arrayBuffer()) })
        }
      />
      <TranscriptPanel view={shown.transcript} />
      <WirePanel frames={pg.host.frames} onClear={() => pg.host.clearFrames()} />
    </div>
  );
}

/** Where everything stands below everything else, the panels are a touch away. */
function Jumps() {
  return (
    <nav class="rp-jumps" aria-label="Panels">
      {JUMPS.map((name) => (
        <button
          key={name}
          type="button"
          onClick={() => document.querySelector(`.rp [data-panel="${name}"]`)?.scrollIntoView({ block: 'start' })}
        >
          {name}
        </button>
      ))}
    </nav>
  );
}
