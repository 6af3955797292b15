/** A permission request as a person is asked it, and what became of it, in words. What the agent wrote into it is foreign data. Pure. */
import type { PermissionRequested, PermissionResolved } from '../engine/types.ts';
import { fieldsOf, stringOf, titleOf } from './foreign.ts';
import { oneLine } from './words.ts';

export interface Asked {
  readonly title: string;
  readonly options: readonly AskedOption[];
}

interface AskedOption {
  readonly optionId: string;
  /** Its id when it has no name. */
  readonly name: string;
  /** An option without a kind can be chosen, and means neither. */
  readonly means: 'allow' | 'reject' | 'neither';
}

export function asked({ toolCall, options }: PermissionRequested): Asked {
  return {
    title: oneLine(titleOf(toolCall), 100) || 'something',
    options: options.map((option) => {
      const { name, kind } = fieldsOf(option);
      return {
        optionId: option.optionId,
        name: oneLine(stringOf(name), 80) || oneLine(option.optionId, 80),
        means: meaning(stringOf(kind)),
      };
    }),
  };
}

function meaning(kind: string): AskedOption['means'] {
  if (kind.startsWith('allow')) return 'allow';
  return kind.startsWith('reject') ? 'reject' : 'neither';
}

/** The option that refuses; null, which cancels the request, when the agent offers none. */
export function refusal({ options }: Asked): string | null {
  return options.find(({ means }) => means === 'reject')?.optionId ?? null;
}

/** How a request was answered under a rule. */
export function answerWords({ options }: Asked, { optionId, by }: PermissionResolved, rule: 'allow' | 'reject'): string {
  if (optionId === null) return by === 'end' ? 'cancelled before it was answered' : `cancelled, as the agent offers no way to ${rule} it`;
  const option = options.find((each) => each.optionId === optionId);
  switch (option?.means) {
    case 'allow':
      return 'allowed';
    case 'reject':
      return 'rejected';
    default:
      return `answered “${option?.name ?? oneLine(optionId, 80)}”`;
  }
}
