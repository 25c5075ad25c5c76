// Random bits made into weights of a wanted size, in every weight type and without a quantiser: any bits are weights,
// only the scales among them have to be of the right size.
import { dequantize } from './dequantize.js';
import { present } from './present.js';
import { Random } from './random-numbers.js';
import { FORMATS, fromE4M3, toHalf } from './weight-formats.js';

/** @typedef {import('./weight-formats.js').WeightFormat} WeightFormat */
/** @typedef {import('./weight-formats.js').WeightType} WeightType */

// Each block has one of this many scales, 0.75 to 1.25 times the mean one.
const PICKS = 256;
/** @param {(a: number, pick: number) => number} code */
const table = (code) => Array.from({ length: PICKS }, (_, pick) => code(0.75 + pick / (2 * PICKS), pick));

// Powers of two are what MXFP4 has for scales: the two about the wanted one, so mixed that the mean square is right.
/** @param {number} scale */
function powerScales(scale) {
  let exponent = 0;
  for (; 2 ** exponent > scale; exponent--);
  for (; 2 ** (exponent + 1) <= scale; exponent++);
  const share = ((scale / 2 ** exponent) ** 2 - 1) / 3;
  return table((_, pick) => 128 + exponent + (pick < share * PICKS ? 1 : 0));
}

/** @param {number} value */
function nearestE4M3(value) {
  let best = 0;
  for (let code = 1; code < 0x7f; code++) {
    if (Math.abs(fromE4M3(code) - value) < Math.abs(fromE4M3(best) - value)) best = code;
  }
  return best;
}

// For types whose scale is no F16 of its own: (mean scale) to (view, where a block begins), which puts one there.
/**
 * @typedef {(view: DataView, at: number) => void} Placing
 * @type {Record<string, (scale: number) => Placing>}
 */
const OTHER_SCALES = {
  mxfp4(scale) {
    const codes = powerScales(scale);
    return (view, at) => view.setUint8(at, codes[view.getUint8(at)]);
  },
  nvfp4(scale) {
    const codes = table((factor) => nearestE4M3(2 * scale * factor));
    return (view, at) => {
      for (let i = 0; i < 4; i++) view.setUint8(at + i, codes[view.getUint8(at + i)]);
    };
  },
  // An F16, a nibble of it in the upper half of each second byte.
  iq1_m(scale) {
    const codes = table((factor) => toHalf(scale * factor));
    return (view, at) => {
      const code = codes[view.getUint8(at)];
      for (let i = 0; i < 4; i++) {
        const low = view.getUint8(at + 49 + 2 * i) & 15;
        view.setUint8(at + 49 + 2 * i, low | (((code >> (4 * i)) & 15) << 4));
      }
    };
  },
};

/**
 * What stands behind the blocks of a tensor of random bits, with weights of about the deviation `sigma`: its scale, of a
 * type that has one for all of it. Half of the weights are 0.
 * @param {WeightType} type
 * @param {number} sigma
 */
export function behindBlocks(type, sigma) {
  const bytes = new Uint8Array(FORMATS[type].behind ?? 0);
  if (bytes.length > 0) new DataView(bytes.buffer).setFloat32(0, sigma * Math.SQRT2, true);
  return bytes;
}

// Where a block has no minimum, half of the scales are negative, so that the mean is zero.
/** @param {Pick<WeightFormat, 'scale' | 'minimum'>} format @param {number} scale @param {number} minimum @returns {Placing} */
function halfScales({ scale: place, minimum: minimumPlace }, scale, minimum) {
  const scales = table((factor) => toHalf(scale * factor));
  const minima = table((factor) => toHalf(minimum * factor));
  return (view, at) => {
    const pick = view.getUint8(at + present(place));
    const sign = minimumPlace === undefined ? (view.getUint8(at + present(place) + 1) & 1) << 15 : 0;
    view.setUint16(at + present(place), scales[pick] | sign, true);
    if (minimumPlace !== undefined) view.setUint16(at + minimumPlace, minima[pick], true);
  };
}

/** @param {string} type @param {number} scale */
const placing = (type, scale, minimum = 0) => OTHER_SCALES[type]?.(scale) ?? halfScales(FORMATS[type], scale, minimum);

/** @param {DataView} view @param {number} bytes @param {Placing} place */
function shapeAll(view, bytes, place) {
  for (let at = 0; at < view.byteLength; at += bytes) place(view, at);
}

/** @param {Float32Array} values */
const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

// Of random bits with this scale and minimum. Sums of a fixed order and square roots are exact on every machine.
/** @param {WeightType} type @param {number} scale @param {number} minimum */
function sample(type, scale, minimum) {
  const { weights, bytes } = FORMATS[type];
  const words = new Uint32Array(bytes * Math.ceil(4096 / weights));
  new Random(`sample ${type}`).fill(words);
  shapeAll(new DataView(words.buffer), bytes, placing(type, scale, minimum));
  return dequantize(type, new Uint8Array(words.buffer));
}

// The minimum to a scale of 1 that makes the mean weight 0.
/** @param {WeightType} type */
function balance(type) {
  if (FORMATS[type].minimum === undefined) return 0;
  return -mean(sample(type, 1, 0)) / mean(sample(type, 0, 1));
}

// One weight to a "block": an exponent with as many halvings as there are leading zeros, which is what a uniform
// distribution has.
/** @param {string} type @param {number} sigma @returns {Placing} */
function halves(type, sigma) {
  const [mantissa, bias] = type === 'f16' ? [10, 15] : [7, 127];
  const top = Math.round(Math.log2(sigma * Math.sqrt(3))) - 1;
  return (view, at) => {
    const bits = view.getUint16(at, true);
    const halvings = Math.min(4, Math.clz32((bits & 31) | 1) - 27);
    const exponent = Math.max(1, top - halvings + bias);
    view.setUint16(at, (bits & 0x8000) | (exponent << mantissa) | ((bits >>> 5) & ((1 << mantissa) - 1)), true);
  };
}

/** @param {number} sigma @returns {Placing} */
function floats(sigma) {
  const unit = (sigma * Math.sqrt(3)) / 2 ** 31;
  return (view, at) => view.setFloat32(at, (view.getInt32(at, true) + 0.5) * unit, true);
}

/**
 * What turns random bytes into whole blocks whose weights have a mean near 0 and about the deviation `sigma`. Of types
 * with blocks the result is the same on every machine.
 * @param {WeightType} type
 * @param {number} sigma
 * @returns {(view: DataView) => void}
 */
export function blockShaper(type, sigma) {
  const { weights, bytes } = FORMATS[type];
  if (type === 'f32') return (view) => shapeAll(view, bytes, floats(sigma));
  if (FORMATS[type].behind !== undefined) return () => {};
  if (weights === 1) return (view) => shapeAll(view, bytes, halves(type, sigma));
  const minimum = balance(type);
  const unit = Math.sqrt(mean(sample(type, 1, minimum).map((weight) => weight * weight)));
  const place = placing(type, sigma / unit, (minimum * sigma) / unit);
  return (view) => shapeAll(view, bytes, place);
}
