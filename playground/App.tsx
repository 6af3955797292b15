/** The whole page: one screen. */
import { useEffect } from 'preact/hooks';
import { BootSteps, UnopenedNotice } from './panels/Start.tsx';
import { ConsentDialog } from './panels/Dialogs.tsx';
import { Dock, type DockProps } from './panels/Dock.tsx';
import { ScenarioPicker, Steps, Tools } from './panels/Lesson.tsx';
import { MachinePanel } from './panels/Machine.tsx';
import { Bar, Talk } from './panels/Talk.tsx';

export function App({ pg, loadTerminal }: DockProps) {
  useEffect(() => {
    // Elsewhere it would cover the lesson, or take its room.
    const roomy = matchMedia('(min-width: 62rem) and (min-height: 44rem)');
    const follow = () => void (pg.stage.advanced.value = roomy.matches);
    follow();
    roomy.addEventListener('change', follow);
    return () => roomy.removeEventListener('change', follow);
  }, [pg]);
  const unopened = pg.databases.unopened.value;
  return (
    <div class="rp rp-page" data-dock={pg.stage.dock.value === null ? 'closed' : pg.stage.large.value ? 'large' : 'open'}>
      <section class="rp-lesson" aria-label="Lesson">
        <ScenarioPicker pg={pg} />
        <Steps pg={pg} />
        <Tools pg={pg} />
        <BootSteps steps={pg.boot.steps.value} />
        {unopened ? <UnopenedNotice pg={pg} unopened={unopened} /> : null}
      </section>
      <MachinePanel pg={pg} />
      <Talk pg={pg} />
      <Bar pg={pg} />
      <Dock pg={pg} loadTerminal={loadTerminal} />
      {pg.turns.consent.value ? <ConsentDialog consent={pg.turns.consent.value} /> : null}
    </div>
  );
}
