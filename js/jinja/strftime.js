// Python's strftime in its C locale and local time.

const MONTHS = 'January February March April May June July August September October November December'.split(' ');
const DAYS = 'Sunday Monday Tuesday Wednesday Thursday Friday Saturday'.split(' ');
const DAY_MILLISECONDS = 86_400_000;

/** @param {number} value */
const pad = (value, width = 2, fill = '0') => String(value).padStart(width, fill);

/** Days since the first of January. @param {Date} date */
const dayOfYear = (date) =>
  Math.round((Date.UTC(2000, date.getMonth(), date.getDate()) - Date.UTC(2000, 0, 1)) / DAY_MILLISECONDS) -
  (date.getMonth() > 1 && !isLeap(date.getFullYear()) ? 1 : 0);

/** @param {number} year */
const isLeap = (year) => (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0;

/** Whole weeks since the first day `first` (0: Sunday) of the year. @param {Date} date @param {number} first */
const weekOfYear = (date, first) => Math.floor((dayOfYear(date) + 7 - ((date.getDay() + 7 - first) % 7)) / 7);

/** The year and the week by ISO 8601: a week belongs to the year that has its Thursday. @param {Date} date */
function isoWeek(date) {
  const thursday = new Date(date.getFullYear(), date.getMonth(), date.getDate() + 4 - (date.getDay() || 7));
  return { year: thursday.getFullYear(), week: 1 + Math.floor(dayOfYear(thursday) / 7) };
}

/** @type {Record<string, (date: Date) => string>} */
const DIRECTIVES = Object.freeze({
  A: (date) => DAYS[date.getDay()],
  a: (date) => DAYS[date.getDay()].slice(0, 3),
  B: (date) => MONTHS[date.getMonth()],
  b: (date) => MONTHS[date.getMonth()].slice(0, 3),
  C: (date) => pad(Math.floor(date.getFullYear() / 100)),
  c: (date) => strftime(date, '%a %b %e %H:%M:%S %Y'),
  D: (date) => strftime(date, '%m/%d/%y'),
  d: (date) => pad(date.getDate()),
  e: (date) => pad(date.getDate(), 2, ' '),
  F: (date) => strftime(date, '%Y-%m-%d'),
  f: (date) => pad(date.getMilliseconds() * 1000, 6),
  G: (date) => String(isoWeek(date).year),
  g: (date) => pad(isoWeek(date).year % 100),
  H: (date) => pad(date.getHours()),
  h: (date) => MONTHS[date.getMonth()].slice(0, 3),
  I: (date) => pad(date.getHours() % 12 || 12),
  j: (date) => pad(dayOfYear(date) + 1, 3),
  k: (date) => pad(date.getHours(), 2, ' '),
  l: (date) => pad(date.getHours() % 12 || 12, 2, ' '),
  M: (date) => pad(date.getMinutes()),
  m: (date) => pad(date.getMonth() + 1),
  n: () => '\n',
  P: (date) => (date.getHours() < 12 ? 'am' : 'pm'),
  p: (date) => (date.getHours() < 12 ? 'AM' : 'PM'),
  R: (date) => strftime(date, '%H:%M'),
  r: (date) => strftime(date, '%I:%M:%S %p'),
  S: (date) => pad(date.getSeconds()),
  s: (date) => String(Math.floor(date.getTime() / 1000)),
  T: (date) => strftime(date, '%H:%M:%S'),
  t: () => '\t',
  U: (date) => pad(weekOfYear(date, 0)),
  u: (date) => String(date.getDay() || 7),
  V: (date) => pad(isoWeek(date).week),
  W: (date) => pad(weekOfYear(date, 1)),
  w: (date) => String(date.getDay()),
  X: (date) => strftime(date, '%H:%M:%S'),
  x: (date) => strftime(date, '%m/%d/%y'),
  Y: (date) => String(date.getFullYear()),
  y: (date) => pad(date.getFullYear() % 100),
  // A time without a zone has neither name nor offset, as Python's datetime.now().
  Z: () => '',
  z: () => '',
  '%': () => '%',
});

/**
 * A directive that it does not know stays as it is. Behind the sign, `-` takes the zeros and blanks before a number away,
 * `_` makes them blanks and `0` zeros, `^` makes capitals, as glibc has it.
 * @param {Date} date
 * @param {string} format
 * @returns {string}
 */
export function strftime(date, format) {
  return format.replace(/%([-_0^#]?)([a-zA-Z%])/g, (whole, flag, letter) => {
    const text = DIRECTIVES[letter]?.(date);
    if (text === undefined) return whole;
    if (flag === '-') return text.replace(/^[0 ]+(?=\d)/, '');
    if (flag === '_') return text.replace(/^0+(?=\d)/, (zeros) => ' '.repeat(zeros.length));
    if (flag === '0') return text.replace(/^ +(?=\d)/, (blanks) => '0'.repeat(blanks.length));
    return flag === '^' || flag === '#' ? text.toUpperCase() : text;
  });
}
