import type { Answer } from '../state/session.ts';

/** `allow`, `reject`: undefined where the agent offers none. `note`: what the buttons answer, where their own words do not say it. */
export function plainAnswers(options: readonly Answer[]) {
  // Once before for good: one press must not give away more than it says.
  const pick = (kinds: readonly string[]) => kinds.flatMap((kind) => options.filter((option) => option.kind === kind))[0];
  const allow = pick(['allow_once', 'allow_always']);
  const reject = pick(['reject_once', 'reject_always']);
  return { allow, reject, others: options.filter((option) => option !== allow && option !== reject), note: noteOf(allow, reject) };
}

function noteOf(allow: Answer | undefined, reject: Answer | undefined): string | null {
  const parts: string[] = [];
  if (allow?.kind === 'allow_always') parts.push('Allow holds for good: the agent offers nothing less.');
  else if (allow && !/^allow( once)?$/i.test(allow.name)) parts.push(`Allow answers “${allow.name}”.`);
  if (!reject) parts.push('The agent offers no refusal, so Reject withdraws from its question.');
  else if (reject.kind === 'reject_always') parts.push('Reject holds for good: the agent offers nothing less.');
  else if (!/^(reject|deny|no)( once)?$/i.test(reject.name)) parts.push(`Reject answers “${reject.name}”.`);
  return parts.length > 0 ? parts.join(' ') : null;
}
