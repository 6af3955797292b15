import type { ComponentChildren } from 'preact';
import { Button, useHandedFocus, type PartProps } from './controls.tsx';

/** What the page has to say beside the conversation, each with what can be done about it. */
export function Notices({ pg }: PartProps) {
  const problem = pg.notices.problem.value;
  const file = pg.visits.fileOf(pg.databases.branch.value);
  const elsewhere = pg.session.elsewhere.value || problem?.elsewhere;
  return (
    <div class="rp-notices" aria-live="polite">
      {pg.databases.warning.value ? (
        <p class="rp-notice" data-tone="warn">
          <span aria-hidden="true">⚠ </span>
          {pg.databases.warning.value}
        </p>
      ) : null}
      {pg.inPast.value ? <p class="rp-notice">You look at the past. Fork from here to go on from this moment, or return to now.</p> : null}
      {file ? (
        <p class="rp-notice">
          The sessions here come from the file <bdi>{file.name}</bdi>. What they say was written elsewhere.
        </p>
      ) : null}
      {pg.notices.link.value ? <p class="rp-notice">{pg.notices.link.value}</p> : null}
      {elsewhere ? (
        <Notice>
          The session is live in another tab. You can watch it here, and answer and stop it.{' '}
          <Button onPress={pg.faults.takeOver}>{pg.session.live.value.turnOpen ? 'Take over, and end its turn' : 'Take over'}</Button>
        </Notice>
      ) : null}
      {problem && problem.methods.length > 0 ? (
        <Notice>
          The agent offers:{' '}
          {problem.methods.map((method) => (
            <Button key={method.id} onPress={() => pg.turns.authenticate(method.id)}>
              Sign in with {method.name}
            </Button>
          ))}
        </Notice>
      ) : null}
      {pg.notices.note.value ? <p class="rp-notice">{pg.notices.note.value}</p> : null}
    </div>
  );
}

/** A notice with something to press. */
function Notice(props: { readonly children: ComponentChildren }) {
  return (
    <div class="rp-notice" ref={useHandedFocus()}>
      {props.children}
    </div>
  );
}
