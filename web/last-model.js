// Where the model of this visit is found again at the next one.

import { INCLUDED_MODEL, isIncluded } from './engine/engine-room.js';

/** @typedef {import('./engine/engine-room.js').Model} Model */
/** @typedef {import('./settings/settings.js').ModelPlace} ModelPlace */

/** @param {ModelPlace | null} place as the settings have it @returns {Model} */
export function modelAt(place) {
  if (place === null) return INCLUDED_MODEL;
  return 'url' in place ? new URL(place.url) : place;
}

/**
 * @param {Model | null} model
 * @param {import('./nibble/index.js').Engine} engine that was made from it
 * @returns {{ url: string } | { stored: string | null, kind: string | null } | null} null: it is the one included, or it is
 *   not kept. The settings take no other place than theirs
 */
export function placeOf(model, engine) {
  if (isIncluded(model)) return null;
  const { id, kind, state } = engine.info.storage;
  if (state !== 'not-stored') return { stored: id, kind };
  return model instanceof URL ? { url: model.href } : null;
}
