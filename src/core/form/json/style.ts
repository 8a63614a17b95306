/**
 * How an upstream writes JSON: what stands around it, its blanks and its escapes. Reads the style from answers and
 * writes values in it. Knows nothing of forms.
 */
import { readJsonAt, type JsonValue } from './value.ts'

export interface JsonStyle {
  /** text around the JSON: a code fence, a sentence, a line break */
  prefix: string
  suffix: string
  /** of one level; null: all on one line */
  indent: string | null
  /** between two values of one line */
  comma: string
  colon: string
  /** inside the braces of one line */
  padding: string
  /** lists of strings and numbers stay on one line, as models like to write */
  inlineLists: boolean
  /** other than ASCII characters as \u escapes, as Python's `json.dumps` does */
  isAscii: boolean
  /** `/` as `\/`, as PHP does */
  escapesSlash: boolean
}

type Layout = Omit<JsonStyle, 'prefix' | 'suffix'>

const ONE_LINE = { indent: null, padding: '', inlineLists: false }
const LINES: Omit<Layout, 'isAscii' | 'escapesSlash'>[] = [
  { ...ONE_LINE, comma: ', ', colon: ': ' },
  { ...ONE_LINE, comma: ',', colon: ':' },
  { ...ONE_LINE, comma: ',', colon: ': ' },
  { ...ONE_LINE, comma: ', ', colon: ':' },
  { ...ONE_LINE, comma: ', ', colon: ': ', padding: ' ' },
  ...['  ', '    ', '\t', ' ', '   '].flatMap((indent) =>
    [false, true].map((inlineLists) => ({
      indent,
      comma: ', ',
      colon: ': ',
      padding: '',
      inlineLists,
    }))
  ),
]
const LAYOUTS: Layout[] = [false, true].flatMap((escapesSlash) =>
  [false, true].flatMap((isAscii) => LINES.map((line) => ({ ...line, isAscii, escapesSlash })))
)

const quoted = (text: string, { isAscii, escapesSlash }: JsonStyle): string => {
  let json = JSON.stringify(text)
  if (escapesSlash) json = json.replaceAll('/', '\\/')
  if (!isAscii) return json
  return json.replace(
    /[\u007f-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`
  )
}

const isScalar = (value: JsonValue): boolean => value.kind === 'literal' || value.kind === 'string'

const enclosed = (
  parts: string[],
  [open, close]: readonly ['[', ']'] | readonly ['{', '}'],
  level: number,
  { indent, comma, padding: ofObjects }: JsonStyle
): string => {
  if (parts.length === 0) return open + close
  if (indent === null) {
    const padding = open === '{' ? ofObjects : ''
    return `${open}${padding}${parts.join(comma)}${padding}${close}`
  }
  const line = `\n${indent.repeat(level)}`
  return `${open}${line}${indent}${parts.join(`,${line}${indent}`)}${line}${close}`
}

/** @param level of indentation */
const writeAt = (value: JsonValue, level: number, style: JsonStyle): string => {
  if (value.kind === 'literal') return value.text
  if (value.kind === 'string') return quoted(value.text, style)
  if (value.kind === 'list') {
    const isInline = style.inlineLists && value.items.every(isScalar)
    const inner = value.items.map((item) => writeAt(item, level + 1, style))
    return enclosed(inner, ['[', ']'], level, isInline ? { ...style, indent: null } : style)
  }
  const inner = value.members.map(
    ([name, member]) => `${quoted(name, style)}${style.colon}${writeAt(member, level + 1, style)}`
  )
  return enclosed(inner, ['{', '}'], level, style)
}

/** The answer that holds the value. */
export const writeJson = (value: JsonValue, style: JsonStyle): string =>
  `${style.prefix}${writeAt(value, 0, style)}${style.suffix}`

export interface FoundJson {
  /** the whole text */
  answer: string
  prefix: string
  suffix: string
  value: JsonValue
}

/** Braces of a text that are tried as the start of the JSON. */
const MAX_STARTS = 8

/** The first object or list of an answer, and what stands around it; null where there is none. */
export const findJson = (answer: string): FoundJson | null => {
  const starts = /[{[]/g
  for (let tries = 0; tries < MAX_STARTS; tries++) {
    const at = starts.exec(answer)?.index
    if (at === undefined) return null
    const found = readJsonAt(answer, at)
    if (found === null) continue
    const [prefix, suffix] = [answer.slice(0, at), answer.slice(found.end)]
    return { answer, prefix, suffix, value: found.value }
  }
  return null
}

/** The text before and behind the JSON that most answers have. */
const mostUsedFrame = (found: readonly FoundJson[]): { prefix: string; suffix: string } => {
  const counts = new Map<string, number>()
  let best = { prefix: '', suffix: '', count: 0 }
  for (const { prefix, suffix } of found) {
    const key = JSON.stringify([prefix, suffix])
    const count = (counts.get(key) ?? 0) + 1
    counts.set(key, count)
    if (count > best.count) best = { prefix, suffix, count }
  }
  return { prefix: best.prefix, suffix: best.suffix }
}

/** Answers that each layout is tried on. */
const TRIED = 60

/** The style in which most of the answers are written. @param found one for each answer, at least one */
export const styleOf = (found: readonly FoundJson[]): JsonStyle => {
  const { prefix, suffix } = mostUsedFrame(found)
  const step = Math.max(1, Math.floor(found.length / TRIED))
  const tried = found.filter((_, at) => at % step === 0)
  const styles = LAYOUTS.map((layout) => {
    const style = { ...layout, prefix, suffix }
    const same = tried.filter(({ answer, value }) => writeJson(value, style) === answer)
    return { style, count: same.length }
  })
  return styles.reduce((best, one) => (one.count > best.count ? one : best)).style
}
