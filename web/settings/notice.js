// Tells once that the browser does not keep what the reader chooses, until that is closed.
import { find } from '../ui/dom.js';

/**
 * @param {import('./settings.js').Settings} settings
 * @param {{ t: import('../ui/i18n.js').Translate, announce: (text: string) => void }} page
 */
export function tellUnkeptSettings(settings, { t, announce }) {
  const notice = find('settings-unkept');
  find('close-settings-unkept').addEventListener('click', () => {
    notice.hidden = true;
    find('prompt').focus();
  });
  settings.onUnkept(() => {
    notice.hidden = false;
    announce(t('settings.unkept'));
  });
}
