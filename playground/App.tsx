/** The whole page: who stands where. All panels are always there, under the same names, at every width. */
import { computed, useSignal } from '@preact/signals';
import { useEffect, useMemo } from 'preact/hooks';
import { SCENARIOS } from './scenarios/index.ts';
import type * as TerminalModule from './panels/terminal.ts';
import { Picture, runningIn, Steps, Talk, type PartProps } from './parts.tsx';
import type { Inventory } from './state/branches.ts';
import { TranscriptWatch } from './state/transcript-watch.ts';
import { formatFragment } from './state/fragment.ts';
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
    () => computed(() => (pg.bridge.state.value.kind === 'connected' ? 'About the bridge' : 'Connect a bridge')),
    [pg],
  );
  const { breaking, branches, places } = pg;
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
        unopened={pg.shelf.unopened}
        onAgain={() => pg.shelf.answer('again')}
        onMemory={() => pg.shelf.answer('memory')}
        onSalvage={() => void pg.shelf.salvage()}
      />
      <Toolbar
        scenarios={SCENARIOS}
        scenario={pg.scenario}
        agents={pg.bridge.agents}
        agent={pg.agent}
        policy={pg.policy}
        onScenario={(name) => void places.chooseScenario(name)}
        onAgent={(key) => void places.chooseAgent(key)}
        onPolicy={(policy) => places.choosePolicy(policy)}
        onShare={() => (open.value = { kind: 'share' })}
        onReset={() => void pg.attempt(async () => (open.value = { kind: 'reset', inventory: await branches.inventory() }))}
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
              pg.scenario.value.steps.length > 0
                ? 'Nothing has been said yet. Run the first step above, or type a prompt of your own.'
                : 'Nothing has been said yet. Tell the agent something it should remember, such as “My cat is called Ada.”'
            }
            above={
              <SessionBar
                sessions={pg.sessions}
                sessionId={pg.sessionId}
                onSession={(id) => void pg.attempt(() => places.chooseSession(id))}
              />
            }
            below={
              <Faults
                machine={pg.machine}
                ready={pg.ready}
                past={pg.inPast}
                canForget={pg.canForget}
                crashArmed={pg.keeper.crashArmed}
                onSleep={() => void breaking.sleep()}
                onWake={() => void breaking.wake()}
                onKill={() => void breaking.kill()}
                onDrop={() => void breaking.drop()}
                onForget={() => void breaking.forgetStore()}
                onCrash={() => breaking.toggleCrash()}
              />
            }
          />
        </div>
        <Happening pg={pg} loadTerminal={loadTerminal} />
        <Evidence pg={pg} />
      </div>
      {pg.consent.value ? <ConsentDialog consent={pg.consent.value} /> : null}
      {open.value.kind === 'share' ? (
        <ShareDialog link={`${pageUrl()}${formatFragment(places.here())}`} bridged={pg.chosen.value?.where === 'bridge'} onClose={close} />
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
          state={pg.bridge.state}
          origin={location.origin}
          publicOrigin={!['localhost', '127.0.0.1', '[::1]'].includes(location.hostname)}
          onConnect={(url, token) => void pg.connectBridge({ url, token })}
          onDisconnect={() => void pg.attempt(() => pg.disconnectBridge())}
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
      <ReportPanel report={pg.shownReport} />
      <TerminalPanel
        view={pg.view}
        running={running}
        load={loadTerminal}
        actions={{ onSubmit: (text) => pg.turns.sendLine(text), onCancel: () => void pg.turns.cancel() }}
      />
      <TimelinePanel
        moments={pg.time.moments}
        at={pg.time.at}
        branch={pg.shelf.branch}
        note={pg.note}
        onSeek={(index) => void pg.branches.seek(index)}
        onFork={() => void pg.branches.fork()}
        onNow={() => void pg.branches.returnToNow()}
      />
    </div>
  );
}

/** What it all leaves behind: rows, the record, the frames. */
function Evidence({ pg }: PartProps) {
  const transcripts = useMemo(() => new TranscriptWatch(pg), [pg]);
  useEffect(() => transcripts.start(), [transcripts]);
  const shown = useMemo(
    () => ({
      tables: computed(() => pg.time.past.value?.tables ?? pg.tables.list.value),
      table: computed(() => (pg.time.past.value ? pg.time.past.value.table : pg.tables.table.value)),
      changes: computed(() => (pg.time.past.value ? new Map() : pg.tables.changes.value)),
      transcript: computed(() => (pg.time.past.value ? pg.time.past.value.transcript : transcripts.text.value)),
    }),
    [pg, transcripts],
  );
  return (
    <div class="rp-column">
      <DatabasePanel
        tables={shown.tables}
        table={shown.table}
        changes={shown.changes}
        role={pg.shelf.role}
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
      <WirePanel frames={pg.keeper.frames} onClear={() => pg.keeper.clearFrames()} />
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
