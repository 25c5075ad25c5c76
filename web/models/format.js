// Numbers of the models panel in the reader's way of writing them. A formatter is made for one language.

const BYTE_UNITS = ['byte', 'kilobyte', 'megabyte', 'gigabyte', 'terabyte'];
/** @type {[unit: Intl.RelativeTimeFormatUnit, milliseconds: number][]} */
const TIMES = [
  ['day', 86_400_000],
  ['hour', 3_600_000],
  ['minute', 60_000],
];

/** @param {string} locale a language tag */
export function createFormat(locale) {
  /** @param {number} value @param {string} unit */
  const inUnit = (value, unit) => {
    const maximumFractionDigits = value < 10 && unit !== 'byte' ? 1 : 0;
    return new Intl.NumberFormat(locale, { style: 'unit', unit, maximumFractionDigits }).format(value);
  };
  const relative = new Intl.RelativeTimeFormat(locale, { numeric: 'auto' });

  return {
    /** @param {number} bytes */
    bytes(bytes) {
      const power =
        bytes < 1000 ? Number(bytes === 0) : Math.min(BYTE_UNITS.length - 1, Math.floor(Math.log10(bytes) / 3));
      return inUnit(bytes / 1000 ** power, BYTE_UNITS[power]);
    },

    /** @param {number} count @returns {string} such as 1.2B */
    count: (/** @type {number} */ count) =>
      new Intl.NumberFormat(locale, { notation: 'compact', maximumSignificantDigits: 3 }).format(count),

    /** @param {number} part from 0 to 1 */
    percent: (/** @type {number} */ part) =>
      new Intl.NumberFormat(locale, { style: 'percent' }).format(Math.min(1, Math.max(0, part))),

    /** @param {number} seconds */
    duration(seconds) {
      if (seconds < 90) return inUnit(Math.max(1, Math.round(seconds)), 'second');
      return seconds < 5400 ? inUnit(Math.round(seconds / 60), 'minute') : inUnit(seconds / 3600, 'hour');
    },

    /** How long ago. @param {number} time milliseconds since 1970 @param {number} [now] */
    ago(time, now = Date.now()) {
      const [unit, length] = TIMES.find(([, span]) => now - time >= span) ?? ['second', Number.MAX_SAFE_INTEGER];
      return relative.format(-Math.floor(Math.max(0, now - time) / length), unit);
    },

    /** @param {readonly string[]} codes of languages @param {'conjunction' | 'unit'} [type] 'unit': without 'and' */
    languages(codes, type = 'conjunction') {
      const names = new Intl.DisplayNames(locale, { type: 'language' });
      return new Intl.ListFormat(locale, { type, style: type === 'unit' ? 'short' : 'long' }).format(
        codes.map((code) => names.of(code) ?? code),
      );
    },

    /** @param {readonly (string | null)[]} parts of an enumeration without 'and'; null: one that is none */
    list: (/** @type {readonly (string | null)[]} */ parts) => parts.filter(Boolean).join(' · '),
  };
}
