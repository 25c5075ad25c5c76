// What goes wrong in a template.

/** The template is wrong, or cannot do what it wants to do with these values. The message is a sentence's second half. */
export class TemplateError extends Error {}

/** A template's own raise_exception(). */
export class RaisedError extends Error {}

/** A bound was hit. The message completes "the template ...". */
export class LimitError extends Error {}
