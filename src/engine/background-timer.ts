/** A timer that alone must not keep a process running. A browser's is a number, and never does. */
export function inBackground<Timer>(timer: Timer): Timer {
  (timer as { unref?: () => void }).unref?.();
  return timer;
}
