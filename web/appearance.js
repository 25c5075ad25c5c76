// How the page looks and which language it speaks, as the settings have it.

import { chooseLocale } from './ui/i18n.js';
import { placeIcons } from './ui/icons.js';

/** @typedef {import('./settings/settings.js').Settings} Settings */

/** @param {Settings} settings @returns {import('./ui/i18n.js').Locale} */
export function wantedLocale(settings) {
  const chosen = settings.get('language');
  return chosen === 'auto' ? chooseLocale(navigator.languages) : chosen;
}

/** @param {Settings} settings */
export function showTheme(settings) {
  const theme = settings.get('theme');
  if (theme === 'auto') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}

/** Fills in what index.html leaves to be said. @param {import('./ui/i18n.js').Language} language */
export function translate(language) {
  document.documentElement.lang = language.tag;
  language.translate(document);
  placeIcons(document);
}
