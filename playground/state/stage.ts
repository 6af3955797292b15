/** What of the page is in view: the dock's panel, and the part that is pointed at. */
import { signal } from '@preact/signals';
import { DOCK, type DockPanel, type Part } from '../scenarios/types.ts';

const isDocked = (part: Part): part is DockPanel => (DOCK as readonly Part[]).includes(part);

export class Stage {
  /** Null: the dock is closed, and the conversation has its place. */
  readonly dock = signal<DockPanel | null>('Resume report');
  /** The dock's panel takes the place of the conversation, too. */
  readonly large = signal(false);
  /** Agent, policy and the like are open. */
  readonly advanced = signal(false);
  /** What “Show” was pressed for last; null when something else was looked at since. */
  readonly outlined = signal<Part | null>(null);
  /** What the wire panel filters by. */
  readonly frames = signal('');

  /** A tab was pressed: its panel, or none where it was open. */
  choose(panel: DockPanel): void {
    this.outlined.value = null;
    this.dock.value = this.dock.value === panel ? null : panel;
    if (this.dock.value === null) this.large.value = false;
  }

  /** Brings a part into view and points at it. */
  show(part: Part): void {
    if (isDocked(part)) this.dock.value = part;
    else if (part === 'Policy') this.advanced.value = true;
    else this.large.value = false;
    this.outlined.value = part;
  }

  /** The frames of one method, on the wire. */
  showFrames(method: string): void {
    this.frames.value = method;
    this.show('Wire');
  }

  /** What a scenario is about stands where it is seen when it happens. */
  follow(part: Part): void {
    this.outlined.value = null;
    this.large.value = false;
    this.frames.value = '';
    this.dock.value = isDocked(part) ? part : 'Resume report';
  }
}
