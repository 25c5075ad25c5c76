// Files that are dragged onto the page. Without this the browser would leave the page for whatever is dropped on it.

const bringsFiles = (event) => event.dataTransfer?.types.includes('Files') ?? false;

/**
 * Shows `cover` over the page while files are dragged over it, and hands on the first one that is dropped.
 * @param {HTMLElement} cover
 * @param {(file: File) => void} onFile
 */
export function acceptDrops(cover, onFile) {
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
    if (!files && event.target.matches?.('textarea')) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = files ? 'copy' : 'none';
  });
  document.addEventListener('drop', (event) => {
    show(false);
    // A part of the page has taken it.
    if (event.defaultPrevented) return;
    if (!bringsFiles(event) && event.target.matches?.('textarea')) return;
    event.preventDefault();
    const [file] = event.dataTransfer.files;
    if (file) onFile(file);
  });
}
