// The page: it makes the parts and joins them. It knows the library by its public entry only.

import { showTheme, translate, wantedLocale } from './appearance.js';
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
import { DeletedModelNotice } from './engine/deleted-model-notice.js';
import { EngineRoom } from './engine/engine-room.js';
import { LoadPanel } from './engine/load-panel.js';
import { describeOutcome, describeProblem } from './engine/problem.js';
import { ReadRates } from './engine/read-rates.js';
import { ContextNotice } from './engine/warning-notice.js';
import { showHeadline } from './headline.js';
import { modelAt, placeOf } from './last-model.js';
import { HubAccess } from './models/hub-access.js';
import { KeptNotice } from './models/kept-notice.js';
import { ModelShelf } from './models/shelf.js';
import { Navigation } from './navigation.js';
import { Offline } from './offline/registration.js';
import { UpdateNotice } from './offline/update-notice.js';
import { SettingsForm } from './settings/form.js';
import { tellUnkeptSettings } from './settings/notice.js';
import { Settings } from './settings/settings.js';
import { Readouts } from './status/readouts.js';
import { openDialog } from './ui/dialog.js';
import { breathe, find, hovers } from './ui/dom.js';
import { Language } from './ui/i18n.js';
import { ProblemNotice } from './ui/problem-notice.js';
import { listenToShortcuts } from './ui/shortcuts.js';

/** @typedef {import('./engine/engine-room.js').Model} Model */
/** @typedef {import('./settings/settings.js').SettingName} SettingName */

/**
 * @typedef {object} Beginning what is there before all else
 * @property {Settings} settings
 * @property {HubAccess} hub
 * @property {EngineRoom} room
 * @property {Language} language
 * @property {Address} address
 * @property {Composer} composer
 */

class App {
  rates = new ReadRates();
  problems = new ProblemNotice();

  /** @param {Beginning} beginning @param {import('./conversations/conversations.js').Conversations} conversations */
  constructor({ settings, hub, room, language, address, composer }, conversations) {
    const { t } = language;
    this.settings = settings;
    this.hub = hub;
    this.room = room;
    this.language = language;
    this.address = address;
    this.composer = composer;
    this.conversations = conversations;
    this.answers = new Answers(room, settings, conversations);
    // Before the chat, which has all read-outs shown anew when an answer ends: they know by then what it has told.
    const offline = new Offline({
      onState: () => this.readouts.refresh(),
      onUpdate: () => this.updateNotice.offer(),
      untilPause: () => composer.untilPause(),
    });
    this.readouts = this.#createReadouts(offline);
    this.chat = this.#createChat();
    this.sidebar = this.#createSidebar();
    this.loadPanel = new LoadPanel(room, t, this.problems, {
      onCancelled: () => composer.focus(),
      onSettings: () => this.openSettings('memoryBudget'),
    });
    this.navigation = this.#createNavigation();
    this.updateNotice = new UpdateNotice({ offline, t, isBusy: () => this.answers.isBusy || room.isLoading });
    this.unkeptNotice = this.#createUnkeptNotice();
    this.deletedModelNotice = new DeletedModelNotice({ settings, room, t });
    this.contextNotice = new ContextNotice(room, settings, t);
    this.answers.onStep((job) => job.phase === 'ended' && this.contextNotice.take(job));
    tellUnkeptSettings(settings, { t, announce: (text) => this.announce(text) });
    this.keptNotice = new KeptNotice(t, { onModels: () => this.#openModels() });
    this.models = this.#createModels();
    this.transfer = this.#createTransfer();
    this.dropped = new DroppedFile({
      ...{ room, settings, t, transfer: this.transfer, problems: this.problems },
      onLoad: (file) => this.#loadOther(file),
      onKept: (kept) => this.keptNotice.tell(kept),
      announce: (text) => this.announce(text),
    });
    this.settingsForm = new SettingsForm(settings, t, {
      store: () => this.readouts.describeStores(),
      contextSize: () => [t('settings.contextSize.help'), this.contextNotice.text].join(' ').trim(),
    });
  }

  /** Resolves when the reader can write. */
  async open() {
    const { conversations } = this;
    this.#listen();
    const notKept = find('not-kept');
    notKept.hidden = conversations.isKept;
    conversations.onLost(() => {
      const text = this.language.t('sidebar.lost');
      notKept.dataset.t = 'sidebar.lost';
      notKept.textContent = text;
      notKept.hidden = false;
      this.announce(text);
    });
    await breathe();
    await this.navigation.moveTo(this.address.id);
  }

  /** The model comes when the page will not be loaded anew any more. */
  async loadFirst() {
    this.sidebar.refresh();
    if (hovers()) this.composer.focus();
    await this.readouts.settled;
    await this.#load(modelAt(this.settings.get('model')));
  }

  /** @param {Model} model @param {{ keeps?: boolean }} [how] as the room takes it */
  load(model, how) {
    this.dropped.forget();
    // What was wrong with another file is over.
    this.problems.close('file', 'oddity');
    return this.#loadOther(model, how);
  }

  /** @param {Model} model @param {{ keeps?: boolean }} [how] */
  #loadOther(model, how) {
    this.keptNotice.tell(null);
    return this.#load(model, how);
  }

  /** @param {Model} model @param {{ keeps?: boolean }} [how] */
  async #load(model, how) {
    this.problems.close('storage');
    await this.room.load(model, how);
    const { engine, problem, keeps, model: loaded } = this.room;
    if (problem !== null || engine === null) return;
    if (keeps) this.settings.set('model', placeOf(loaded, engine));
    const { t } = this.language;
    this.announce(t('announce.ready'));
    this.answers.tidy(engine);
    const { storage, name } = engine.info;
    if (storage.problem === null) return;
    this.problems.tell('storage', () => describeOutcome(t('problem.not-stored', { name }), storage.problem, t));
  }

  /** @param {string} text */
  announce(text) {
    find('announcer').textContent = text;
  }

  newChat(text = '') {
    this.chat.show(newConversation());
    this.sidebar.closeDrawer();
    if (text !== '') this.composer.text = text;
    this.composer.focus();
  }

  /** @param {SettingName} [name] of the setting to begin at */
  openSettings(name) {
    this.settingsForm.render();
    openDialog(find('settings', 'dialog'));
    if (name !== undefined) find(`setting-${name}`).focus();
  }

  /** @returns {Chat} */
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
      onFocusLost: () => hovers() && this.composer.focus(),
    });
  }

  #createNavigation() {
    const { address, answers, chat, composer, conversations, problems, sidebar } = this;
    return new Navigation({
      ...{ address, answers, chat, composer, conversations, problems, sidebar, t: this.language.t },
      announce: (text) => this.announce(text),
    });
  }

  /** @param {Offline} offline @returns {Readouts} */
  #createReadouts(offline) {
    const { answers, room, rates, settings } = this;
    return new Readouts({
      ...{ room, settings, answers, offline, rates, t: this.language.t },
      isStored: (info) => this.models.has(info),
      current: () => this.chat.conversation,
    });
  }

  #createModels() {
    return new ModelShelf({
      root: find('models-panel'),
      dialog: find('models', 'dialog'),
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
      onOpen: (id) => this.navigation.open(id),
      announce: (text) => this.announce(text),
    });
  }

  #createTransfer() {
    const { conversations, language, problems } = this;
    return new Transfer({
      ...{ conversations, t: language.t },
      announce: (text) => this.announce(text),
      onExported: (unreadable) => {
        problems.close('export');
        if (unreadable.length === 0) return this.announce(language.t('announce.exported'));
        const say = () => language.t('announce.exported.without', { titles: listTitles(unreadable, language) });
        const error = { code: 'CONVERSATION_UNREADABLE', message: '' };
        this.navigation.tellUnreadable('export', say, error);
      },
      onNotExported: (error) =>
        problems.tell('export', () => describeOutcome(language.t('announce.exported.not'), error, language.t)),
      onImported: () => {
        // What was wrong with another file is over.
        problems.close('import');
        this.navigation.followKept();
      },
      onRefused: (error) => {
        problems.tell('import', () => describeProblem(error, language.t));
        // Where the storage is full, some of them are there.
        this.navigation.followKept();
      },
    });
  }

  /** @returns {Sidebar} */
  #createSidebar() {
    const { answers, conversations, language, problems, settings } = this;
    return new Sidebar({
      ...{ answers, conversations, settings, t: language.t },
      tag: () => language.tag,
      currentId: () => this.chat.conversation.id,
      onOpen: (id) => this.navigation.open(id),
      onDelete: (id) => {
        answers.discard(id);
        answers.forget(id);
        if (id === this.chat.conversation.id) this.navigation.leave();
        this.composer.forget(id);
        this.chat.forget(id);
      },
      onRename: async (id) => {
        await this.navigation.followName(id);
        this.#refresh();
      },
      onRefused: (say, error) => problems.tell('conversation', () => describeOutcome(say(), error, language.t)),
    });
  }

  #listen() {
    const { settings, room, chat, conversations } = this;
    for (const id of ['new-chat', 'new-chat-top']) find(id).addEventListener('click', () => this.newChat());
    for (const id of ['open-models', 'model-button']) find(id).addEventListener('click', () => this.#openModels());
    find('open-settings').addEventListener('click', () => this.openSettings());
    find('open-details').addEventListener('click', () => {
      this.readouts.renderDetails();
      openDialog(find('details', 'dialog'));
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
    conversations.onChangeElsewhere((id) => this.navigation.takeOver(id));
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

  #openModels() {
    openDialog(find('models', 'dialog'));
    this.models.open();
  }

  /** @param {SettingName} name */
  #applySetting(name) {
    if (name === 'theme') showTheme(this.settings);
    if (name === 'language') this.language.change(wantedLocale(this.settings));
  }

  /** What concerns the engine holds from its next start on. */
  #applyEngineSettings() {
    const { isOutdated, wanted } = this.room;
    if (isOutdated && wanted.model !== null) this.#load(wanted.model, wanted);
  }

  #speakAnew() {
    translate(this.language);
    this.chat.redraw();
    this.settingsForm.redraw();
    this.readouts.refresh();
    this.loadPanel.render();
    this.deletedModelNotice.render();
    this.contextNotice.render();
    this.keptNotice.render();
    this.models.render();
    this.transfer.render();
    this.#refresh();
  }

  /** Shows what is different after something has happened. */
  #refresh({ list = true } = {}) {
    const { chat } = this;
    if (!this.navigation.isMoving) this.address.follow(chat.conversation);
    this.composer.show(Boolean(chat.job));
    this.composer.follow(chat.conversation);
    find('log').classList.toggle('busy', Boolean(chat.job));
    showHeadline(chat, this.room, this.language.t);
    this.readouts.refresh();
    this.updateNotice.render();
    this.unkeptNotice.render();
    if (list) this.sidebar.refresh();
  }
}

/** Begins with what is seen first and written into. Whoever is quick has written before the rest is there. */
async function start() {
  const settings = new Settings();
  const hub = new HubAccess();
  const room = new EngineRoom(settings, hub);
  const language = new Language(wantedLocale(settings));
  translate(language);
  showTheme(settings);
  /** @type {App | null} */
  let app = null;
  /** @type {(app: App) => void} */
  let begin = () => {};
  /** @type {Promise<App>} */
  const begun = new Promise((resolve) => {
    begin = resolve;
  });
  const address = new Address((id) => app?.navigation.moveTo(id));
  const composer = new Composer({
    id: address.id,
    onSend: async (text) => (await begun).chat.send(text),
    onStop: () => app?.chat.stop(),
    onEditLast: () => app?.chat.editLast(),
  });
  // Whoever was writing when the page was loaded anew goes on.
  if (hovers()) composer.focus();
  await breathe();
  const conversations = await openConversations();
  await breathe();
  app = new App({ settings, hub, room, language, address, composer }, conversations);
  await breathe();
  await app.open();
  begin(app);
  await app.loadFirst();
}

await start();
