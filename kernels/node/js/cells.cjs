'use strict';
// Rewrites the source of a cell for V8's REPL mode, so that names can be declared again, also as another kind.
//
// V8 accepts only `let` after `let` and `const` after `const`. So a cell's `const` becomes `let`
// (as wide, with two spaces: columns stay), and a name that is a variable or function of an earlier cell is assigned.
const vm = require('node:vm');

const MAY_DECLARE = /\b(?:const|let|class|function|var)\b/;
let parser = null;

// Load what prepare(code) needs. To be called outside guard(): a module whose loading an interrupt ended stays half loaded.
function getReady(code) {
  if (parser === null && MAY_DECLARE.test(code)) parser = require('internal/deps/acorn/acorn/dist/acorn'); // --expose-internals: Node's own, for its own REPL
}

// The declarations at the top level of *code*, or null if only V8 can parse it.
function parse(code) {
  try {
    return parser.parse(code, { ecmaVersion: 'latest', allowAwaitOutsideFunction: true, allowReturnOutsideFunction: true }).body;
  } catch {
    return null;
  }
}

// *code* with edits: {start, end, text}, in any order.
function edited(code, edits) {
  let text = code;
  for (const edit of edits.sort((one, other) => other.start - one.start)) text = text.slice(0, edit.start) + edit.text + text.slice(edit.end);
  return text;
}

// *isVariable(name)*: an earlier cell made it by var, function or assignment. *isLexical(name)*: by let, const or class.
function prepare(code, isVariable, isLexical) {
  const statements = MAY_DECLARE.test(code) ? parse(code) : null;
  if (statements === null) return asExpression(code);
  const edits = [];
  for (const statement of statements) {
    switch (statement.type) {
      case 'VariableDeclaration':
        edits.push(...variableEdits(statement, isVariable, isLexical));
        break;
      case 'ClassDeclaration':
        if (isVariable(statement.id.name)) edits.push({ start: statement.start, end: statement.start, text: `${statement.id.name} = ` });
        break;
      case 'FunctionDeclaration':
        if (isLexical(statement.id.name)) edits.push({ start: statement.start, end: statement.start, text: `${statement.id.name} = ` });
        break;
    }
  }
  const last = statements.at(-1);
  const isAssigned = last && edits.some((edit) => edit.start === last.start && edit.text.trim() !== 'let');
  return edited(code, edits) + (isAssigned ? '\n;undefined' : ''); // a declaration has no value
}

function variableEdits(statement, isVariable, isLexical) {
  const { kind, declarations, start } = statement;
  const clashes = kind === 'var' ? isLexical : isVariable;
  if (!declarations.every(({ id }) => id.type === 'Identifier') || !declarations.some(({ id }) => clashes(id.name))) {
    return kind === 'const' ? [{ start, end: start + 5, text: 'let  ' }] : [];
  }
  const bare = declarations.filter(({ init }) => !init).map(({ id }) => ({ start: id.end, end: id.end, text: ' = undefined' }));
  return [{ start, end: start + kind.length, text: ' '.repeat(kind.length) }, ...bare];
}

// Whether the source looks like a block but is an object, as in `{a: 1}`.
function asExpression(code) {
  if (!/^\s*\{/.test(code) || /;\s*$/.test(code)) return code;
  try {
    new vm.Script(`(async () => (${code}\n))`);
    return `(${code}\n)`;
  } catch {
    return code;
  }
}

module.exports = { getReady, prepare };
