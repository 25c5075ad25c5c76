// Files that are dragged onto the page. Without this the browser would leave the page for whatever is dropped on it.

import { chooseFiles, isModelFile } from './engine/model-files.js';

// What a model's file begins with.
const MAGIC = 'GGUF';

/** @param {DragEvent} event */
const bringsFiles = (event) => event.dataTransfer?.types.includes('Files') ?? false;

/** @param {string} name of a file */
export const isArchive = (name) => /\.json$/i.test(name);

/**
 * What a file is for, by its name or else by its first bytes.
 * @param {File | File[]} file several are the parts of a model
 * @returns {Promise<'archive' | 'model' | 'other'>} one that is empty, or cannot be read, counts as a model, whose load
 *   tells so
 */
export async function purposeOf(file) {
  if (Array.isArray(file)) return 'model';
  if (isArchive(file.name)) return 'archive';
  if (isModelFile(file.name)) return 'model';
  const head = await file
    .slice(0, MAGIC.length)
    .text()
    .catch(() => '');
  return head === '' || head === MAGIC ? 'model' : 'other';
}

/** Whether text may be dropped there. @param {EventTarget | null} target */
const isField = (target) => target instanceof HTMLTextAreaElement;

/**
 * Shows `cover` over the page while files are dragged over it, and hands on what is dropped.
 * @param {HTMLElement} cover
 * @param {{ onFile: (file: File | File[]) => void, onUnclear: () => void }} handlers `onUnclear`: several were dropped, and none
 *   of them is the one that is meant
 */
export function acceptDrops(cover, { onFile, onUnclear }) {
  /** @param {boolean} shown */
  const show = (shown) => {
    cover.hidden = !shown;
  };
  document.addEventListener('dragenter', (event) => {
    if (bringsFiles(event)) show(true);
  });
  // The cover lies over everything, so leaving it is leaving the page.
  cover.addEventListener('dragleave', () => show(false));
  // A drag sends no pointer events: where one arrives, the drag is over and its end was not told.
  cover.addEventListener('pointermove', () => show(false));
  document.addEventListener('dragover', (event) => {
    const files = bringsFiles(event);
    if (!files && isField(event.target)) return;
    event.preventDefault();
    if (event.dataTransfer !== null) event.dataTransfer.dropEffect = files ? 'copy' : 'none';
  });
  document.addEventListener('drop', (event) => {
    show(false);
    // A part of the page has taken it.
    if (event.defaultPrevented) return;
    if (!bringsFiles(event) && isField(event.target)) return;
    event.preventDefault();
    const files = [...(event.dataTransfer?.files ?? [])];
    // Conversations may come beside a model.
    for (const archive of files.filter(({ name }) => isArchive(name))) onFile(archive);
    const others = files.filter(({ name }) => !isArchive(name));
    // A folder may come as no file at all.
    if (others.length === 0) return;
    const file = chooseFiles(others);
    if (file === null) onUnclear();
    else onFile(file);
  });
}
