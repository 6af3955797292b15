/**
 * The signals of this process, and those that a parent forwards when this process is the inner half of
 * a re-execution. A terminal sends Ctrl-C to both halves, `kill` to one: counting each way apart and
 * taking the larger count delivers every one of them once.
 */
import { SIGNAL_EXITS } from './exit-codes.ts';
import type { EndingSignal } from './exit-codes.ts';
import type { SignalSource } from './interrupt.ts';

const SIGNALS: readonly EndingSignal[] = ['SIGINT', 'SIGTERM', 'SIGHUP'];

/** Counts arrivals of one signal over two ways that may both carry the same one. Pure but for its counters. */
export function mergeCounts(): (way: 'direct' | 'forwarded') => boolean {
  const counts = { direct: 0, forwarded: 0 };
  let delivered = 0;
  return (way) => {
    counts[way] += 1;
    if (Math.max(counts.direct, counts.forwarded) <= delivered) return false;
    delivered += 1;
    return true;
  };
}

/** What the outer half tells the inner one. */
export interface ForwardedSignal {
  readonly rehydrateSignal: EndingSignal;
}

export function isForwardedSignal(message: unknown): message is ForwardedSignal {
  return SIGNALS.includes((message as { rehydrateSignal?: EndingSignal } | null)?.rehydrateSignal as EndingSignal);
}

export function processSignals(): SignalSource {
  const listeners = new Set<(signal: EndingSignal) => void>();
  const merged = new Map(SIGNALS.map((signal) => [signal, mergeCounts()]));
  const arrived = (signal: EndingSignal, way: 'direct' | 'forwarded') => {
    if (!merged.get(signal)?.(way)) return;
    // Nothing is under way that would have to be ended first.
    if (listeners.size === 0) process.exit(SIGNAL_EXITS[signal]);
    for (const listener of listeners) listener(signal);
  };
  for (const signal of SIGNALS) process.on(signal, () => arrived(signal, 'direct'));
  if (process.send) {
    process.on('message', (message) => {
      if (isForwardedSignal(message)) arrived(message.rehydrateSignal, 'forwarded');
    });
    // The outer half was killed: so is this one, and the guard ends the agents.
    process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'));
    process.channel?.unref();
  }
  return {
    on(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}
