// The page: it makes the parts and joins them. It knows the library by its public entry only.

import { Answers } from './chat/answers.js';
import { Chat } from './chat/chat.js';
import { Composer } from './chat/composer.js';
import { Address } from './conversations/address.js';
import { newConversation, openConversations } from './conversations/conversations.js';
import { Sidebar } from './conversations/sidebar.js';
import { listTitles } from './conversations/titles.js';
import { Transfer } from './conversations/transfer.js';
import { UnkeptNotice } from './conversations/unkept-notice.js';
import { acceptDrops } from './drop.js';
import { DroppedFile } from './dropped-file.js';
import { EngineRoom, INCLUDED_MODEL, isIncluded } from './engine/engine-room.js';
import { GoneNotice } from './engine/gone-notice.js';
import { LoadPanel } from './engine/load-panel.js';
import { describeProblem } from './engine/problem.js';
import { ReadRates } from './engine/read-rates.js';
import { ContextNotice } from './engine/warning-notice.js';
import { HubAccess } from './models/hub-access.js';
import { KeptNotice } from './models/kept-notice.js';
import { ModelShelf } from './models/shelf.js';
import { Offline } from './offline/registration.js';
import { UpdateNotice } from './offline/update-notice.js';
import { SettingsForm } from './settings/form.js';
import { tellUnkeptSettings } from './settings/notice.js';
import { Settings } from './settings/settings.js';
import { Readouts } from './status/readouts.js';
import { openDialog } from './ui/dialog.js';
import { breathe, find, make } from './ui/dom.js';
import { chooseLocale, Language } from './ui/i18n.js';
import { placeIcons } from './ui/icons.js';
import { listenToShortcuts } from './ui/shortcuts.js';

const STARTERS = ['Who are you?', 'What can you do?', 'What is 3 + 4?'];

class App {
  settings = new Settings();
  hub = new HubAccess();
  room = new EngineRoom(this.settings, this.hub);
  rates = new ReadRates();
  address = new Address((id) => this.#moveTo(id));
  #wantedLocale = () => {
    const chosen = this.settings.get('language');
    return chosen === 'auto' ? chooseLocale(navigator.languages) : chosen;
  };
  language = new Language(this.#wantedLocale());
  #moves = 0;

  async start() {
    const { settings, room } = this;
    const { t } = this.language;
    this.#translate();
    this.#showTheme();
    // Whoever is quick has written before the rest is there.
    const { promise: begun, resolve: begin } = withResolvers();
    this.composer = new Composer({
      id: this.address.id,
      onSend: (text) => begun.then(() => this.chat.send(text)),
      onStop: () => this.chat.stop(),
      onEditLast: () => this.chat?.editLast(),
    });
    // Whoever was writing when the page was loaded anew goes on.
    if (matchMedia('(hover: hover)').matches) this.composer.focus();
    await breathe();
    this.conversations = await openConversations();
    await breathe();
    this.answers = new Answers(room, settings, this.conversations);
    this.chat = this.#createChat();
    this.sidebar = this.#createSidebar();
    const offline = new Offline({
      onState: () => this.readouts.refresh(),
      onUpdate: () => this.updateNotice.offer(),
      untilPause: () => this.composer.untilPause(),
    });
    this.readouts = new Readouts({
      ...{ room, settings, answers: this.answers, offline, rates: this.rates, t },
      isStored: (info) => this.models.has(info),
      current: () => this.chat.conversation,
    });
    this.updateNotice = new UpdateNotice({ offline, t, isBusy: () => this.answers.isBusy || room.isLoading });
    this.unkeptNotice = this.#createUnkeptNotice();
    this.goneNotice = new GoneNotice({ settings, room, t });
    this.contextNotice = new ContextNotice(room, settings, t);
    this.answers.onStep((job) => job.phase === 'ended' && this.contextNotice.take(job));
    tellUnkeptSettings(settings, { t, announce: (text) => this.announce(text) });
    this.keptNotice = new KeptNotice(t, { onModels: () => this.#openModels() });
    this.loadPanel = new LoadPanel(room, t, {
      onCancelled: () => this.composer.focus(),
      onSettings: () => this.openSettings('memoryBudget'),
    });
    this.models = this.#createModels();
    this.transfer = this.#createTransfer();
    this.dropped = new DroppedFile({
      ...{ room, settings, t, transfer: this.transfer, loadPanel: this.loadPanel },
      onLoad: (file) => this.load(file),
      onKept: (kept) => this.keptNotice.tell(kept),
      announce: (text) => this.announce(text),
    });
    await breathe();
    this.settingsForm = new SettingsForm(settings, t, {
      store: () => this.readouts.describeStores(),
      contextSize: () => [t('settings.contextSize.help'), this.contextNotice.text].join(' ').trim(),
    });
    this.#listen();
    find('not-kept').hidden = this.conversations.isKept;
    this.conversations.onLost(() => {
      find('not-kept').dataset.t = 'sidebar.lost';
      find('not-kept').textContent = t('sidebar.lost');
      find('not-kept').hidden = false;
      this.announce(t('sidebar.lost'));
    });
    await breathe();
    await this.#moveTo(this.address.id);
    begin();
    this.sidebar.refresh();
    if (matchMedia('(hover: hover)').matches) this.composer.focus();
    await this.readouts.settled;
    await this.#load(this.#lastModel());
  }

  /** @param {import('./engine/engine-room.js').Model} model @param {{ keeps?: boolean }} [how] as the room takes it */
  load(model, how) {
    this.dropped.forget();
    // What was wrong with another file is over.
    this.loadPanel.closeProblem();
    return this.#load(model, how);
  }

  async #load(model, how) {
    this.keptNotice.tell(null);
    await this.room.load(model, how);
    const { engine, problem, keeps } = this.room;
    if (problem !== null || engine === null) return;
    if (keeps) this.settings.set('model', this.#placeOf(this.room.model, engine));
    const { t } = this.language;
    this.announce(t('announce.ready'));
    this.answers.tidy(engine);
    const { storage, name } = engine.info;
    if (storage.problem === null) return;
    const { code, text } = describeProblem({ ...storage.problem }, t);
    this.loadPanel.showProblem({ code, text: t('problem.not-stored', { name }), detail: text });
  }

  announce(text) {
    find('announcer').textContent = text;
  }

  newChat(text = '') {
    this.chat.show(newConversation());
    this.sidebar.closeDrawer();
    if (text !== '') this.composer.text = text;
    this.composer.focus();
  }

  /** @param {string} [name] of the setting to begin at */
  openSettings(name) {
    this.settingsForm.render();
    openDialog(find('settings'));
    if (name !== undefined) find(`setting-${name}`).focus();
  }

  #createChat() {
    const { answers, conversations, room, settings } = this;
    return new Chat({
      ...{ answers, conversations, room, settings, log: find('log'), scroller: find('scroller'), t: this.language.t },
      announce: (text) => this.announce(text),
      onScroll: (atEnd) => {
        find('to-end').hidden = atEnd || this.chat.isEmpty;
      },
      onChange: () => this.#refresh(),
      onNewChat: (text) => this.newChat(text),
      onSettings: (name) => this.openSettings(name),
      // On a phone the keyboard would cover what has just come.
      onFocusLost: () => matchMedia('(hover: hover)').matches && this.composer.focus(),
    });
  }

  #createModels() {
    return new ModelShelf({
      root: find('models-panel'),
      dialog: find('models'),
      language: this.language,
      settings: this.settings,
      room: this.room,
      rates: this.rates,
      hub: this.hub,
      onUse: (model, how) => this.load(model, how),
      isBusy: () => this.answers.isBusy || this.room.isLoading,
      announce: (text) => this.announce(text),
      onStored: () => this.readouts.checkOffline(),
    });
  }

  #createUnkeptNotice() {
    const { answers, chat, conversations, language } = this;
    const refresh = () => this.#refresh();
    conversations.onUnkept(() => {
      chat.followKept();
      refresh();
    });
    // One that ends where nobody looks is no longer marked as being written.
    answers.onStep(({ phase }) => phase === 'ended' && refresh());
    addEventListener('beforeunload', (event) => conversations.unkept.length > 0 && event.preventDefault());
    return new UnkeptNotice({
      ...{ answers, conversations, t: language.t, tag: () => language.tag },
      currentId: () => chat.conversation.id,
      onOpen: (id) => this.#open(id),
      announce: (text) => this.announce(text),
    });
  }

  #createTransfer() {
    const { conversations, language, loadPanel } = this;
    return new Transfer({
      ...{ conversations, t: language.t },
      announce: (text) => this.announce(text),
      onUnreadable: (heads) => {
        const titles = listTitles(heads, language);
        const error = { code: 'CONVERSATION_UNREADABLE', message: '' };
        this.#tellUnreadable(language.t('announce.exported.without', { titles }), error);
      },
      onImported: () => {
        // What was wrong with another file is over.
        if (find('problem').dataset.code?.startsWith('ARCHIVE_')) loadPanel.closeProblem();
        this.#followKept();
      },
      onRefused: (error) => {
        loadPanel.showProblem(describeProblem(error, language.t));
        // Where the storage is full, some of them are there.
        this.#followKept();
      },
    });
  }

  #createSidebar() {
    const { answers, conversations, settings } = this;
    return new Sidebar({
      ...{ answers, conversations, settings, t: this.language.t },
      tag: () => this.language.tag,
      currentId: () => this.chat.conversation.id,
      onOpen: (id) => this.#open(id),
      onDelete: (id) => {
        answers.discard(id);
        answers.forget(id);
        if (id === this.chat.conversation.id) this.#leave();
        this.composer.forget(id);
      },
      onRename: async (id) => {
        const renamed = await conversations.open(id).catch(() => null);
        const { conversation } = answers.jobOf(id) ?? this.chat;
        if (conversation.id === id && renamed)
          Object.assign(conversation, { title: renamed.title, renamed: renamed.renamed });
        this.#refresh();
      },
      onRefused: (what, error) => {
        const { code, text } = describeProblem(error, this.language.t);
        this.loadPanel.showProblem({ code, text: what, detail: text });
      },
    });
  }

  #listen() {
    const { settings, room, chat, conversations } = this;
    for (const id of ['new-chat', 'new-chat-top']) find(id).addEventListener('click', () => this.newChat());
    for (const id of ['open-models', 'model-button']) find(id).addEventListener('click', () => this.#openModels());
    find('open-settings').addEventListener('click', () => this.openSettings());
    find('open-details').addEventListener('click', () => {
      this.readouts.renderDetails();
      openDialog(find('details'));
    });
    find('to-end').addEventListener('click', () => chat.scrollToEnd());
    find('skip').addEventListener('click', (event) => {
      event.preventDefault();
      this.composer.focus();
    });
    find('settings').addEventListener('close', () => this.#applyEngineSettings());
    settings.onChange((name) => this.#applySetting(name));
    this.language.onChange(() => this.#speakAnew());
    room.onChange(() => this.#refresh({ list: false }));
    conversations.onChangeElsewhere((id) => this.#takeOver(id));
    acceptDrops(find('drop'), {
      onFile: (file) => this.dropped.open(file),
      onUnclear: () => this.dropped.refuse(),
    });
    listenToShortcuts({
      stop: () => chat.stop(),
      isAnswering: () => Boolean(chat.job),
      closeDrawer: () => this.sidebar.closeDrawer(),
      search: () => this.sidebar.focusSearch(),
      newChat: () => this.newChat(),
      settings: () => this.openSettings(),
    });
  }

  async #open(id) {
    const conversation = await this.#read(id);
    if (conversation === null) return this.sidebar.refresh();
    this.sidebar.closeDrawer();
    if (conversation === undefined) return;
    this.chat.show(conversation);
    if (matchMedia('(hover: hover)').matches) this.composer.focus();
  }

  /** A conversation as it is in this page; undefined where it cannot be read, which is said. */
  async #read(id) {
    try {
      return await this.conversations.open(id);
    } catch (error) {
      const heads = await this.conversations.list().catch(() => []);
      const { t } = this.language;
      const title = heads.find((head) => head.id === id)?.title || t('chat.untitled');
      this.#tellUnreadable(t('chat.not-opened', { title }), error);
    }
  }

  #tellUnreadable(text, error) {
    const { code, text: detail } = describeProblem(error, this.language.t);
    this.loadPanel.showProblem({ code, text, detail });
    this.announce(`${text} ${detail}`);
  }

  /** Another tab has changed a conversation, or deleted it. */
  async #takeOver(id) {
    this.sidebar.refresh();
    const { answers, chat, conversations } = this;
    const kept = await conversations.get(id).catch(() => undefined);
    // What is in this page only is not missed elsewhere.
    if (kept === null && conversations.isKept) {
      answers.discard(id);
      answers.forget(id);
    }
    if (id !== chat.conversation.id || chat.isUnkept || kept === undefined) return;
    if (kept === null && conversations.isKept) {
      this.#leave();
      find('missing').hidden = false;
    } else if (kept !== null && !chat.job) chat.takeOver(kept);
  }

  /** What is kept is newer than what is shown, as behind an import. */
  async #followKept() {
    this.sidebar.refresh();
    const { chat, conversations } = this;
    const { id } = chat.conversation;
    const kept = await conversations.get(id).catch(() => null);
    if (kept === null || chat.conversation.id !== id || chat.isUnkept || chat.job) return;
    if ((kept.revision ?? 0) > (chat.conversation.revision ?? 0)) chat.takeOver(kept);
  }

  /** The conversation that is shown was deleted. What was being written for it is not. */
  #leave() {
    const { text } = this.composer;
    this.address.leave();
    this.chat.show();
    if (this.composer.text === '') this.composer.text = text;
  }

  /** Shows what an address names. @param {string | null} id null: a new chat */
  async #moveTo(id) {
    const { chat } = this;
    const shown = chat.conversation;
    // What happens meanwhile must not bring back the address of the one that is still shown.
    this.#moves++;
    const kept = id === null ? null : await this.#read(id);
    this.#moves--;
    // Whoever has gone on meanwhile stays there.
    if (chat.conversation !== shown) this.address.follow(chat.conversation);
    if (this.address.id !== id || chat.conversation !== shown) return;
    if (kept) chat.show(kept);
    else if (id === null) chat.show();
    else this.#leave();
    find('missing').hidden = id === null || kept !== null;
  }

  #openModels() {
    openDialog(find('models'));
    this.models.open();
  }

  #lastModel() {
    const last = this.settings.get('model');
    if (last === null) return INCLUDED_MODEL;
    return 'url' in last ? new URL(last.url) : last;
  }

  /** How to find a model again at the next visit; null: it is the one included, or it is not kept. */
  #placeOf(model, engine) {
    if (isIncluded(model)) return null;
    const { id, kind, state } = engine.info.storage;
    if (state !== 'none') return { stored: id, kind };
    return model instanceof URL ? { url: model.href } : null;
  }

  #applySetting(name) {
    if (name === 'theme') this.#showTheme();
    if (name === 'language') this.language.change(this.#wantedLocale());
  }

  /** What concerns the engine holds from its next start on. */
  #applyEngineSettings() {
    const { room } = this;
    if (room.isOutdated) this.load(room.wanted.model, room.wanted);
  }

  #showTheme() {
    const theme = this.settings.get('theme');
    if (theme === 'auto') delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
  }

  #translate() {
    document.documentElement.lang = this.language.tag;
    this.language.translate(document);
    placeIcons(document);
  }

  #speakAnew() {
    this.#translate();
    this.chat.redraw();
    this.settingsForm.render();
    this.readouts.refresh();
    this.loadPanel.render();
    this.goneNotice.render();
    this.contextNotice.render();
    this.keptNotice.render();
    this.models.render();
    this.transfer.render();
    this.#refresh();
  }

  /** Shows what is different after something has happened. */
  #refresh({ list = true } = {}) {
    const { t } = this.language;
    const { chat, room } = this;
    if (this.#moves === 0) this.address.follow(chat.conversation);
    this.composer.show(Boolean(chat.job));
    this.composer.follow(chat.conversation);
    find('log').classList.toggle('busy', Boolean(chat.job));
    find('title').textContent = chat.conversation.title || t('chat.new');
    document.title = chat.conversation.title ? `${chat.conversation.title} · Nibble` : 'Nibble';
    find('welcome').hidden = !chat.isEmpty;
    if (!chat.isEmpty) find('missing').hidden = true;
    find('new-chat-top').disabled = chat.isEmpty;
    const { engine } = room;
    find('welcome-included').hidden = engine !== null && !isIncluded(room.model);
    find('model-name').textContent = engine?.info.name ?? t(room.isLoading ? 'model.loading' : 'model.none');
    find('model-button').setAttribute('aria-label', t('model.button', { name: find('model-name').textContent }));
    find('model-state').dataset.state = room.isLoading ? 'loading' : engine === null ? 'none' : 'ready';
    this.#showStarters();
    this.readouts.refresh();
    this.updateNotice.render();
    this.unkeptNotice.render();
    if (list) this.sidebar.refresh();
  }

  #showStarters() {
    const list = find('starters');
    if (list.childElementCount > 0) return;
    const made = STARTERS.map((text) => {
      const click = () => this.chat.send(text);
      return make('li', {}, make('button', { type: 'button', lang: 'en', on: { click } }, text));
    });
    list.append(...made);
  }
}

/** Promise.withResolvers(), which browsers have only lately. */
function withResolvers() {
  let resolve;
  const promise = new Promise((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}

await new App().start();
