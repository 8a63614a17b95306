/**
 * One text for all spellings of a SQL statement: PostgreSQL's own parser reads it, and what is compared is its parse
 * tree without the places of words. Gone are the case of keywords and of bare names, blanks, optional words (`AS`,
 * `INNER`, `OUTER`, `ASC`), parentheses that change nothing, and `!=` for `<>`. Order stays everywhere. What other
 * databases may read differently has no form (`docs/decisions/2026-12-01-statements-by-their-tree.md`). The parser is
 * WebAssembly of 1.7 MB, so it is loaded where a plan compares statements, and never by a proxy.
 */
import { AppError } from '../../../errors.ts'
import { MARK, markedNames } from './marked-names.ts'

type Parse = (sql: string) => { stmts?: unknown }

let parse: Parse | null = null

/** Needed before `sqlForm`; loads once. */
export const loadSqlParser = async (): Promise<void> => {
  if (parse !== null) return
  const { loadModule, parseSync } = await import('libpg-query')
  await loadModule()
  parse = parseSync
}

/** Levels of the tree, several for each level of the statement. */
const MAX_DEPTH = 400

type Tree = Record<string, unknown>

const isTree = (value: unknown): value is Tree =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** The only member of a node of the parser, which is its type. */
const nodeOf = (value: unknown): [type: string, node: Tree] | null => {
  const [entry] = isTree(value) ? Object.entries(value) : []
  return entry !== undefined && isTree(entry[1]) ? [entry[0], entry[1]] : null
}

const operatorOf = ({ name }: Tree): unknown => {
  const [first, ...others] = Array.isArray(name) ? name : []
  const string = nodeOf(first)
  return others.length === 0 ? string?.[1].sval : undefined
}

const ARITHMETIC = new Set<unknown>(['+', '-', '*', '/', '%'])
const COMPARISONS = new Set<unknown>(['=', '<>', '<', '>', '<=', '>='])
const TESTS = new Set(['NullTest', 'BooleanTest', 'BoolExpr'])

/** Of a comparison within a comparison, databases read `a = b IS NULL` and `a = b LIKE c` differently. */
const isComparison = (value: unknown): boolean => {
  if (Array.isArray(value)) return value.some(isComparison)
  const [type = '', node = {}] = nodeOf(value) ?? []
  if (type === 'List') return isComparison(node.items)
  if (TESTS.has(type)) return true
  if (type === 'A_Expr') return node.kind !== 'AEXPR_OP' || !ARITHMETIC.has(operatorOf(node))
  return type === 'SubLink' && node.testexpr !== undefined
}

const setOperation = (value: unknown): unknown =>
  isTree(value) && value.op !== 'SETOP_NONE' ? value.op : null

/** Whether databases may read the text of a node as different trees, so that parentheses could change its meaning. */
const isUnlike = (type: string, node: Tree): boolean => {
  switch (type) {
    case 'A_Expr': {
      const operator = operatorOf(node)
      if (node.kind === 'AEXPR_OP' && ARITHMETIC.has(operator)) return false
      if (node.kind === 'AEXPR_OP' && !COMPARISONS.has(operator)) return true
      return [node.lexpr, node.rexpr].some(isComparison)
    }
    case 'NullTest':
    case 'BooleanTest':
      return isComparison(node.arg)
    case 'SubLink':
      return isComparison(node.testexpr)
    case 'SelectStmt': {
      const arms = [node.larg, node.rarg].map(setOperation)
      if (arms.some((arm) => arm !== null && arm !== node.op)) return true
      const from = Array.isArray(node.fromClause) ? node.fromClause : []
      return from.length > 1 && from.some((item) => nodeOf(item)?.[0] === 'JoinExpr')
    }
    default:
      return false
  }
}

/** Places of words in the text. */
const PLACES = new Set([
  'location',
  'stmt_location',
  'stmt_len',
  'list_start',
  'list_end',
  'rexpr_list_start',
  'rexpr_list_end',
])

const UNREADABLE = Symbol('unreadable')

/** Arms of a set operation are selects without the name of their type. */
const typeOf = (key: string, node: Tree): string => ('limitOption' in node ? 'SelectStmt' : key)

const isBareColumn = (key: string, value: unknown): boolean =>
  key === 'ColumnRef' && isTree(value) && Array.isArray(value.fields) && value.fields.length === 1

/** Without places, with `ASC` as the default that it is. @throws UNREADABLE where databases may differ, or too deep */
const plainTree = (value: unknown, depth: number, keepsMark: boolean): unknown => {
  if (depth > MAX_DEPTH) throw UNREADABLE
  if (typeof value === 'string') return keepsMark ? value : value.replaceAll(MARK, '')
  if (Array.isArray(value)) return value.map((item) => plainTree(item, depth + 1, keepsMark))
  if (!isTree(value)) return value
  const plain: Tree = {}
  for (const [key, member] of Object.entries(value)) {
    if (PLACES.has(key)) continue
    if (isTree(member) && isUnlike(typeOf(key, member), member)) throw UNREADABLE
    plain[key] =
      key === 'sortby_dir' && member === 'SORTBY_ASC'
        ? 'SORTBY_DEFAULT'
        : plainTree(member, depth + 1, keepsMark || isBareColumn(key, member))
  }
  return plain
}

/**
 * Equal for two statements exactly where PostgreSQL reads the same tree from them.
 * @param sql without comments, escapes and `$`
 * @returns null: the parser cannot read it, another database may read it differently, or it is too long or too deep
 * @throws AppError `internal` before `loadSqlParser`
 */
export const sqlForm = (sql: string): string | null => {
  if (parse === null)
    throw new AppError('internal', 'statements are compared before their parser is loaded')
  const text = markedNames(sql)
  if (text === null) return null
  try {
    const { stmts } = parse(text)
    return Array.isArray(stmts) ? `sql ${JSON.stringify(plainTree(stmts, 0, false))}` : null
  } catch {
    // what the parser refuses is compared as text
    return null
  }
}
