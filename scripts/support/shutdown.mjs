/** One way down for a long-running script, whatever asks for it. */

const EXIT_CODES = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 };

/**
 * Runs `stop` once on Ctrl-C, SIGTERM, SIGHUP or the end of the process that started us, then exits as a
 * shell expects. A second signal exits at once.
 *
 * @param {() => Promise<void>} stop
 */
export function onShutdown(stop) {
  let stopping = false;
  const down = async (code) => {
    if (stopping) process.exit(code);
    stopping = true;
    try {
      await stop();
    } catch (error) {
      console.error(error);
    }
    process.exit(code);
  };
  for (const [signal, code] of Object.entries(EXIT_CODES)) process.on(signal, () => void down(code));
  // Our bootstrap on an older Node holds this channel; its death, kill -9 included, closes it.
  process.on('disconnect', () => void down(EXIT_CODES.SIGTERM));
}
