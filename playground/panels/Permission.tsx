import type { Permission } from '../state/session.ts';
import { plainAnswers } from './answers.ts';
import { Button, useHandedFocus, type PartProps } from './controls.tsx';

/** Allow and Reject stand for the plainest options; every other one has the name that the agent gave it. */
export function PermissionQuestion({ pg, permission: { requestId, title, options } }: PartProps & { readonly permission: Permission }) {
  const { allow, reject, others, note } = plainAnswers(options);
  const press = pg.runner.press.value;
  const answer = (optionId: string | null) => pg.turns.answer(requestId, optionId);
  return (
    <div class="rp-permission" ref={useHandedFocus()} role="group" aria-label="The agent asks for permission">
      <p>
        The agent asks: <bdi>{title}</bdi>
      </p>
      <div class="rp-row">
        <Button
          tone="main"
          next={press === 'allow'}
          disabled={!allow}
          why={allow ? undefined : 'The agent offers no answer that allows it once.'}
          onPress={() => allow && answer(allow.optionId)}
        >
          Allow
        </Button>
        {/* An agent that offers no way to refuse is refused by cancelling its question. */}
        <Button next={press === 'reject'} onPress={() => answer(reject?.optionId ?? null)}>
          Reject
        </Button>
        {others.map(({ optionId, name }, index) => (
          <Button key={index} onPress={() => answer(optionId)}>
            {name}
          </Button>
        ))}
      </div>
      {note ? <p class="rp-dim rp-small">{note}</p> : null}
    </div>
  );
}
