// Where a text stops being JSON: JSON.parse() tells it in other words in each version of a platform, and sometimes not.

const SPACE = '[ \\t\\n\\r]*';
/** @param {string} source */
const token = (source) => new RegExp(`${SPACE}(?:${source})`, 'y');
const STRING = token('"(?:[^"\\\\\\u0000-\\u001f]|\\\\(?:["\\\\/bfnrt]|u[\\da-fA-F]{4}))*"');
const LITERAL = token('(?:-?(?:0|[1-9]\\d*)(?:\\.\\d+)?(?:[eE][+-]?\\d+)?|true|false|null)(?![\\w.])');
const [COMMA, COLON, BLANK] = [token(','), token(':'), token('')];
const LIST = [token('\\['), token('\\]')];
const OBJECT = [token('\\{'), token('\\}')];
// So much is shown of what stands there.
const SHOWN = 12;

/** What is wrong with a text, as the end of a sentence. @param {string} text that JSON.parse() refuses */
export function faultOfJson(text) {
  const at = faultAt(text);
  const lines = text.slice(0, at).split('\n');
  const place = `line ${lines.length}, column ${lines[lines.length - 1].length + 1}`;
  if (text.trim() === '') return 'it is empty';
  if (at === text.length) return `it is no JSON: it ends too early, in ${place}`;
  return `it is no JSON: in ${place} stands ${JSON.stringify(text.slice(at, at + SHOWN).split('\n', 1)[0])}`;
}

/** The place of the first token that may not stand where it does. @param {string} text */
function faultAt(text) {
  let at = 0;
  const take = (/** @type {RegExp} */ pattern) => {
    pattern.lastIndex = at;
    const isThere = pattern.test(text);
    if (isThere) at = pattern.lastIndex;
    return isThere;
  };
  /** @type {(close: RegExp, each: () => boolean) => boolean} */
  const all = (close, each) => {
    if (take(close)) return true;
    do if (!each()) return false;
    while (take(COMMA));
    return take(close);
  };
  /** @type {() => boolean} */
  const member = () => take(STRING) && take(COLON) && value();
  const value = () => {
    if (take(LIST[0])) return all(LIST[1], value);
    if (take(OBJECT[0])) return all(OBJECT[1], member);
    return take(STRING) || take(LITERAL);
  };
  value();
  take(BLANK);
  return at;
}
