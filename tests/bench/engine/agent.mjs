/** An agent in this process with nothing in it but answers, so that what is measured is the host. */

/**
 * A launcher of such agents. `resume`, `load`: what they advertise. `chunks`: how many a prompt streams.
 * `replay`: updates that `session/load` replays. `paced`: each chunk comes by itself, as a pipe brings what is said
 * in its own time; else as fast as it is read. `messages`: each chunk is a message of its own, so that none are joined.
 */
export function bareAgents({ resume = false, load = false, chunks = () => 1, replay = () => [], paced = false, messages = false } = {}) {
  return {
    async launch() {
      const outbox = [];
      let wake = null;
      let streaming = null;
      let controller = null;
      const exited = Promise.withResolvers();
      const say = (...messages) => {
        outbox.push(...messages);
        wake?.();
        wake = null;
      };
      const update = (sessionId, payload) => ({ jsonrpc: '2.0', method: 'session/update', params: { sessionId, update: payload } });
      const chunk = (n) => ({
        sessionUpdate: 'agent_message_chunk',
        content: { type: 'text', text: `chunk ${n} of what the agent has to say ` },
        messageId: messages ? `m${n}` : 'm1',
      });
      const answer = ({ id, method, params }) => {
        const result = (value) => ({ jsonrpc: '2.0', id, result: value });
        switch (method) {
          case 'initialize':
            return say(
              result({
                protocolVersion: 1,
                agentCapabilities: {
                  loadSession: load,
                  promptCapabilities: { embeddedContext: true },
                  sessionCapabilities: resume ? { resume: {} } : {},
                },
              }),
            );
          case 'session/new':
            return say(result({ sessionId: crypto.randomUUID() }));
          case 'session/load':
            return say(...replay().map((payload) => update(params.sessionId, payload)), result({}));
          case 'session/resume':
            return say(result({}));
          case 'session/prompt':
            streaming = { sessionId: params.sessionId, sent: 0, count: chunks(), end: result({ stopReason: 'end_turn' }) };
            wake?.();
            wake = null;
        }
      };
      const next = () => {
        if (outbox.length > 0) return outbox.shift();
        if (!streaming) return null;
        if (streaming.sent < streaming.count) return update(streaming.sessionId, chunk(++streaming.sent));
        const { end } = streaming;
        streaming = null;
        return end;
      };
      const readable = new ReadableStream(
        {
          start: (c) => void (controller = c),
          async pull(c) {
            for (;;) {
              const message = next();
              if (message && paced) await new Promise((resolve) => setImmediate(resolve));
              if (message) return c.enqueue(message);
              await new Promise((resolve) => (wake = resolve));
            }
          },
        },
        { highWaterMark: 16 },
      );
      return {
        stream: {
          readable,
          writable: new WritableStream({ write: (message) => void (message.method && message.id !== undefined && answer(message)) }),
        },
        exited: exited.promise,
        async end(how) {
          if (controller) controller.close();
          controller = null;
          exited.resolve(how === 'ask' ? { kind: 'ended', code: 0, signal: null } : { kind: 'killed', code: null, signal: 'SIGKILL' });
          return exited.promise;
        },
        diagnostics: () => '',
      };
    },
  };
}
