import type { ReadonlySignal } from '@preact/signals';
import type { Unopened } from '../state/database-session.ts';
import { Button } from './Button.tsx';

/** What was kept here does not open. Nothing is begun in its place until the person says so. */
export function UnopenedNotice(props: {
  readonly unopened: ReadonlySignal<Unopened | null>;
  readonly onAgain: () => void;
  readonly onMemory: () => void;
  readonly onSalvage: () => void;
}) {
  const unopened = props.unopened.value;
  if (!unopened) return null;
  return (
    <div class="rp-unopened" role="alert">
      <p>
        <strong>Your sessions are in this browser, and its storage could not be opened.</strong>
      </p>
      <p>{unopened.why}</p>
      <p>
        Nothing was deleted or begun anew. Close other tabs of this site and try again; or go on with an empty database that lasts as long
        as this page.
      </p>
      <div class="rp-row">
        <Button tone="main" onPress={props.onAgain}>
          Try again
        </Button>
        {unopened.damaged ? <Button onPress={props.onSalvage}>Save what can be read</Button> : null}
        <Button onPress={props.onMemory}>Go on in memory</Button>
      </div>
    </div>
  );
}
