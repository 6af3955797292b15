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
 * - `fails-second`: its second process ends at once; `removes-cwd`: removes the directory that it was started in
 * - `names-a-number`: its sessions' ids are numbers; `claims-2`: answers that it speaks version 2, with the fields of 1
 * - `deletes`: can delete a session
 * - `is-long`: its name, its ids, its errors and what it says that nobody asked for have 100 000 characters each
 * - `replays-elsewhere`, `answers-elsewhere`: what it replays, or says in a turn, names another session; `unnamed`: names none
 * - `dies-between`: dies of SIGSEGV after each answer to a prompt; `leaves-between`: exits with code 0; `dies-later`: so after its third
 * - `answers-once`: no process answers a second prompt; `dies-brought-back`: one that loaded a session dies of the prompt
 * - `says-nothing`: answers prompts without a word; `forgets-live`: does not know what it was told a moment ago
 * - `stops-oddly`: ends turns with the stop reason `error`
 * - `writes-nan`, `writes-two`, `writes-behind`: what it says in a turn is no JSON, two messages in a line, or followed by a line for people
 * - `starts-helper`: its first prompt starts a `sleep` that no signal but a kill ends (third argument: how long)
 * - `adds-banner`: what it replays ends with words of its own
 * - `second-refused`, `second-hangs`: `session/new` is an error, or not answered, but for a process's first
 * - `knows-everywhere`: in each session it knows what any was told; `offers-yes`: gives a capability as a word
 * - `empty-answer`: speaks version 2, and answers prompts with `{}`
 */
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

const [, , odd, file, unitMs = '60000'] = process.argv;
const LONG = 'x'.repeat(100_000);
const unit = () => Math.floor(Date.now() / Number(unitMs));
const stored = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : {};
const starts = existsSync(`${file}.starts`) ? Number(readFileSync(`${file}.starts`, 'utf8')) + 1 : 1;
writeFileSync(`${file}.starts`, String(starts));
if (odd === 'fails-second' && starts === 2) process.exit(7);
if (odd === 'removes-cwd') rmSync(process.cwd(), { recursive: true });
let made = 0;
let prompts = 0;
let isLoaded = false;
/** What this process knows beyond its file. */
const alive = {};
const beside = {};
const save = () => writeFileSync(file, JSON.stringify(stored));
const send = (message) => console.log(JSON.stringify({ jsonrpc: '2.0', ...message }));
/** A message as the agent writes it in a turn. */
const written = (message) => {
  const line = JSON.stringify({ jsonrpc: '2.0', ...message });
  if (odd === 'writes-nan') return line.replace(/}$/, ',"cost":NaN}');
  if (odd === 'writes-two') return line + line;
  return odd === 'writes-behind' ? `${line}\nTurn over.` : line;
};
const say = (id, role, text, isReplay = false) => {
  const elsewhere = odd === (isReplay ? 'replays-elsewhere' : 'answers-elsewhere');
  const sessionId = odd === 'unnamed' ? undefined : elsewhere ? 'zzz' : id;
  const message = {
    method: 'session/update',
    params: { sessionId, update: { sessionUpdate: `${role}_message_chunk`, content: { type: 'text', text } } },
  };
  if (isReplay) send(message);
  else console.log(written(message));
};

const textOf = (block) => (block.type === 'resource' ? (odd === 'ignores-resource' ? '' : block.resource.text) : block.text);
const kept = (block, last) => !(odd === 'drops-resource' && block.type === 'resource') && !(odd === 'drops-inline' && !last);

function answer(method, params) {
  const { sessionId } = params;
  switch (method) {
    case 'initialize':
      if (odd === 'empty-answer')
        return { result: { protocolVersion: 2, capabilities: { session: {} }, info: { name: odd, version: '1' } } };
      return {
        result: {
          protocolVersion: odd === 'claims-2' ? 2 : 1,
          ...(odd === 'is-long' ? { agentInfo: { name: LONG, version: LONG } } : {}),
          agentCapabilities: {
            loadSession: odd === 'offers-yes' ? 'yes' : !(odd === 'flips' && starts % 2 === 0),
            promptCapabilities: { embeddedContext: true },
            ...(odd === 'is-long' ? { _meta: { LONG } } : {}),
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
      if (made > 1 && odd === 'second-refused') return { error: { code: -32603, message: 'One session is enough' } };
      if (made > 1 && odd === 'second-hangs') return null;
      const id = `odd-${odd === 'same-ids' ? 1 : odd === 'ids-anew' ? made : randomUUID()}${odd === 'is-long' ? LONG : ''}`;
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
      if (odd === 'adds-banner') say(sessionId, 'agent', `Session restored at ${Date.now()}.`, true);
      isLoaded = true;
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
      prompts += 1;
      if (odd === 'answers-once' && prompts > 1) return null;
      if (odd === 'dies-brought-back' && isLoaded) {
        console.error('no memory left');
        process.kill(process.pid, 'SIGSEGV');
        return null;
      }
      if (odd === 'empty-answer') return { result: {} };
      if (odd === 'starts-helper' && prompts === 1)
        spawn('sh', ['-c', `trap '' TERM HUP; sleep ${unitMs}; :`], { stdio: 'ignore', detached: true }).unref();
      const session = beside[sessionId] ?? stored[sessionId];
      const blocks = params.prompt;
      alive[sessionId] = `${alive[sessionId] ?? ''} ${blocks.map(textOf).join(' ')}`;
      for (const [index, block] of blocks.entries())
        if (kept(block, index === blocks.length - 1)) session.said.push({ role: 'user', text: textOf(block) });
      const everywhere = odd === 'knows-everywhere' ? JSON.stringify(Object.values(stored)) : '';
      const known = `${everywhere} ${session.said.map(({ text }) => text).join(' ')} ${alive[sessionId]}`;
      const asked = /What is the ([a-z ]+)\?/.exec(blocks.at(-1).text)?.[1];
      const reply =
        asked && odd !== 'forgets-live' ? (new RegExp(`the ${asked} is (\\w+-\\d+)`).exec(known)?.[1] ?? 'I do not know.') : 'OK';
      session.said.push({ role: 'agent', text: reply });
      save();
      if (odd !== 'says-nothing') say(sessionId, 'agent', reply);
      return { result: { stopReason: odd === 'stops-oddly' ? 'error' : 'end_turn' } };
    }
    default:
      return { error: { code: -32601, message: `Method not found: ${method}` } };
  }
}

function leaveAfterPrompt() {
  if (odd === 'leaves-between') process.exit(0);
  if (odd !== 'dies-between' && !(odd === 'dies-later' && prompts === 3)) return;
  console.error('the model went away');
  process.kill(process.pid, 'SIGSEGV');
}

createInterface({ input: process.stdin }).on('line', (line) => {
  const { id, method, params } = JSON.parse(line);
  if (odd === 'is-long' && method === 'session/new') {
    for (let times = 0; times < 30; times += 1) {
      console.log(LONG);
      send({ id: LONG, result: {} });
    }
  }
  if (id === undefined) return;
  const answered = answer(method, params);
  if (answered !== null) send({ id, ...answered });
  // As soon as the answer is written: a later end could come after the next question where the machine is busy.
  if (method === 'session/prompt') process.stdout.write('', leaveAfterPrompt);
});
