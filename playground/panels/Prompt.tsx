import type { ReadonlySignal, Signal } from '@preact/signals';
import type { Item } from '../state/conversation.ts';
import { Button } from './Button.tsx';
import { PermissionQuestion } from './Permission.tsx';

type Permission = Extract<Item, { kind: 'permission' }>;

/** Where a person types, answers a permission request and stops a turn. */
export function PromptForm(props: {
  readonly draft: Signal<string>;
  readonly running: ReadonlySignal<boolean>;
  readonly past: ReadonlySignal<boolean>;
  readonly permission: ReadonlySignal<Permission | null>;
  readonly problem: ReadonlySignal<string | null>;
  readonly waiting: ReadonlySignal<string | null>;
  readonly onSend: () => void;
  readonly onCancel: () => void;
  readonly onAnswer: (requestId: string, optionId: string | null) => void;
}) {
  const permission = props.permission.value;
  const locked = props.past.value;
  return (
    <form
      class="rp-prompt"
      onSubmit={(event) => {
        event.preventDefault();
        if (!props.running.value && !locked) props.onSend();
      }}
    >
      {permission ? <PermissionQuestion permission={permission} onAnswer={props.onAnswer} /> : null}
      <div class="rp-prompt-row">
        <textarea
          class="rp-field"
          aria-label="Prompt"
          rows={2}
          placeholder={locked ? 'This is the past. Fork from here, or return to now.' : 'Tell the agent something it should remember'}
          value={props.draft.value}
          onInput={(event) => (props.draft.value = event.currentTarget.value)}
          onKeyDown={(event) => {
            if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
            event.preventDefault();
            event.currentTarget.form?.requestSubmit();
          }}
        />
        <div class="rp-prompt-buttons">
          <Button
            type="submit"
            tone="main"
            onPress={() => undefined}
            disabled={props.running.value || locked}
            why={locked ? 'This is the past: return to now first.' : undefined}
          >
            Send
          </Button>
          <Button
            onPress={props.onCancel}
            disabled={!props.running.value || locked}
            why={locked ? 'This is the past: return to now first.' : undefined}
          >
            Cancel turn
          </Button>
        </div>
      </div>
      <p class="rp-problem" aria-live="assertive">
        {props.problem.value ? (
          <>
            <span aria-hidden="true">⚠ </span>
            {props.problem.value}
          </>
        ) : null}
      </p>
      {props.waiting.value ? (
        <p class="rp-dim" aria-live="polite">
          {props.waiting.value}
        </p>
      ) : null}
    </form>
  );
}
