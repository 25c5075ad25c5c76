// What a template is parsed into. There is no code here: each kind of node, and what it consists of.

/** @typedef {import('./values.js').Value} Value */
/** @typedef {Extract<import('./lexer.js').Token, { value: number }>} NumberToken */

/**
 * @typedef {object} Arguments of a call, a filter or a test
 * @property {Expression[]} positional
 * @property {{ name: string, value: Expression }[]} named
 * @property {Expression | null} list what stands behind `*`
 * @property {Expression | null} mapping what stands behind `**`
 *
 * @typedef {{ name: string, fallback: Expression | null }} Parameter of a macro
 *
 * @typedef {object} Signature a macro, or the body of a call block
 * @property {string} name
 * @property {Parameter[]} parameters
 * @property {Statement[]} body
 * @property {boolean} takesCaller its body has the special name `caller`
 * @property {boolean} takesMore its body has `varargs`
 * @property {boolean} takesOther its body has `kwargs`
 *
 * @typedef {object} ExpressionParts
 * @property {{ value: Value }} Constant
 * @property {{ number: NumberToken }} Number
 * @property {{ name: string }} Name
 * @property {{}} Piped what a block wrote, for its filters
 * @property {{ items: Expression[] }} List
 * @property {{ items: Expression[] }} Tuple
 * @property {{ entries: { key: Expression, value: Expression }[] }} Dict
 * @property {{ test: Expression, value: Expression, otherwise: Expression | null }} Conditional
 * @property {{ left: Expression, right: Expression }} Or
 * @property {{ left: Expression, right: Expression }} And
 * @property {{ value: Expression }} Not
 * @property {{ first: Expression, rest: { operator: string, value: Expression }[] }} Compare
 * @property {{ operator: string, left: Expression, right: Expression }} Binary
 * @property {{ parts: Expression[] }} Concat
 * @property {{ sign: string, value: Expression }} Sign
 * @property {{ object: Expression, name: string }} Attribute
 * @property {{ object: Expression, key: Expression }} Item
 * @property {{ start: Expression | null, stop: Expression | null, step: Expression | null }} Slice
 * @property {{ callee: Expression } & Arguments} Call
 * @property {{ value: Expression, name: string } & Arguments} Filter
 * @property {{ value: Expression, name: string } & Arguments} Test
 *
 * @typedef {object} StatementParts
 * @property {{ value: string }} Data
 * @property {{ value: Expression }} Print
 * @property {{ branches: { test: Expression, body: Statement[] }[], otherwise: Statement[] }} If
 * @property {Loop} For
 * @property {{}} Break
 * @property {{}} Continue
 * @property {{ target: Target, value: Expression }} Set
 * @property {{ target: Target, value: Expression, body: Statement[] }} SetBlock
 * @property {{ value: Expression, body: Statement[] }} FilterBlock
 * @property {{ assignments: { target: Target, value: Expression }[], body: Statement[] }} With
 * @property {{ body: Statement[] }} Scope
 * @property {{ isScoped: boolean, body: Statement[] }} Block
 * @property {Signature} Macro
 * @property {Signature & { call: NodeOf<'Call'> }} CallBlock
 *
 * @typedef {object} Loop
 * @property {Target} target
 * @property {Expression} iterable
 * @property {Expression | null} test
 * @property {boolean} isRecursive
 * @property {Statement[]} body
 * @property {Statement[]} otherwise
 *
 * @typedef {object} TargetParts
 * @property {{ name: string, attribute: string }} NamespaceTarget
 *
 * @typedef {ExpressionParts & StatementParts & TargetParts} Parts
 */

/** @template {keyof Parts} Kind @typedef {{ kind: Kind, line: number } & Parts[Kind]} NodeOf */

/** @typedef {{ [Kind in keyof ExpressionParts]: NodeOf<Kind> }[keyof ExpressionParts]} Expression */
/** @typedef {{ [Kind in keyof StatementParts]: NodeOf<Kind> }[keyof StatementParts]} Statement */

/**
 * @typedef {NodeOf<'Name'> | NodeOf<'NamespaceTarget'> | { kind: 'Tuple' | 'List', line: number, items: Target[] }} Target
 *   what a value can be assigned to
 */
