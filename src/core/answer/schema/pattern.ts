/**
 * Regular expressions of callers, and checks for the values of `format`. RE2 runs them in time linear in the text; JavaScript's own engine
 * can take exponential time. A pattern that RE2 cannot express (lookaround, back references), or
 * reads differently from JavaScript, is refused.
 */
import { RE2JS } from 're2js'
import { AppError } from '../../../errors.ts'
import formatsOfAjv from 'ajv-formats'

/** OpenAI, "Structured model outputs", supported properties of strings. */
const NAMES = [
  'date-time',
  'time',
  'date',
  'duration',
  'email',
  'hostname',
  'ipv4',
  'ipv6',
  'uuid',
] as const

/** Longer texts never fit; some of the expressions take time quadratic in the length. */
const MAX_FORMAT_CHARS = 1024

type FormatTest = (text: string) => boolean

const testOf = (name: (typeof NAMES)[number]): FormatTest => {
  const format = formatsOfAjv.default.get(name, 'full')
  if (format instanceof RegExp) return (text) => format.test(text)
  const validate = typeof format === 'object' && 'validate' in format ? format.validate : null
  if (typeof validate !== 'function') throw new AppError('internal', `no format ${name}`)
  return (text) => (validate as FormatTest)(text)
}

/** name → test of a text */
export const FORMATS: Readonly<Record<string, FormatTest>> = Object.fromEntries(
  NAMES.map((name) => {
    const test = testOf(name)
    return [name, (text: string) => text.length <= MAX_FORMAT_CHARS && test(text)]
  })
)

/** Unknown formats are annotations, as in the standard. */
export const isKnownFormat = (name: unknown): boolean =>
  typeof name !== 'string' || Object.hasOwn(FORMATS, name)

export interface Pattern {
  test(text: string): boolean
  /** instructions of the compiled program; a test takes at most `size` steps for each character */
  readonly size: number
  /** frees the cache of a test, up to 8 MiB */
  reset(): void
}

const MAX_PATTERN_CHARS = 1000
/** Instructions; compiling takes about 1 µs for each. */
const MAX_PATTERN_SIZE = 2000

/** ECMA-262, WhiteSpace and LineTerminator; RE2's `\s` has only the ASCII part of them. */
const SPACE =
  '\\t-\\r \\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}\\x{205f}\\x{3000}\\x{feff}'
/** All other characters. */
const NOT_SPACE =
  '\\x{0}-\\x{8}\\x{e}-\\x{1f}!-\\x{9f}\\x{a1}-\\x{167f}\\x{1681}-\\x{1fff}\\x{200b}-\\x{2027}' +
  '\\x{202a}-\\x{202e}\\x{2030}-\\x{205e}\\x{2060}-\\x{2fff}\\x{3001}-\\x{fefe}\\x{ff00}-\\x{10ffff}'
/** JavaScript's `.` excludes four line terminators, RE2's only one. */
const DOT = '[^\\n\\r\\x{2028}\\x{2029}]'

/** An escape with its character, a bracket, a dot; the rest means the same to both engines. */
const TOKEN = /\\u[dD][89a-fA-F]|\\[^]|[[\].]/g

/** JavaScript's meaning of `\s`, `\S` and `.`, written for RE2. */
const withJavaScriptClasses = (source: string): string => {
  let isInClass = false
  return source.replaceAll(TOKEN, (token) => {
    // RE2 works on whole characters
    if (token.length > 2) throw new AppError('invalid-request', 'it has an escaped surrogate')
    if (token === '\\s') return isInClass ? SPACE : `[${SPACE}]`
    if (token === '\\S') return isInClass ? NOT_SPACE : `[${NOT_SPACE}]`
    if (token === '.') return isInClass ? '.' : DOT
    if (token === '[') isInClass = true
    if (token === ']') isInClass = false
    return token
  })
}

/** A repetition with its bounds; an escape; a class; any other character. */
const ATOM =
  /\{(?<least>\d+)(?:,(?<most>\d*))?\}|\\(?:[pPu]\{[^}]*\}|[^])|\[(?:\\[^]|[^\]\\])*\]|[^]/g

/**
 * Estimated instructions of a pattern, before it is compiled: `(\p{L}{100}){10}` has 16 characters
 * and 1,000 instructions.
 */
const estimateSize = (source: string): number => {
  /** of the innermost open group, and of what stands around it: the whole pattern first */
  let size = 0
  const around: number[] = []
  /** size of the part that a repetition would repeat */
  let last = 0
  for (const { 0: atom, groups } of source.matchAll(ATOM)) {
    if (atom === '(') {
      around.push(size)
      size = 0
      continue
    }
    let added = 1
    if (groups?.least !== undefined) {
      const times = Math.max(1, Number(groups.least), Number(groups.most ?? 0))
      added = last * (times - 1)
      last *= times
    } else {
      const outer = atom === ')' ? around.pop() : undefined
      if (outer !== undefined) [added, size] = [size + 1, outer]
      last = added
    }
    size += added
  }
  return around.reduce((sum, outer) => sum + outer, size)
}

/**
 * @param source as in a JSON Schema: ECMA-262 with the flag `u`
 * @throws AppError `invalid-request` when it is not a valid pattern, or needs backtracking
 */
export const compilePattern = (source: string): Pattern => {
  if (source.length > MAX_PATTERN_CHARS) {
    const message = `a pattern is longer than ${MAX_PATTERN_CHARS} characters`
    throw new AppError('invalid-request', message)
  }
  if (estimateSize(source) > MAX_PATTERN_SIZE) {
    throw new AppError('invalid-request', `the pattern ${source} repeats too much`)
  }
  try {
    // compiled only as a check: RE2 accepts patterns that JavaScript does not, such as `(?i)`
    RegExp(source, 'u')
    const compiled = RE2JS.compile(RE2JS.translateRegExp(withJavaScriptClasses(source)))
    return {
      test: (text) => compiled.test(text),
      size: compiled.programSize(),
      reset: () => compiled.reset(),
    }
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new AppError('invalid-request', `the pattern ${source} cannot be run: ${why}`, { cause })
  }
}
