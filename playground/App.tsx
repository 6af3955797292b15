/** The whole page: who stands where. All panels are always there, under the same names, at every width. */
import { computed, useSignal } from '@preact/signals';
import { useEffect, useMemo } from 'preact/hooks';
import { SCENARIOS } from './scenarios/index.ts';
import type * as TerminalModule from './panels/terminal.ts';
import type { Playground } from './state/store.ts';
import { TranscriptWatch } from './state/transcript-watch.ts';
import { formatFragment } from './state/fragment.ts';
import { BootSteps } from './panels/BootSteps.tsx';
import { Conversation } from './panels/Conversation.tsx';
import { DatabasePanel } from './panels/Database.tsx';
import { BridgeDialog, ResetDialog, ShareDialog, type ResetInventory } from './panels/Dialogs.tsx';
import { Faults } from './panels/Faults.tsx';
import { beat, MachinePanel } from './panels/Machine.tsx';
import { Notices } from './panels/Notices.tsx';
import { PromptForm } from './panels/Prompt.tsx';
import { ReportPanel } from './panels/Report.tsx';
import { ScenarioBar } from './panels/ScenarioBar.tsx';
import { SessionBar } from './panels/SessionBar.tsx';
import { TerminalPanel } from './panels/Terminal.tsx';
import { TimelinePanel } from './panels/Timeline.tsx';
import { Toolbar } from './panels/Toolbar.tsx';
import { TranscriptPanel } from './panels/Transcript.tsx';
import { WirePanel } from './panels/Wire.tsx';

type Open = { readonly kind: 'none' } | { readonly kind: 'share' } | { readonly kind: 'bridge' } | { readonly kind: 'reset'; readonly inventory: ResetInventory };

const JUMPS = ['Machine', 'Resume report', 'Terminal', 'Timeline', 'Database', 'Transcript', 'Wire'];

export function App({ pg, loadTerminal, pageUrl }: { readonly pg: Playground; readonly loadTerminal: () => Promise<typeof TerminalModule>; readonly pageUrl: () => string }) {
  const open = useSignal<Open>({ kind: 'none' });
  const close = () => (open.value = { kind: 'none' });
  const transcripts = useMemo(() => new TranscriptWatch(pg), [pg]);
  useEffect(() => transcripts.start(), [transcripts]);
  const derived = useMemo(
    () => ({
      running: computed(() => pg.sending.value || pg.view.value.turnOpen),
      permission: computed(() => (pg.inPast.value ? null : pg.live.value.permission)),
      problem: computed(() => pg.problem.value?.text ?? null),
      waiting: computed(() => (pg.sending.value && !pg.ready.value ? 'The prompt is sent as soon as the database is open.' : null)),
      events: computed(() => pg.view.value.info?.latestSeq ?? 0),
      pulse: computed(() => beat(pg.keeper.frames.value.at(-1)?.at)),
      flash: computed(() => beat(pg.commits.value === 0 ? undefined : Date.now())),
      tables: computed(() => pg.time.past.value?.tables ?? pg.tables.list.value),
      table: computed(() => (pg.time.past.value ? pg.time.past.value.table : pg.tables.table.value)),
      changes: computed(() => (pg.time.past.value ? new Map() : pg.tables.changes.value)),
      transcript: computed(() => (pg.time.past.value ? pg.time.past.value.transcript : transcripts.text.value)),
      bridgeWords: computed(() => (pg.bridge.state.value.kind === 'connected' ? 'About the bridge' : 'Connect a bridge')),
    }),
    [pg, transcripts],
  );
  return (
    <div class="rp">
      <Toolbar
        scenarios={SCENARIOS}
        scenario={pg.scenario}
        agents={pg.bridge.agents}
        agent={pg.agent}
        policy={pg.policy}
        onScenario={(name) => void pg.chooseScenario(name)}
        onAgent={(key) => void pg.chooseAgent(key)}
        onPolicy={(policy) => pg.choosePolicy(policy)}
        onShare={() => (open.value = { kind: 'share' })}
        onReset={() => void pg.inventory().then((inventory) => (open.value = { kind: 'reset', inventory }))}
        onBridge={() => (open.value = { kind: 'bridge' })}
        bridgeWords={derived.bridgeWords}
      />
      <BootSteps steps={pg.boot.steps} />
      <nav class="rp-jumps" aria-label="Panels">
        {JUMPS.map((name) => (
          <button
            key={name}
            type="button"
            onClick={() => {
              const panel = document.querySelector(`.rp [data-panel="${name}"]`);
              panel?.scrollIntoView({ block: 'start' });
            }}
          >
            {name}
          </button>
        ))}
      </nav>
      <div class="rp-columns">
        <div class="rp-column rp-first">
          <ScenarioBar
            scenario={pg.scenario}
            progress={pg.play.progress}
            next={pg.play.next}
            busy={pg.play.busy}
            blocked={pg.play.blocked}
            onRun={() => void pg.play.runNext()}
            onSkip={() => pg.play.skipNext()}
            onRestart={() => void pg.startOver()}
          />
          <section class="rp-panel rp-talk" aria-label="Talk">
            <SessionBar sessions={pg.sessions} sessionId={pg.sessionId} onSession={(id) => void pg.chooseSession(id)} />
            <Conversation view={pg.view} hint="Nothing has been said yet. Run the first step above, or type a prompt of your own." />
            <Notices pg={pg} />
            <PromptForm
              draft={pg.draft}
              running={derived.running}
              past={pg.inPast}
              permission={derived.permission}
              problem={derived.problem}
              waiting={derived.waiting}
              onSend={() => void pg.sendDraft()}
              onCancel={() => void pg.cancel()}
              onAnswer={(requestId, optionId) => void pg.answer(requestId, optionId)}
            />
            <Faults
              machine={pg.machine}
              ready={pg.ready}
              past={pg.inPast}
              canForget={pg.canForget}
              crashArmed={pg.keeper.crashArmed}
              onSleep={() => void pg.sleep()}
              onWake={() => void pg.wake()}
              onKill={() => void pg.kill()}
              onDrop={() => void pg.drop()}
              onForget={() => void pg.forgetStore()}
              onCrash={() => pg.toggleCrash()}
            />
          </section>
        </div>
        <div class="rp-column">
          <MachinePanel machine={pg.machine} sessionId={pg.sessionId} events={derived.events} flash={derived.flash} pulse={derived.pulse} />
          <ReportPanel report={pg.shownReport} />
          <TerminalPanel
            view={pg.view}
            running={derived.running}
            load={loadTerminal}
            actions={{ onSubmit: (text) => void pg.say(text), onCancel: () => void pg.cancel() }}
          />
          <TimelinePanel
            moments={pg.time.moments}
            at={pg.time.at}
            branch={pg.branch}
            note={pg.note}
            onSeek={(index) => void pg.seek(index)}
            onFork={() => void pg.fork()}
            onNow={() => void pg.returnToNow()}
          />
        </div>
        <div class="rp-column">
          <DatabasePanel
            tables={derived.tables}
            table={derived.table}
            changes={derived.changes}
            role={pg.role}
            sql={pg.tables.sql}
            result={pg.tables.result}
            onTable={(name) => void pg.showTable(name)}
            onRun={() => void pg.tables.run()}
            onExport={() => void pg.exportDatabase()}
            onImport={(file) => void file.arrayBuffer().then((buffer) => pg.importDatabase(new Uint8Array(buffer)))}
          />
          <TranscriptPanel view={derived.transcript} />
          <WirePanel frames={pg.keeper.frames} onClear={() => pg.keeper.clearFrames()} />
        </div>
      </div>
      {open.value.kind === 'share' ? (
        <ShareDialog link={`${pageUrl()}${formatFragment(pg.here())}`} bridged={pg.chosen.value?.where === 'bridge'} onClose={close} />
      ) : null}
      {open.value.kind === 'reset' ? <ResetDialog inventory={open.value.inventory} onClose={close} onConfirm={() => void pg.reset()} /> : null}
      {open.value.kind === 'bridge' ? (
        <BridgeDialog
          state={pg.bridge.state}
          origin={location.origin}
          publicOrigin={!['localhost', '127.0.0.1', '[::1]'].includes(location.hostname)}
          onConnect={(url, token) => void pg.connectBridge({ url, token })}
          onDisconnect={() => void pg.disconnectBridge()}
          onClose={close}
        />
      ) : null}
    </div>
  );
}
