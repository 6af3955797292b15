/** The whole page: one screen, on which cause and effect stand side by side. */
import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { BootSteps, UnopenedNotice } from './panels/Start.tsx';
import { BridgeDialog, ConsentDialog, ResetDialog, ShareDialog } from './panels/Dialogs.tsx';
import { Dock } from './panels/Dock.tsx';
import { ScenarioPicker, Steps, Tools } from './panels/Lesson.tsx';
import { MachinePanel } from './panels/Machine.tsx';
import { Bar, Talk } from './panels/Talk.tsx';
import type { LoadTerminal } from './panels/Terminal.tsx';
import type { Inventory } from './state/navigation.ts';
import type { PartProps } from './panels/controls.tsx';

type Open =
  | { readonly kind: 'none' }
  | { readonly kind: 'share' }
  | { readonly kind: 'bridge' }
  | { readonly kind: 'reset'; readonly inventory: Inventory };

export function App({ pg, loadTerminal }: PartProps & { readonly loadTerminal: LoadTerminal }) {
  const open = useSignal<Open>({ kind: 'none' });
  const close = () => (open.value = { kind: 'none' });
  useEffect(() => {
    // Where there is no room beside the lesson it would lie over what one looks at.
    const wide = matchMedia('(min-width: 62rem)');
    const follow = () => void (pg.stage.advanced.value = wide.matches);
    follow();
    wide.addEventListener('change', follow);
    return () => wide.removeEventListener('change', follow);
  }, [pg]);
  return (
    <div class="rp rp-page" data-dock={pg.stage.dock.value === null ? 'closed' : pg.stage.large.value ? 'large' : 'open'}>
      <section class="rp-lesson" aria-label="Lesson">
        <ScenarioPicker pg={pg} />
        <Steps pg={pg} />
        <Tools
          pg={pg}
          onShare={() => (open.value = { kind: 'share' })}
          onReset={() => pg.notices.attempt(async () => (open.value = { kind: 'reset', inventory: await pg.branches.inventory() }))}
          onBridge={() => (open.value = { kind: 'bridge' })}
        />
        <BootSteps steps={pg.boot.steps.value} />
        <UnopenedNotice pg={pg} />
      </section>
      <MachinePanel pg={pg} />
      <Talk pg={pg} />
      <Bar pg={pg} />
      <Dock pg={pg} loadTerminal={loadTerminal} />
      {pg.turns.consent.value ? <ConsentDialog consent={pg.turns.consent.value} /> : null}
      {open.value.kind === 'share' ? <ShareDialog pg={pg} onClose={close} /> : null}
      {open.value.kind === 'reset' ? <ResetDialog pg={pg} inventory={open.value.inventory} onClose={close} /> : null}
      {open.value.kind === 'bridge' ? <BridgeDialog pg={pg} onClose={close} /> : null}
    </div>
  );
}
