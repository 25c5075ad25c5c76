// Asks for an access token of Hugging Face's hub, and for another address of it, where a model is not given without.
import { codeOf, detailsOf } from '../engine/problem.js';
import { make } from '../ui/dom.js';

/** Whether a token, or another address, may be what a problem wants. @param {unknown} problem */
export function mayWantAccess(problem) {
  const code = String(codeOf(problem));
  if (['HUB_GATED', 'HUB_TOKEN_REFUSED', 'HUB_NOT_FOUND'].includes(code)) return true;
  const { status, connection } = detailsOf(problem);
  return code === 'DOWNLOAD_FAILED' && ([401, 403].includes(Number(status)) || connection === 'none');
}

/**
 * @param {object} context
 * @param {import('../ui/i18n.js').Translate} context.t
 * @param {import('./hub-access.js').HubAccess} context.hub is changed here
 * @param {boolean} context.asksAddress whether another address may be given
 * @param {() => void} context.onChange what was asked for may be tried again
 * @returns {HTMLFormElement}
 */
export function makeHubForm({ t, hub, asksAddress, onChange }) {
  const problem = make('p', { id: 'models-hub-problem', class: 'field-problem', role: 'alert' });
  const described = (/** @type {string} */ id) => `${id}-help models-hub-problem`;
  const token = make('input', {
    ...{ id: 'models-hub-token', type: 'password', autocomplete: 'off', spellcheck: 'false', 'data-key': 'hub token' },
    'aria-describedby': described('models-hub-token'),
  });
  const url = make('input', {
    ...{ id: 'models-hub-url', type: 'text', inputmode: 'url', autocomplete: 'off', spellcheck: 'false' },
    ...{ value: hub.url, 'data-key': 'hub url', 'aria-describedby': described('models-hub-url') },
    // A token is for the address that it was entered for.
    on: {
      input: () => {
        token.value = '';
        describe();
      },
    },
  });
  const keeps = make('input', { id: 'models-hub-keep', type: 'checkbox', 'data-key': 'hub keep' });
  keeps.checked = hub.isKept;
  const tokenHelp = make('p', { id: 'models-hub-token-help', class: 'help' });
  const describe = () => {
    tokenHelp.textContent = t('models.hub.token.help', { address: url.value.trim() || hub.url });
  };
  describe();
  /** @param {SubmitEvent} event */
  const submit = (event) => {
    event.preventDefault();
    const wrong = hub.change({ url: url.value, token: token.value, keeps: keeps.checked });
    problem.textContent = wrong === null ? '' : t(`models.hub.bad.${wrong}`);
    token.setAttribute('aria-invalid', String(wrong === 'token'));
    url.setAttribute('aria-invalid', String(wrong === 'url'));
    if (wrong === null) return onChange();
    if (wrong === 'url') other.open = true;
    (wrong === 'token' ? token : url).focus();
  };
  const other = make(
    'details',
    { class: 'models-hub-other' },
    make('summary', {}, t('models.hub.other')),
    make('label', { for: 'models-hub-url' }, t('models.hub.url')),
    url,
    make('p', { id: 'models-hub-url-help', class: 'help' }, t('models.hub.url.help')),
  );
  other.open = url.value !== 'https://huggingface.co';
  return make(
    'form',
    { class: 'models-hub field', novalidate: true, on: { submit } },
    make('label', { for: 'models-hub-token' }, t('models.hub.token')),
    token,
    tokenHelp,
    asksAddress ? other : null,
    make('label', { class: 'models-hub-keep', for: 'models-hub-keep' }, keeps, t('models.hub.keep')),
    problem,
    make('div', { class: 'buttons start' }, make('button', { type: 'submit', class: 'accent' }, t('models.hub.try'))),
  );
}
