/**
 * Gathers what is written during one turn of the event loop into one system call. A busy agent's
 * output comes in many small reads a turn; forwarding each by itself is what a slow bridge does.
 */
export function corker(stream: { cork(): void; uncork(): void }): () => void {
  let corked = false;
  return () => {
    if (corked) return;
    corked = true;
    stream.cork();
    // Runs in the same turn, after its reads: nothing waits for a timer.
    setImmediate(() => {
      corked = false;
      stream.uncork();
    });
  };
}
