// Nibble in a page, by complete(): as peers are measured, with sampling and text.
import { open as openPage } from './nibble-page.js';

/** @param {import('../measure.js').EngineSetup} setup */
export const open = (setup) => openPage(setup, { byComplete: true });
