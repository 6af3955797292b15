import { useRef, useState } from 'preact/hooks';
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
        {others.length > 0 ? <OtherAnswers key={requestId} options={others} onAnswer={answer} /> : null}
      </div>
      {note ? <p class="rp-dim rp-small">{note}</p> : null}
    </div>
  );
}

/**
 * One stop for Tab, arrows within: the page stays walkable however many answers there are. Items of a menu, since only one button is
 * named Allow, or Reject.
 */
function OtherAnswers({
  options,
  onAnswer,
}: {
  readonly options: Permission['options'];
  readonly onAnswer: (optionId: string) => unknown;
}) {
  const menu = useRef<HTMLDivElement>(null);
  const [at, setAt] = useState(0);
  const move = (to: number) => {
    const index = (to + options.length) % options.length;
    setAt(index);
    menu.current?.querySelectorAll('button')[index]?.focus();
  };
  return (
    <div
      class="rp-row"
      role="menu"
      aria-label="Other answers"
      ref={menu}
      onKeyDown={(event) => {
        const to = { ArrowRight: at + 1, ArrowDown: at + 1, ArrowLeft: at - 1, ArrowUp: at - 1, Home: 0, End: -1 }[event.key];
        if (to === undefined) return;
        event.preventDefault();
        move(to);
      }}
    >
      {options.map((option, index) => (
        <button
          key={index}
          type="button"
          role="menuitem"
          class="rp-button rp-plain rp-answer"
          tabIndex={index === at ? 0 : -1}
          onFocus={() => setAt(index)}
          onClick={() => onAnswer(option.optionId)}
        >
          {option.name}
        </button>
      ))}
    </div>
  );
}
