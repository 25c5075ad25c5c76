// Which side a text is written from. dir="auto" tells by itself, but Chromium takes seconds for a line of a million
// characters, such as a picture in base64 or data in JSON.
const LONG_LINE = 20_000;
const LETTER = /\p{L}/u;
const FROM_THE_RIGHT =
  /[\p{Script=Hebrew}\p{Script=Arabic}\p{Script=Syriac}\p{Script=Thaana}\p{Script=Nko}\p{Script=Samaritan}\p{Script=Mandaic}\p{Script=Adlam}\p{Script=Hanifi_Rohingya}\p{Script=Mende_Kikakui}]/u;

/** What an element that shows a text has as its `dir`. @param {string} text @returns {'auto' | 'ltr' | 'rtl'} */
export function directionOf(text) {
  if (!hasLongLine(text)) return 'auto';
  const letter = LETTER.exec(text)?.[0] ?? '';
  return FROM_THE_RIGHT.test(letter) ? 'rtl' : 'ltr';
}

/**
 * Keeps the `dir` of a field as what is in it asks for, and sets it before a long line comes in, be it pasted or undone.
 * @param {HTMLTextAreaElement} field
 * @returns {(text: string) => void} puts a text into the field
 */
export function followDirection(field) {
  let ofLong = 'auto';
  /** @param {string} text */
  const prepare = (text) => {
    const direction = directionOf(text);
    if (direction !== 'auto') ofLong = direction;
    if (field.dir !== direction) field.dir = direction;
  };
  field.addEventListener('beforeinput', ({ data, inputType }) => {
    const { value, selectionStart, selectionEnd } = field;
    if (inputType.startsWith('history') && ofLong !== 'auto') field.dir = ofLong;
    else if (data) prepare(value.slice(0, selectionStart) + data + value.slice(selectionEnd));
  });
  field.addEventListener('input', () => prepare(field.value));
  return (text) => {
    prepare(text);
    field.value = text;
  };
}

/** @param {string} text */
function hasLongLine(text) {
  for (let start = 0; text.length - start > LONG_LINE; ) {
    const end = text.lastIndexOf('\n', start + LONG_LINE);
    if (end < start) return true;
    start = end + 1;
  }
  return false;
}
