// Of what types a file's weights are, what that is called, and what they become in memory.

// Names of general.file_type; numbers that are left out have been removed. A mix of types has a name of its own.
/** @type {Record<number, string>} */
const FILE_TYPES = {
  ...{ 0: 'F32', 1: 'F16', 2: 'Q4_0', 3: 'Q4_1', 7: 'Q8_0', 8: 'Q5_0', 9: 'Q5_1', 10: 'Q2_K', 11: 'Q3_K_S' },
  ...{ 12: 'Q3_K_M', 13: 'Q3_K_L', 14: 'Q4_K_S', 15: 'Q4_K_M', 16: 'Q5_K_S', 17: 'Q5_K_M', 18: 'Q6_K' },
  ...{ 19: 'IQ2_XXS', 20: 'IQ2_XS', 21: 'Q2_K_S', 22: 'IQ3_XS', 23: 'IQ3_XXS', 24: 'IQ1_S', 25: 'IQ4_NL' },
  ...{ 26: 'IQ3_S', 27: 'IQ3_M', 28: 'IQ2_S', 29: 'IQ2_M', 30: 'IQ4_XS', 31: 'IQ1_M', 32: 'BF16' },
  ...{ 36: 'TQ1_0', 37: 'TQ2_0', 38: 'MXFP4', 39: 'NVFP4', 40: 'Q1_0', 41: 'Q2_0' },
};
// What bitnet.cpp calls its files of I2_S; llama.cpp gave the number to another type.
const I2_S_FILE = 40;
// What converters say of files whose weights somebody else quantised later.
const FLOATS = ['F32', 'F16', 'BF16'];

/** @typedef {import('../base/public-types.js').WeightTypes} WeightTypes */

/**
 * @param {import('../core/header.js').Header} header
 * @returns {{ label: string, types: WeightTypes[] }} `label`: what people call it, by the metadata where they say so,
 *   else the type of most weights; `types`: those with the most weights first
 */
export function quantizationOf(header) {
  /** @type {Map<string, WeightTypes>} */
  const rows = new Map();
  for (const { type, kind, shape, bytes, packedBytes } of header.tensors()) {
    const key = `${type} ${kind}`;
    const row = rows.get(key) ?? { type, kind, tensors: 0, weights: 0, bytes: 0, packedBytes: 0 };
    row.tensors++;
    row.weights += shape.reduce((/** @type {number} */ product, /** @type {number} */ size) => product * size, 1);
    row.bytes += bytes;
    row.packedBytes += packedBytes;
    rows.set(key, row);
  }
  const types = [...rows.values()].sort((a, b) => b.weights - a.weights);
  const most = types[0]?.type ?? 'none';
  const fileType = header.get('general.file_type');
  const isI2S = fileType === I2_S_FILE && types.some(({ type }) => type === 'I2_S');
  const named = isI2S ? 'I2_S' : typeof fileType === 'number' ? FILE_TYPES[fileType] : undefined;
  return { label: named === undefined || (FLOATS.includes(named) && named !== most) ? most : named, types };
}
