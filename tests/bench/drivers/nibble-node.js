// Nibble in Node.
import { createEngine } from '../../../js/index.node.js';
import { openNibble } from './nibble.js';

/** @param {import('../measure.js').EngineSetup} setup */
export const open = ({ modelPath, threads, contextSize }) =>
  openNibble({ createEngine, modelUrl: modelPath, threads, contextSize, loadedFrom: 'the file, in the page cache' });
