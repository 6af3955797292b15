/**
 * An agent that keeps its sessions in a file and is odd in one way, named by its first argument; the second is the file.
 *
 * - `drops-resource`, `drops-inline`: kept while the process lives, and not written to its file
 * - `ignores-resource`: its model never sees one
 * - `by-the-clock`: a session that is loaded in the unit of time (third argument, in ms) in which it was made or last loaded is gone
 * - `forgets-on-resume`: says that it resumes a session, and goes on with an empty one beside it; what it loads it remembers
 * - `unlisted`: resumes what it loads, and its list shows nothing
 * - `flips`: advertises what it can only at every other start
 * - `same-ids`: all its sessions have one id; `ids-anew`: each process counts them from 1
 * - `empties-on-resume`: a session that it resumes is empty from then on
 * - `fails-second`: its second process ends at once
 * - `names-a-number`: its sessions' ids are numbers; `claims-2`: answers that it speaks version 2, with the fields of 1
 * - `deletes`: can delete a session
 * - `replays-elsewhere`, `answers-elsewhere`: what it replays, or says in a turn, names another session; `unnamed`: names none
 */
import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

const [, , odd, file, unitMs = '60000'] = process.argv;
const unit = () => Math.floor(Date.now() / Number(unitMs));
const stored = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : {};
const starts = existsSync(`${file}.starts`) ? Number(readFileSync(`${file}.starts`, 'utf8')) + 1 : 1;
writeFileSync(`${file}.starts`, String(starts));
if (odd === 'fails-second' && starts === 2) process.exit(7);
let made = 0;
/** What this process knows beyond its file. */
const alive = {};
const beside = {};
const save = () => writeFileSync(file, JSON.stringify(stored));
const send = (message) => console.log(JSON.stringify({ jsonrpc: '2.0', ...message }));
const say = (id, role, text, isReplay = false) => {
  const elsewhere = odd === (isReplay ? 'replays-elsewhere' : 'answers-elsewhere');
  const sessionId = odd === 'unnamed' ? undefined : elsewhere ? 'zzz' : id;
  send({
    method: 'session/update',
    params: { sessionId, update: { sessionUpdate: `${role}_message_chunk`, content: { type: 'text', text } } },
  });
};

const textOf = (block) => (block.type === 'resource' ? (odd === 'ignores-resource' ? '' : block.resource.text) : block.text);
const kept = (block, last) => !(odd === 'drops-resource' && block.type === 'resource') && !(odd === 'drops-inline' && !last);

function answer(method, params) {
  const { sessionId } = params;
  switch (method) {
    case 'initialize':
      return {
        result: {
          protocolVersion: odd === 'claims-2' ? 2 : 1,
          agentCapabilities: {
            loadSession: !(odd === 'flips' && starts % 2 === 0),
            promptCapabilities: { embeddedContext: true },
            ...(['forgets-on-resume', 'empties-on-resume'].includes(odd) || (odd === 'flips' && starts % 2 === 1)
              ? { sessionCapabilities: { resume: {} } }
              : {}),
            ...(odd === 'deletes' ? { sessionCapabilities: { delete: {} } } : {}),
            ...(odd === 'unlisted' ? { sessionCapabilities: { resume: {}, list: {} } } : {}),
          },
        },
      };
    case 'session/new': {
      made += 1;
      const id = `odd-${odd === 'same-ids' ? 1 : odd === 'ids-anew' ? made : randomUUID()}`;
      stored[id] = { unit: unit(), said: [] };
      save();
      return { result: { sessionId: odd === 'names-a-number' ? 42 : id } };
    }
    case 'session/load': {
      const session = stored[sessionId];
      if (odd === 'by-the-clock' && session?.unit === unit()) delete stored[sessionId];
      save();
      if (!stored[sessionId]) return { error: { code: -32002, message: `Session not found: ${sessionId}`, data: { sessionId } } };
      session.unit = unit();
      save();
      for (const { role, text } of session.said) say(sessionId, role, text, true);
      return { result: {} };
    }
    case 'session/delete':
      delete stored[sessionId];
      save();
      return { result: {} };
    case 'session/list':
      return { result: { sessions: [] } };
    case 'session/resume':
      if (odd === 'unlisted') return stored[sessionId] ? { result: {} } : { error: { code: -32002, message: 'Resource not found' } };
      if (odd === 'empties-on-resume') {
        if (!stored[sessionId]) return { error: { code: -32002, message: 'Resource not found' } };
        stored[sessionId].said = [];
        save();
        return { result: {} };
      }
      beside[sessionId] = { said: [] };
      return { result: {} };
    case 'session/prompt': {
      const session = beside[sessionId] ?? stored[sessionId];
      const blocks = params.prompt;
      alive[sessionId] = `${alive[sessionId] ?? ''} ${blocks.map(textOf).join(' ')}`;
      for (const [index, block] of blocks.entries())
        if (kept(block, index === blocks.length - 1)) session.said.push({ role: 'user', text: textOf(block) });
      const known = `${session.said.map(({ text }) => text).join(' ')} ${alive[sessionId]}`;
      const asked = /What is the ([a-z ]+)\?/.exec(blocks.at(-1).text)?.[1];
      const reply = asked ? (new RegExp(`the ${asked} is (\\w+-\\d+)`).exec(known)?.[1] ?? 'I do not know.') : 'OK';
      session.said.push({ role: 'agent', text: reply });
      save();
      say(sessionId, 'agent', reply);
      return { result: { stopReason: 'end_turn' } };
    }
    default:
      return { error: { code: -32601, message: `Method not found: ${method}` } };
  }
}

createInterface({ input: process.stdin }).on('line', (line) => {
  const { id, method, params } = JSON.parse(line);
  if (id !== undefined) send({ id, ...answer(method, params) });
});
