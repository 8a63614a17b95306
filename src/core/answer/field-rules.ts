/**
 * What an operator says of single fields of JSON answers: that the value is free, that the order of a list does not
 * matter, that a number is compared after rounding, or that a text is written. Rules are never guessed. With them
 * agreement stays an equivalence, because each replaces a value by what is compared; a distance between two numbers
 * would not be one.
 */
import { AppError } from '../../errors.ts'
import { canonicalJson, doubleOf } from '../json.ts'
import { parseJson } from '../../openai/fields.ts'

/**
 * `free`: any value; whether the field is there is still compared. `set`: the items of a list in any order, each as
 * often as in the other. `rounded`: two numbers agree if their nearest multiples of `to` are equal. `written`: a judge
 * compares the texts (`written-fields.ts`); agreement itself stays equality.
 */
export type FieldKind =
  { kind: 'free' } | { kind: 'set' } | { kind: 'rounded'; to: number } | { kind: 'written' }

export const FIELD_KINDS: readonly FieldKind['kind'][] = ['free', 'set', 'rounded', 'written']

export interface FieldRule {
  /** `order.items[].sku`; `.` is the whole answer (`pathWithin`) */
  path: string
  rule: FieldKind
  /** `admin` or `cli` */
  by: string
  /** in the words of the person who decided */
  why: string
  /** milliseconds since the epoch */
  at: number
}

/** UTF-16 units of a path. */
export const MAX_PATH_CHARS = 200
/** Of one template: each is a walk through every answer. */
export const MAX_FIELD_RULES = 50

/** Names of members; null for all items of a list. */
type Path = readonly (string | null)[]

/** What needs no quotes in a path. */
const PLAIN_NAME = String.raw`[^\s.[\]"\\\p{C}]+`
const IS_PLAIN = new RegExp(`^${PLAIN_NAME}$`, 'u')
const STEP = new RegExp(String.raw`\[\]|\[("(?:[^"\\]|\\.)*")\]|(\.?)(${PLAIN_NAME})`, 'uy')

/**
 * Path of a member, or of all items of a list, within the value at another path: names with dots, brackets, quotes
 * or blanks are JSON in brackets.
 * @param name null for the items
 */
export const pathWithin = (path: string, name: string | null): string => {
  const outer = path === '.' ? '' : path
  if (name === null) return `${outer}[]`
  if (!IS_PLAIN.test(name)) return `${outer}[${JSON.stringify(name)}]`
  return outer === '' ? name : `${outer}.${name}`
}

/** @returns null where the text is no path */
const parsedPath = (text: string): Path | null => {
  if (text === '.') return []
  const path: (string | null)[] = []
  for (let at = 0; at < text.length || at === 0; at = STEP.lastIndex) {
    STEP.lastIndex = at
    const found = STEP.exec(text)
    if (found === null) return null
    const [, quoted, dot, plain] = found
    // a dot stands before each plain name but the first
    if (plain !== undefined && (at === 0) !== (dot === '')) return null
    const name = quoted === undefined ? (plain ?? null) : (parseJson(quoted) as string | null)
    if (name === null && quoted !== undefined) return null
    path.push(name)
  }
  return path
}

const invalid = (message: string, param: string): AppError =>
  new AppError('invalid-request', message, { param })

/** The path as it is stored; null where the text is none. */
const storedPath = (text: string): string | null => {
  const stored = parsedPath(text)?.reduce(pathWithin, '.') ?? null
  return stored === null || stored.length > MAX_PATH_CHARS ? null : stored
}

/** @returns the path as it is stored @throws AppError `invalid-request` */
export const checkedPath = (text: string): string => {
  const stored = storedPath(text)
  if (stored === null)
    throw invalid(
      `a path has at most ${MAX_PATH_CHARS} characters and is written like order.id, items[].sku, tags or ["a.b"].c; ` +
        'the whole answer is written as a dot',
      'path'
    )
  return stored
}

/** @returns the fault of a rule for a stored path; null: it has none */
const ruleFault = (path: string, rule: FieldKind): string | null => {
  if (rule.kind === 'free' && path === '.')
    return 'the whole answer cannot be free: nothing would be promised'
  if (rule.kind === 'written' && path === '.')
    return 'a written field is a text within the answer: name its path'
  if (rule.kind === 'rounded' && !(rule.to > 0 && Number.isFinite(rule.to)))
    return 'a number is rounded to multiples of a number above 0'
  return null
}

/** @returns path and rule as they are stored @throws AppError `invalid-request` */
export const checkedRule = (path: string, rule: FieldKind): Pick<FieldRule, 'path' | 'rule'> => {
  const stored = checkedPath(path)
  const fault = ruleFault(stored, rule)
  if (fault !== null) throw invalid(fault, 'rule')
  return { path: stored, rule }
}

/** Whether a rule, such as one of a file, is one that a person can have set. */
export const isSettable = ({ path, rule, why }: FieldRule): boolean =>
  storedPath(path) === path && ruleFault(path, rule) === null && why.trim() !== ''

/** Begins what a rule puts in the place of a value: half a character, which no value of `parseExactJson` has. */
const MARK = '\ud801'

/** In the place of a list or of a text. A new one each time, so that its place can be found again. */
export const marked = (items: readonly unknown[] = []): unknown[] => [MARK, ...items]

/** Whether a rule has put it there: it is compared as a whole. */
export const isMarked = (value: unknown): boolean => Array.isArray(value) && value[0] === MARK

/** A number without a nearest multiple that a double can count stays as it is. */
const roundedTo = (value: unknown, to: number): unknown => {
  const number = doubleOf(value)
  const multiple = number === null ? NaN : Math.round(number / to)
  return Number.isSafeInteger(multiple) ? `${MARK}${multiple}` : value
}

/** Items by what they are in JSON; equal ones keep their order. */
const sorted = (items: readonly unknown[]): unknown[] =>
  items
    .map((item) => ({ item, json: canonicalJson(item) }))
    .sort((a, b) => (a.json < b.json ? -1 : Number(a.json > b.json)))
    .map(({ item }) => item)

/** In the place of a value; a value of another type than the rule's stays. */
const compared = (value: unknown, rule: FieldKind): unknown => {
  switch (rule.kind) {
    case 'free':
      return MARK
    case 'set':
      return Array.isArray(value) ? marked(sorted(value)) : value
    case 'rounded':
      return roundedTo(value, rule.to)
    case 'written':
      return value
  }
}

type Holder = Record<string | number, unknown>

type Replace = (value: unknown) => unknown

/** Replaces in place what stands at the path's places, from the step `at` on. */
const replaceAt = (holder: Holder, key: string | number, path: Path, replace: Replace): void => {
  const [step, ...rest] = path
  const value = holder[key]
  if (step === undefined) holder[key] = replace(value)
  else if (typeof value !== 'object' || value === null) return
  else if (step === null) {
    // the mark is no item
    if (Array.isArray(value))
      for (const at of value.keys())
        if (value[at] !== MARK) replaceAt(value as never, at, rest, replace)
  } else if (!Array.isArray(value) && Object.hasOwn(value, step))
    replaceAt(value as Holder, step, rest, replace)
}

/**
 * Applies rules to a parsed answer, which it changes. Inner fields come first: items of a set are sorted by what is
 * compared of them.
 * @returns what is compared
 */
export const applyRules = (answer: unknown, rules: readonly FieldRule[]): unknown => {
  const holder: Holder = { answer }
  const walks = rules.map(({ path, rule }) => ({ path: parsedPath(path) ?? [], rule }))
  for (const { path, rule } of walks.toSorted((a, b) => b.path.length - a.path.length))
    replaceAt(holder, 'answer', path, (value) => compared(value, rule))
  return holder['answer']
}

/** The rules that name the fields that a judge compares; none: it compares no field by itself. */
export const writtenRules = (rules: readonly FieldRule[] = []): FieldRule[] =>
  rules.filter(({ rule }) => rule.kind === 'written')

/**
 * Visits what stands at the places of the fields of one kind, in the order of the rules and of the answer, which it
 * changes.
 * @param replace gets a value and the path of its rule, and returns what is to stand there
 */
export const replaceFields = (
  kind: FieldKind['kind'],
  answer: unknown,
  rules: readonly FieldRule[],
  replace: (value: unknown, path: string) => unknown
): unknown => {
  const holder: Holder = { answer }
  for (const { path, rule } of rules)
    if (rule.kind === kind)
      replaceAt(holder, 'answer', parsedPath(path) ?? [], (value) => replace(value, path))
  return holder['answer']
}

/** `rounded to 0.01` */
export const ruleText = (rule: FieldKind): string =>
  rule.kind === 'rounded' ? `rounded to ${rule.to}` : rule.kind

/** `order.id free`, of each rule */
export const ruleNames = (rules: readonly FieldRule[]): string[] =>
  rules.map(({ path, rule }) => `${path} ${ruleText(rule)}`)
