/**
 * What signals do to a running call. The first Ctrl-C asks, the second kills; SIGTERM and SIGHUP end
 * the host, which interrupts the turn. A pure step function, and its binding to a process.
 */
import type { EndingSignal } from './exit-codes.ts';

/** How far a call has been told to end. */
export type Ending =
  | { readonly kind: 'no' }
  | { readonly kind: 'asked' } // one Ctrl-C
  | { readonly kind: 'ending'; readonly signal: EndingSignal } // the host is put to sleep
  | { readonly kind: 'killing'; readonly signal: EndingSignal };

export type Action = 'cancel' | 'sleep' | 'kill' | 'nothing';

export function onSignal(now: Ending, signal: EndingSignal): { readonly next: Ending; readonly action: Action } {
  switch (now.kind) {
    case 'no':
      if (signal === 'SIGINT') return { next: { kind: 'asked' }, action: 'cancel' };
      return { next: { kind: 'ending', signal }, action: 'sleep' };
    case 'asked':
      if (signal === 'SIGINT') return { next: { kind: 'killing', signal }, action: 'kill' };
      return { next: { kind: 'ending', signal }, action: 'sleep' };
    case 'ending':
      // Whoever insists on an end gets it at once; the exit tells of the signal that came first.
      return { next: { kind: 'killing', signal: now.signal }, action: 'kill' };
    case 'killing':
      return { next: now, action: 'nothing' };
  }
}

/** Which signal the exit code must tell of, if any: an answered cancel is told by the turn itself. */
export function endedBy(ending: Ending): EndingSignal | null {
  return ending.kind === 'ending' || ending.kind === 'killing' ? ending.signal : null;
}

export interface Interrupts {
  readonly ending: Ending;
  /** Aborted by the first signal of any kind. */
  readonly signal: AbortSignal;
  /** What the actions do now; replaced as the call goes on. */
  act: (action: Exclude<Action, 'nothing'>) => void;
  stop(): void;
}

/** Where signals come from; the process, with what a parent process forwards. */
export interface SignalSource {
  on(listener: (signal: EndingSignal) => void): () => void;
}

export function watchInterrupts(source: SignalSource, act: Interrupts['act']): Interrupts {
  const abort = new AbortController();
  let ending: Ending = { kind: 'no' };
  const interrupts = {
    act,
    signal: abort.signal,
    get ending() {
      return ending;
    },
    stop: source.on((signal) => {
      const { next, action } = onSignal(ending, signal);
      ending = next;
      if (action !== 'nothing') interrupts.act(action);
      abort.abort(new DOMException(`ended by ${signal}`, 'AbortError'));
    }),
  };
  return interrupts;
}
