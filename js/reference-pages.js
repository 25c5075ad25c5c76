// TypeDoc, told what the reference is to be. Imported by reference.js alone, once the packages are installed.
import { Application, Logger, LogLevel } from 'typedoc';
import { NAME, useTheme } from './reference-theme.js';

// Each kind of thing that a program meets.
const DOCUMENTED = [
  ...['Class', 'Interface', 'TypeAlias', 'Function', 'Variable', 'Enum', 'EnumMember'],
  ...['Constructor', 'Property', 'Method', 'Accessor', 'CallSignature', 'Parameter'],
];

/** @type {Partial<import('typedoc').TypeDocOptions>} */
const OPTIONS = {
  name: 'Nibble',
  theme: NAME,
  plugin: [],
  disableSources: true,
  disableGit: true,
  hideGenerator: true,
  githubPages: false,
  includeHierarchySummary: false,
  searchInComments: true,
  excludeInternal: true,
  excludePrivate: true,
  visibilityFilters: {},
  sort: ['source-order'],
  navigation: { includeGroups: true },
  groupOrder: ['Functions', 'Interfaces', 'Classes', 'Variables', 'Type Aliases'],
  lightHighlightTheme: 'github-light',
  darkHighlightTheme: 'github-dark',
  validation: { notExported: true, invalidLink: true, invalidPath: true, notDocumented: true },
  requiredToBeDocumented: /** @type {any} */ (DOCUMENTED),
};

class WarningList extends Logger {
  /** @type {string[]} */
  warnings = [];

  /** @param {string} message @param {LogLevel} level @override */
  log(message, level) {
    super.log(message, level);
    if (level >= LogLevel.Warn) this.warnings.push(message);
  }
}

/**
 * Makes the pages.
 * @param {{ tsconfig: string, entryPoints: string[], out: string, readme: string, favicon: string }} places
 * @returns {Promise<{ warnings: string[], isMade: boolean }>} `warnings`: what is not described, or links to nothing
 */
export async function makePages(places) {
  const app = await Application.bootstrap({ ...OPTIONS, ...places });
  const logger = new WarningList();
  app.logger = logger;
  useTheme(app);
  const project = await app.convert();
  if (project) {
    app.validate(project);
    await app.generateOutputs(project);
  }
  return { warnings: logger.warnings, isMade: project !== undefined && !logger.hasErrors() };
}
