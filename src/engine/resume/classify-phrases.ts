/**
 * The phrases by which agents say what became of a session, as a table.
 *
 * A phrase is a row of terms over the words of one clause: a capital name stands for a class of
 * `CLASSES`, `a|b` for either word, `?` behind a term makes it optional, `*` lets it repeat. A phrase
 * counts only where its whole row stands in order with nothing foreign in between: "session file could
 * not be read" and "MCP server not found for session X" share words with the phrases, and match none.
 */

const words = (list: string): ReadonlySet<string> => new Set(list.split(/\s+/));

/** What may stand between a session and what is said of it. */
const CLOSE =
  '#id #x #idpath #path #uri id ids identifier uuid with the this that a an given requested specified provided supplied such your you we which named called for from of in on at by is was were are be been being trying attempting wanted asked has have had could can does did do would will already now just currently still apparently to load resume restore loaded resumed restored it and here local';

const CLASSES: Readonly<Record<string, ReadonlySet<string>>> = {
  /** What agents call a session. */
  SESSION: words(
    'session sessions sessionid sessionids thread threads threadid conversation conversations conversationid rollout rollouts chat chats #id',
  ),
  ONE: words('session sessionid thread threadid conversation conversationid rollout chat #id'),
  ID: words('id ids identifier identifiers uuid uuids key handle'),
  VALUE: words('#id #x #idpath'),
  /** The agent's own record of a session; that it is absent says the session is. */
  RECORD: words(
    'file files record records data entry entries history transcript transcripts checkpoint checkpoints state log logs info metadata object details document row memory knowledge trace sign',
  ),
  FILL: words(`: ${CLOSE}`),
  /** The same without a break: behind one, "unknown" speaks of the reason. */
  CLOSE: words(CLOSE),
  /** What may stand in front of a session. */
  DET: words(
    'a an any the this that these such your our my its requested given specified provided supplied saved stored persisted previous prior existing matching corresponding old active valid known open resumable loadable recorded acp agent coding of with for : by',
  ),
  FOUND: words('found located recognized recognised known exist exists existing present registered there'),
  BE: words('be been being get'),
  GONE: words(
    'missing deleted removed expired purged evicted pruned discarded destroyed wiped erased gone lost vanished disappeared nonexistent unrecognized unrecognised forgotten',
  ),
  FIND: words('find locate recognize recognise know have see'),
  STORE: words('store storage database db index list registry history disk'),
  RESUMING: words('load loading resume resuming resumption restore restoring reload reloading'),
  SUPPORTED: words('supported implemented available allowed enabled'),
  OPEN: words('open opened active running attached owned held claimed used loaded connected locked live'),
  ELSEWHERE: words(
    'process client instance window terminal tab program application app agent connection editor ide user host device owner machine pid',
  ),
  OTHER: words('another other different'),
  USE: words(
    'open opened opens use used uses using locked lock locks held hold holds holding owns owned owner running active attached attaches',
  ),
  /** Empty words of an error's front. */
  GENERIC: words(
    'error errors err e exception internal rpc json request response failed failure fatal server resource resources entity item invalid params param parameters bad status code http requested the a an : #x acp agent',
  ),
  IN: words('in from inside within'),
  REQUEST: words(
    'request requests params parameters param body headers header payload arguments argument args input message environment env url query field',
  ),
  THE: words('the a an this your its provided given'),
  /** May follow a session's name; any other word makes it the name of something else ("session store"). */
  NEXT: words(
    '#id #x #idpath #path #uri #end : id ids identifier uuid with for in on at from named called matching to by or and error exception here was is you we under within requested specified given that which any found exists exist anymore',
  ),
  /** May follow a verdict such as "unknown"; "unknown error" is no verdict on the session. */
  OVER: words('#id #x #idpath #path #end : from on in by at to after due and or here already anymore for'),
};

/** What a phrase says. */
export type Said = 'absent' | 'invalid-id' | 'busy' | 'unsupported' | 'auth' | 'bare-absent';

const PHRASES: Readonly<Record<Said, readonly string[]>> = {
  absent: [
    // the session first: "session X was not found", "thread X no longer exists"
    'SESSION ID? RECORD? FILL* not BE? FOUND !REQUEST',
    'SESSION ID? FILL* not loaded|active|open|live and|or FILL* not BE? FOUND',
    'SESSION ID? RECORD? FILL* not seem to exist',
    'SESSION lookup|search failed? : not found',
    'SESSION ID? RECORD? FILL* no longer FOUND|available',
    'SESSION ID? RECORD? FILL* never existed|created',
    'SESSION FILL* not FILL* IN THE? STORE',
    'SESSION ID? FILL* GONE OVER',
    'SESSION ID? CLOSE* unknown OVER',
    'SESSION RECORD FILL* missing|deleted|removed|gone|lost|purged OVER',
    'SESSION FILL* garbage collected',
    'SESSION FILL* cleaned up',
    'SESSION FILL* stale|invalid or unknown|expired|deleted|missing OVER',
    'SESSION ID? missing|expired|deleted|removed|gone|lost error|exception',
    'SESSION FILL* non existent|existing',
    // the verdict first: "unknown session", "no such thread", "could not find conversation X"
    '^GENERIC* not found error|exception? : DET* SESSION NEXT',
    '^GENERIC* not found #id',
    '^GENERIC* notfound : DET* SESSION NEXT',
    'unknown|nonexistent|unrecognized|unrecognised|nosuch DET* SESSION NEXT',
    'expired|deleted DET* ONE NEXT',
    'missing SESSION VALUE|#end',
    'missing SESSION ID VALUE',
    'non existent|existing SESSION NEXT',
    'unknown|nonexistent ID :? #id',
    'no such DET* SESSION NEXT',
    'no DET* SESSION RECORD found|exists|for|with',
    'never heard of DET* SESSION NEXT',
    '#id FILL* not DET* SESSION #end|:',
    '^GENERIC* not found : kind|type|resource|entity|what|name : SESSION',
    'no DET* SESSION ID? FILL* found|exists|exist|available|matches|matching|named|called|known',
    'no DET* SESSION ID? FILL* VALUE',
    'no DET* SESSION ID? #end',
    'no DET* RECORD found|exists? of|for|with|matching DET* SESSION NEXT',
    'no DET* RECORD of|for|with|matching DET* SESSION NEXT',
    'not FIND DET* SESSION ID? RECORD? NEXT',
    'not able to FIND DET* SESSION ID? RECORD? NEXT',
    'unable|failed|fails|failing|failure to find|locate|recognize|recognise DET* SESSION ID? RECORD? NEXT',
    'not DET* known SESSION NEXT',
    // the agent's own file of this session
    'no such file FILL* #idpath',
    'no such file or directory :? open|stat|lstat|access|scandir|readdir? FILL* #idpath',
    'file FILL* not BE? FOUND FILL* #idpath',
    'no such file or directory FILL* os? error? FILL* #idpath',
    '#idpath FILL* no such file',
    '#idpath FILL* file? not BE? FOUND',
  ],
  /** An id the agent gave out itself and now calls malformed is one it does not have. */
  'invalid-id': [
    'invalid|malformed|bad SESSION ID',
    'invalid|malformed|bad SESSION VALUE',
    'not DET* valid SESSION ID',
    'requires|require|expected|needs DET* valid SESSION ID',
    'SESSION ID FILL* not valid',
    'SESSION FILL* not DET* valid SESSION|ID',
    'SESSION ID FILL* invalid|malformed',
    'invalid|malformed ID :? #id',
  ],
  busy: [
    'SESSION ID? FILL* in use',
    'SESSION ID? FILL* locked|busy OVER',
    'SESSION ID? FILL* locked|busy processing|handling|running|with|by',
    'SESSION ID? FILL* OPEN in|by|on|from|with|to|elsewhere',
    'SESSION ID? FILL* already|currently OPEN OVER',
    'SESSION lock FILL* held|taken|owned|exists',
    'SESSION lock FILL* not be? acquired|obtained|taken',
    'lock FILL* held|taken FILL* for|on|of|by DET* SESSION',
    'SESSION ID? FILL* in use elsewhere',
    'failed|unable to acquire|obtain|get|take DET* SESSION? FILL* lock',
    'not acquire|obtain|get|take DET* SESSION? FILL* lock',
    'OTHER ELSEWHERE FILL* USE DET* SESSION',
    'OTHER ELSEWHERE FILL* DET* SESSION ID? FILL* USE',
    'OTHER SESSION? ELSEWHERE FILL* USE it',
  ],
  unsupported: [
    '#method FILL* not SUPPORTED|found',
    '#method FILL* unsupported|unimplemented|disabled',
    '^GENERIC* not implemented #end|:',
    '^GENERIC* unimplemented #end|:',
    '^GENERIC* method not SUPPORTED|found',
    'unknown|unsupported|unhandled method',
    'RESUMING FILL* DET* SESSION? FILL* not SUPPORTED',
    'RESUMING FILL* DET* SESSION? FILL* unsupported|unimplemented',
    'not support|supports|supporting DET* SESSION? RESUMING',
    'not support|supports|supporting RESUMING DET* SESSION',
    'SESSION RESUMING FILL* not SUPPORTED',
  ],
  auth: [
    'authentication|auth|login|authorization|sign-in|signin required|needed|necessary',
    'requires|require|needs authentication|login|auth',
    'authentication|login FILL* required',
    'not logged|signed in',
    'not authenticated',
    'unauthenticated',
    'please log|sign in|into',
    'please login|authenticate|reauthenticate',
    'need|needs|must|have to? be? logged|signed|log|sign in',
    'need|needs|must|have to? be? authenticate|authenticated|login',
    'log|sign in again|first',
    'please run|use|type login',
  ],
  /** "Not found" of nothing in particular: worth something beside a field that names the session. */
  'bare-absent': ['^GENERIC* not found GENERIC* #end', '^GENERIC* notfound GENERIC* #end', '^GENERIC* FILL* not exist GENERIC* #end'],
};

/** Doubt in front of a verdict: "may have expired", "whether the session exists", "if the session is missing". */
const DOUBT = words(
  'if whether may might maybe perhaps possibly probably likely either seems appears check ensure verify determine unsure',
);
const NEGATION = words('not no never without nor isn');
/** Sessions of other things. */
const FOREIGN = words(
  'mcp browser terminal login auth authentication ssh db database http https web worker main tmux debug debugger user oauth sso aws sts cloud api tls shell pty voice realtime billing checkout ui parent model tool sandbox container docker kernel repl lsp language telnet ftp smtp redis sql column table relation module function key keys field property variable attribute class desktop graphical x dbus bus display window',
);
/** Named anywhere in the clause, it is their session. */
const THEIRS = words('tmux mcp ssh browser docker dbus aws sso oauth sts column table relation');

interface Term {
  readonly test: (word: string) => boolean;
  readonly optional: boolean;
  readonly repeat: boolean;
}
interface Phrase {
  readonly text: string;
  readonly anchored: boolean;
  readonly terms: readonly Term[];
  readonly unlessRequest: boolean;
}

function compile(text: string): Phrase {
  const anchored = text.startsWith('^');
  const unlessRequest = text.endsWith(' !REQUEST');
  const terms = text
    .replace('^', '')
    .replace(' !REQUEST', '')
    .split(' ')
    .map((term): Term => {
      const name = term.replace(/[?*]$/, '');
      const tests = name.split('|').map((part) => {
        const set = CLASSES[part];
        return set ? (word: string) => set.has(word) : (word: string) => word === part;
      });
      return { test: (word) => tests.some((test) => test(word)), optional: /[?*]$/.test(term), repeat: term.endsWith('*') };
    });
  return { text, anchored, terms, unlessRequest };
}

const COMPILED: ReadonlyMap<string, readonly Phrase[]> = new Map(
  Object.entries(PHRASES).map(([said, phrases]) => [said, phrases.map(compile)]),
);

/** The most words one `*` may swallow: two things further apart are not one statement. */
const MAX_FILL = 14;

/** The end of the phrase when it begins at `at`, else −1. `#end` is the word behind the last. */
function matchAt(terms: readonly Term[], clause: readonly string[], at: number, term = 0): number {
  if (term === terms.length) return at;
  const { test, optional, repeat } = terms[term] as Term;
  const word = at < clause.length ? (clause[at] as string) : at === clause.length ? '#end' : '';
  if (repeat) {
    let reach = at;
    while (reach < clause.length && reach - at < MAX_FILL && test(clause[reach] as string)) reach++;
    for (let next = reach; next >= at; next--) {
      const end = matchAt(terms, clause, next, term + 1);
      if (end >= 0) return end;
    }
    return -1;
  }
  if (word !== '' && test(word)) {
    const end = matchAt(terms, clause, at + 1, term + 1);
    if (end >= 0) return end;
  }
  return optional ? matchAt(terms, clause, at, term + 1) : -1;
}

/** Words that leave a clause about the session and nothing else, so that the "it" behind it is the session. */
const ABOUT_IT = words('can not could unable failed fail fails resumed loaded restored unavailable this : #id #x #method');

/** "Cannot resume session X because it no longer exists": the session. With any other thing named before it, who knows. */
function withoutPronoun(clauses: readonly (readonly string[])[]): readonly (readonly string[])[] {
  return clauses.map((clause, c) => {
    const at = clause.findIndex((word, i) => word === 'it' && (i === 0 || clause[i - 1] === ':'));
    const before = at > 0 ? clause.slice(0, at) : at === 0 ? (clauses[c - 1] ?? []) : [];
    const isSession =
      before.some((word) => CLASSES['SESSION']?.has(word)) &&
      before.every(
        (word) => ABOUT_IT.has(word) || ['SESSION', 'FILL', 'DET', 'GENERIC', 'RESUMING'].some((name) => CLASSES[name]?.has(word)),
      );
    return isSession ? ['session', ...clause.slice(at + 1)] : clause;
  });
}

/** The first phrase of the kind that the clauses say without doubt or negation, or null. */
export function findPhrase(said: Said, clauses: readonly (readonly string[])[]): string | null {
  for (const clause of said === 'absent' ? withoutPronoun(clauses) : clauses) {
    for (const phrase of COMPILED.get(said) ?? []) {
      for (let at = 0; at < clause.length; at++) {
        if (phrase.anchored && at > 0 && clause[at - 1] !== ':') continue;
        const end = matchAt(phrase.terms, clause, at);
        if (end < 0 || spoilt(said, clause, at, end)) continue;
        if (phrase.unlessRequest && namesRequest(clause, end)) continue;
        if (said === 'absent' && aboutParameter(clause, at, end)) continue;
        return phrase.text;
      }
    }
  }
  return null;
}

/** Doubt anywhere before or in it, a negation just before it, or a session of something else. */
function spoilt(said: Said, clause: readonly string[], at: number, end: number): boolean {
  if (clause.slice(0, end).some((word) => DOUBT.has(word))) return true;
  const before = clause.slice(Math.max(0, at - 3, clause.lastIndexOf(':', at - 1) + 1), at);
  const first = clause[at] as string;
  // ("Cannot load session: not found" negates the loading.)
  const negated = before.some(
    (word, i) => NEGATION.has(word) && !CLASSES['RESUMING']?.has(before[i + 1] ?? (i === before.length - 1 ? first : '')),
  );
  if (!NEGATION.has(first) && negated) return true;
  if (said === 'unsupported' || said === 'auth') return false;
  if (isComplement(clause, at) || clause.some((word) => THEIRS.has(word))) return true;
  return (
    FOREIGN.has(clause[at - 1] ?? '') ||
    clause
      .slice(at, end)
      .some((word, i) => CLASSES['SESSION']?.has(word) === true && word !== '#id' && FOREIGN.has(clause[at + i - 1] ?? ''))
  );
}

const LINK = words('for of in with by from on');
const LOOKUP = words('lookup search request load resume loading resuming restoring attempt');

/** "the model for session X was not found": the session only says which model. */
function isComplement(clause: readonly string[], at: number): boolean {
  let i = at - 1;
  while (
    i > 0 &&
    (CLASSES['THE']?.has(clause[i] as string) || CLASSES['ID']?.has(clause[i] as string) || CLASSES['SESSION']?.has(clause[i] as string))
  )
    i--;
  if (i <= 0 || !LINK.has(clause[i] as string)) return false;
  const head = clause[i - 1] as string;
  return head !== ':' && !LOOKUP.has(head) && !['SESSION', 'RECORD', 'GENERIC', 'FOUND', 'ID'].some((name) => CLASSES[name]?.has(head));
}

/** "session id not found in request params": what is missing is the parameter. */
function namesRequest(clause: readonly string[], end: number): boolean {
  return CLASSES['IN']?.has(clause[end] ?? '') === true && clause.slice(end + 1, end + 4).some((word) => CLASSES['REQUEST']?.has(word));
}

/** "sessionId is missing" without a value is about the parameter too. */
function aboutParameter(clause: readonly string[], at: number, end: number): boolean {
  const match = clause.slice(at, end);
  return (
    match.includes('missing') &&
    match.some((word) => CLASSES['ID']?.has(word) === true || word === 'sessionid') &&
    !match.some((word) => CLASSES['VALUE']?.has(word))
  );
}
