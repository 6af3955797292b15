/** Some agents send the user's own message back while they answer it. That is no new message (DESIGN §6). */
import type { SessionUpdate } from '@agentclientprotocol/sdk';
import type { ContentBlock } from '../types.ts';

const normal = (text: string): string => text.replace(/\s+/g, ' ').trim();

/**
 * A recogniser for one turn. It follows the echo chunk by chunk, whichever way it is cut; a chunk that
 * is not the prompt's next words is a message of its own.
 */
export function echoOf(prompt: readonly ContentBlock[], preamble: readonly ContentBlock[] = []): (update: SessionUpdate) => boolean {
  const text = (blocks: readonly ContentBlock[]) => normal(blocks.map((block) => (block.type === 'text' ? block.text : '')).join(' '));
  const expected = [text(prompt), text([...preamble, ...prompt]), text(preamble)].filter((candidate) => candidate !== '').map((candidate) => candidate.replaceAll(' ', ''));
  const others = [...preamble, ...prompt].filter((block) => block.type !== 'text').map((block) => JSON.stringify(block));
  let said = '';
  return (update) => {
    if (update.sessionUpdate !== 'user_message_chunk') return false;
    const { content } = update;
    if (content.type !== 'text') return others.includes(JSON.stringify(content));
    const next = said + content.text.replace(/\s+/g, '');
    if (expected.some((candidate) => candidate.startsWith(next))) {
      said = next;
      return true;
    }
    // Agents cut a prompt of several blocks into messages of their own: each may begin anywhere a block does.
    const alone = content.text.replace(/\s+/g, '');
    return [...preamble, ...prompt].some((block) => block.type === 'text' && alone !== '' && block.text.replace(/\s+/g, '') === alone);
  };
}
