import type { ComponentChildren } from 'preact';
import { LOCKED } from '../state/bridge.ts';
import type { Playground } from '../state/store.ts';
import { Button } from './Button.tsx';
import { useHandedFocus } from './focus.ts';

/** What the page has to say beside the conversation, each with what can be done about it. */
export function Notices({ pg }: { readonly pg: Playground }) {
  const problem = pg.problem.value;
  const file = pg.places.fileOf(pg.shelf.branch.value);
  const elsewhere = pg.elsewhere.value || problem?.code === 'session_busy';
  return (
    <div class="rp-notices" aria-live="polite">
      {pg.shelf.warning.value ? (
        <Notice tone="warn">
          <p>
            <span aria-hidden="true">⚠ </span>
            {pg.shelf.warning.value}
          </p>
          <Button onPress={() => void pg.shelf.store()}>Try the storage again</Button>
        </Notice>
      ) : null}
      {pg.inPast.value ? <p class="rp-notice">You look at the past. Fork from here to go on from this moment, or return to now.</p> : null}
      {file ? (
        <p class="rp-notice">
          The sessions here come from the file <bdi>{file.name}</bdi>. What they say was written elsewhere.
        </p>
      ) : null}
      {pg.bridge.state.value.kind === 'locked' ? <p class="rp-notice">{LOCKED}</p> : null}
      {pg.play.linkWaits.value ? <p class="rp-notice">{pg.play.linkWaits.value}</p> : null}
      {elsewhere ? (
        <Notice>
          The session is live in another tab. You can watch it here. <Button onPress={() => pg.breaking.takeOver()}>Take over</Button>
        </Notice>
      ) : null}
      {problem && problem.methods.length > 0 ? (
        <Notice>
          The agent offers:{' '}
          {problem.methods.map((method) => (
            <Button key={method.id} onPress={() => void pg.turns.authenticate(method.id)}>
              Sign in with {method.name}
            </Button>
          ))}
        </Notice>
      ) : null}
      {pg.note.value ? <p class="rp-notice">{pg.note.value}</p> : null}
    </div>
  );
}

/** A notice with something to press. */
function Notice(props: { readonly tone?: string; readonly children: ComponentChildren }) {
  return (
    <div class="rp-notice" data-tone={props.tone} ref={useHandedFocus()}>
      {props.children}
    </div>
  );
}
