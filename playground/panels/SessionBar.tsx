import type { ReadonlySignal } from '@preact/signals';
import type { SessionInfo } from '../../src/engine/types.ts';
import { label } from '../state/words.ts';

const NEW = '';

/** Which session is shown. All of them are in the database and can be taken up again. */
export function SessionBar(props: {
  readonly sessions: ReadonlySignal<readonly SessionInfo[]>;
  readonly sessionId: ReadonlySignal<string | null>;
  readonly onSession: (sessionId: string | null) => void;
}) {
  const current = props.sessionId.value;
  const sessions = props.sessions.value;
  const known = current === null || sessions.some((session) => session.sessionId === current);
  return (
    <label class="rp-session">
      <span>Session</span>
      <select
        class="rp-field"
        value={current ?? NEW}
        onChange={(event) => props.onSession(event.currentTarget.value === NEW ? null : event.currentTarget.value)}
      >
        <option value={NEW}>a new one, begun by the next prompt</option>
        {known ? null : <option value={current}>{current}</option>}
        {sessions.map((session) => (
          <option key={session.sessionId} value={session.sessionId}>
            {session.title ? `${label(session.title, 'untitled', 80)} (${session.sessionId})` : session.sessionId}
          </option>
        ))}
      </select>
    </label>
  );
}
