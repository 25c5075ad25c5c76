// The icons, drawn with one pen on a field of 24 by 24.

const SVG = 'http://www.w3.org/2000/svg';

const PATHS = {
  alert: 'M12 8v5M12 16.5v.1M10.3 4.2 2.9 17.4A2 2 0 0 0 4.6 20.4h14.8a2 2 0 0 0 1.7-3L13.7 4.2a2 2 0 0 0-3.4 0Z',
  check: 'm5 12.5 4.5 4.5L19 7.5',
  chevron: 'm9 6 6 6-6 6',
  close: 'M6 6l12 12M18 6 6 18',
  continue: 'M5 6v12M9.5 12H20M15.5 7.5 20 12l-4.5 4.5',
  copy: 'M9 9h10v11H9zM15 9V4H5v11h4',
  down: 'M12 5v14M6.5 13.5 12 19l5.5-5.5',
  export: 'M12 15V4M7.5 8 12 3.5 16.5 8M5 13v6.5h14V13',
  gear: 'M4 7h9M17 7h3M4 17h3M11 17h9M15 4.5v5M9 14.5v5',
  import: 'M12 4v11M7.5 11 12 15.5 16.5 11M5 13v6.5h14V13',
  info: 'M12 11v5.5M12 7.6v.1M21 12a9 9 0 1 1-18 0 9 9 0 0 1 18 0Z',
  menu: 'M4 7h16M4 12h16M4 17h16',
  model: 'M12 3 20 7.5v9L12 21l-8-4.5v-9zM4.3 7.7 12 12l7.7-4.3M12 12v8.7',
  new: 'M12 5v14M5 12h14',
  panel: 'M4 5h16v14H4zM9.5 5v14',
  pencil: 'M4.5 19.5 5.6 15 16 4.6a1.6 1.6 0 0 1 2.3 0l1.1 1.1a1.6 1.6 0 0 1 0 2.3L9 18.4Z',
  retry: 'M19.5 12a7.5 7.5 0 1 1-2.3-5.4L19.5 9M19.5 4v5h-5',
  search: 'M16 16l4.5 4.5M18 11a7 7 0 1 1-14 0 7 7 0 0 1 14 0Z',
  send: 'M12 19V5M6 11l6-6 6 6',
  shield: 'M12 3.2 19 6v5.2c0 4.4-2.9 7.9-7 9.6-4.1-1.7-7-5.2-7-9.6V6zM8.8 12l2.3 2.3 4.2-4.4',
  stop: 'M7.5 7.5h9v9h-9z',
  thought: 'M9.5 18h5M10 21h4M8.4 15A6.5 6.5 0 1 1 15.6 15c-.7.6-1.1 1.2-1.1 2h-5c0-.8-.4-1.4-1.1-2Z',
  trash: 'M4.5 7h15M9.5 7V4.5h5V7M6.5 7l.8 12.5h9.4L17.5 7M10 11v5M14 11v5',
};

/** @typedef {keyof typeof PATHS} IconName */

/** @param {IconName} name @returns {SVGElement} for the eye only: what it stands for is said elsewhere */
export function icon(name) {
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('viewBox', '0 0 24 24');
  svg.setAttribute('aria-hidden', 'true');
  svg.classList.add('icon-drawing', `icon-${name}`);
  const path = svg.appendChild(document.createElementNS(SVG, 'path'));
  path.setAttribute('d', PATHS[name]);
  return svg;
}

/** Puts the icons where index.html has places for them. @param {ParentNode} root */
export function placeIcons(root) {
  for (const place of root.querySelectorAll('[data-icon]')) {
    const name = place.getAttribute('data-icon') ?? '';
    if (isIcon(name)) place.replaceChildren(icon(name));
  }
}

/** @param {string} name @returns {name is IconName} */
const isIcon = (name) => name in PATHS;
