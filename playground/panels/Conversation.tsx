import type { ReadonlySignal } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import { piecesOf, type Item, type SessionView } from '../state/session.ts';
import { memo } from './controls.tsx';
import { Newest } from './Newest.tsx';

const SHOWN = 200;

/**
 * The conversation as HTML: the primary view for everyone who does not see the terminal. What an
 * agent says is only ever text here, so markup in it is shown and not obeyed.
 */
export function Conversation(props: {
  readonly label?: string;
  readonly view: ReadonlySignal<SessionView>;
  /** A prompt that is not in the log yet. */
  readonly unsent: ReadonlySignal<string | null>;
  readonly hint: ReadonlySignal<string>;
}) {
  const view = props.view.value;
  const shown = view.items.slice(-SHOWN);
  const unsent = props.unsent.value;
  const hidden = view.dropped + view.items.length - shown.length;
  return (
    <Newest
      class="rp-log rp-scroll"
      role="log"
      aria-label={props.label ?? 'Conversation'}
      aria-live="polite"
      // Screen readers wait for the end of a streamed answer, but not past a question.
      aria-busy={view.turnOpen && !view.permission}
    >
      <div class="rp-log-items">
        {hidden > 0 ? <p class="rp-dim">{hidden} older messages are in the database.</p> : null}
        {shown.length === 0 && unsent === null ? (
          <p class="rp-empty">{props.hint.value}</p>
        ) : (
          shown.map((item) => <Entry key={item.key} item={item} />)
        )}
        {unsent === null ? null : (
          <Message who="user" says="You, not sent yet">
            <Pieces of={piecesOf(unsent)} />
          </Message>
        )}
      </div>
    </Newest>
  );
}

const WHO = { user: 'You', agent: 'Agent', thought: 'Agent, thinking' } as const;

const Entry = memo(function Entry({ item }: { readonly item: Item }) {
  switch (item.kind) {
    case 'user':
    case 'agent':
    case 'thought':
      return (
        <Message who={item.kind} says={`${WHO[item.kind]}${item.imported ? ', from another client' : ''}`}>
          <Pieces of={item.pieces} />
        </Message>
      );
    case 'tool':
      return (
        <Message who="tool" says={`Tool, ${item.status.replaceAll('_', ' ')}`}>
          {item.title}
          {item.text ? (
            <details>
              <summary>Result</summary>
              <pre tabIndex={0}>{item.text}</pre>
            </details>
          ) : null}
        </Message>
      );
    case 'plan':
      return (
        <Message who="tool" says="Plan">
          <ul>
            {item.entries.map((entry, index) => (
              <li key={index}>
                {entry.text} <span class="rp-dim">{entry.status.replaceAll('_', ' ')}</span>
              </li>
            ))}
          </ul>
        </Message>
      );
    case 'permission':
      return (
        <Message who="tool" says="The agent asked">
          {item.title} <span class="rp-dim">{item.answer ?? 'not answered yet'}</span>
        </Message>
      );
    case 'notice':
      return (
        <p class="rp-notice" data-tone={item.tone}>
          {item.tone === 'warn' ? <span aria-hidden="true">⚠ </span> : null}
          {item.tier ? <strong>{item.tier}: </strong> : null}
          {item.text}
        </p>
      );
  }
});

function Message(props: { readonly who: string; readonly says: string; readonly children: ComponentChildren }) {
  return (
    <div class="rp-message" data-who={props.who}>
      <span class="rp-who">{props.says}</span>
      <div class="rp-text">{props.children}</div>
    </div>
  );
}

const Pieces = ({ of }: { readonly of: readonly string[] }) => of.map((piece, index) => <Piece key={index} text={piece} />);

const Piece = memo(function Piece({ text }: { readonly text: string }) {
  return <span class="rp-piece">{text}</span>;
});
