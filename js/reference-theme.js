// How the pages of the reference are laid out: TypeDoc's own, in the chat page's frame. No script stands in a page itself,
// since the site's policy allows none.
import { DefaultTheme, DefaultThemeRenderContext, JSX } from 'typedoc';

export const NAME = 'nibble';

/** @typedef {import('typedoc').PageEvent<import('typedoc').Reflection>} Page */

// The mark of the page's sidebar.
const MARK = 'M2 2h5v5H2zM9 2h5v5H9zM2 9h5v5H2zM10 11h3v2h-3z';

/** Registers the theme. @param {import('typedoc').Application} app */
export function useTheme(app) {
  app.renderer.defineTheme(NAME, ReferenceTheme);
}

const element = JSX.createElement;

class ReferenceTheme extends DefaultTheme {
  /** @param {Page} page @override */
  getRenderContext(page) {
    return new ReferenceContext(this.router, this, page, this.application.options);
  }
}

class ReferenceContext extends DefaultThemeRenderContext {
  /** @param {ConstructorParameters<typeof DefaultThemeRenderContext>} given */
  constructor(...given) {
    super(...given);
    // A list of members is beside each page, and what each is stands with its description: neither is said twice.
    const { index } = this;
    /** @param {import('typedoc').Models.ContainerReflection} reflection @returns {JSX.Element} */
    this.index = (reflection) => (reflection.isProject() ? index(reflection) : element(JSX.Fragment, null));
    this.reflectionPreview = () => undefined;
    this.hierarchy = () => undefined;
  }

  /** @param {import('typedoc').RenderTemplate<Page>} template @param {Page} page @override */
  defaultLayout = (template, page) => {
    const title = page.model.isProject() ? 'Reference' : `${page.model.name} · Reference`;
    const script = (/** @type {string} */ name, /** @type {object} */ attributes = {}) =>
      element('script', { src: this.relativeURL(`assets/${name}.js`, true), ...attributes });
    const style = (/** @type {string} */ name) =>
      element('link', { rel: 'stylesheet', href: this.relativeURL(`assets/${name}.css`, true) });
    return element(
      'html',
      { class: 'default', lang: 'en', 'data-base': this.relativeURL('./') },
      element(
        'head',
        null,
        element('meta', { charset: 'utf-8' }),
        element('title', null, `${title} · Nibble`),
        element('meta', { name: 'viewport', content: 'width=device-width, initial-scale=1' }),
        element('meta', { name: 'color-scheme', content: 'light dark' }),
        element('link', { rel: 'icon', type: 'image/svg+xml', href: this.relativeURL('assets/favicon.svg', true) }),
        ...['style', 'highlight', 'custom'].map(style),
        script('main', { defer: true }),
        script('icons', { async: true, id: 'tsd-icons-script' }),
        script('search', { async: true, id: 'tsd-search-script' }),
        script('navigation', { async: true, id: 'tsd-nav-script' }),
      ),
      element(
        'body',
        null,
        this.toolbar(page),
        element(
          'div',
          { class: 'container container-main' },
          element('main', { class: 'col-content' }, this.header(page), template(page)),
          element(
            'div',
            { class: 'col-sidebar' },
            element('div', { class: 'page-menu' }, this.pageNavigation(page)),
            element('div', { class: 'site-menu' }, this.sidebar(page)),
          ),
        ),
        element('div', { class: 'overlay' }),
      ),
    );
  };

  /** @param {Page} _page @override */
  toolbar = (_page) =>
    element(
      'header',
      { class: 'tsd-page-toolbar' },
      element(
        'div',
        { class: 'tsd-toolbar-contents container' },
        element(
          'a',
          { href: this.relativeURL('../index.html'), class: 'chat', title: 'The chat page' },
          element('svg', { viewBox: '0 0 16 16', 'aria-hidden': 'true' }, element('path', { d: MARK })),
          'Nibble',
        ),
        element('a', { href: this.relativeURL('index.html'), class: 'title' }, 'Reference'),
        this.#colours(),
        element(
          'button',
          { id: 'tsd-search-trigger', class: 'tsd-widget', 'aria-label': 'Search' },
          this.icons.search(),
        ),
        this.#search(),
        element(
          'a',
          {
            href: '#',
            class: 'tsd-widget menu',
            id: 'tsd-toolbar-menu-trigger',
            'data-toggle': 'menu',
            'aria-label': 'Menu',
          },
          this.icons.menu(),
        ),
      ),
    );

  /** TypeDoc's script keeps what is chosen. */
  #colours() {
    const option = (/** @type {string} */ value, /** @type {string} */ name) => element('option', { value }, name);
    return element(
      'select',
      { id: 'tsd-theme', 'aria-label': 'Colours' },
      option('os', 'Auto'),
      option('light', 'Light'),
      option('dark', 'Dark'),
    );
  }

  #search() {
    return element(
      'dialog',
      { id: 'tsd-search', 'aria-label': 'Search' },
      element('input', {
        role: 'combobox',
        id: 'tsd-search-input',
        'aria-controls': 'tsd-search-results',
        'aria-autocomplete': 'list',
        'aria-expanded': 'true',
        'aria-label': 'Search',
        spellcheck: 'false',
        autocapitalize: 'off',
        autocomplete: 'off',
        placeholder: 'Search the reference',
        maxLength: 100,
      }),
      element('ul', { role: 'listbox', id: 'tsd-search-results', 'aria-label': 'Results' }),
      element(
        'div',
        { id: 'tsd-search-status', 'aria-live': 'polite', 'aria-atomic': 'true' },
        element('div', null, 'The index is being read.'),
      ),
    );
  }
}
