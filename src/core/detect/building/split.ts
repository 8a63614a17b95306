/** Splits constant text off a variable piece, at its ends and inside it. Never cuts a typed value. */
import { alignSentences, type Piece } from './align.ts'
import { trimSoft, trimStrict, endsAtBorder, LONG_PHRASE_CHARS } from './boundary.ts'
import { maskValues, typedParts, type Masked } from './mask.ts'

/**
 * Finds constant text inside a variable piece ("\nRows: " between two values): the longest run of tokens
 * that every value has exactly once, then the same on both sides of it.
 */
const MAX_DEPTH = 6
/** longer values are not searched, because the search takes quadratic time */
const MAX_MEAN_CHARS = 4000
const MAX_TOKENS = 600
const TOKEN = /\w+|\n|[^\S\n]+|[^\w\s]/gu

const LINE_LABEL = /\n[^\n]*[\w:#>\]-]{2}/u
/** "subject: " */
const FIELD = /\p{L}{3,}: ?$/u
const LABEL = /\w[^\n]*[:=|]|[|][^\n]*\w/u
const WORD = /\p{L}{2}/u

/**
 * Whether shared text is not there by chance. In text of the application, any word that all samples have
 * exactly once is enough; in text that an end user may have written, only a label or a long phrase.
 */
const isStructure = (text: string, fromUser: boolean): boolean => {
  if (!fromUser) return WORD.test(text) || LABEL.test(text)
  if (LINE_LABEL.test(text) || FIELD.test(text)) return true
  return text.length >= LONG_PHRASE_CHARS && text.trim().split(/\s+/u).length >= 3
}

const longestShared = (values: string[], fromUser: boolean): string => {
  const shortest = values.reduce((best, value) => (value.length < best.length ? value : best))
  const tokens = (shortest.match(TOKEN) ?? []).slice(0, MAX_TOKENS)
  let best = ''
  for (const from of tokens.keys()) {
    let text = ''
    let held = ''
    for (const token of tokens.slice(from)) {
      text += token
      if (!values.every((value) => value.includes(text))) break
      held = text
    }
    if (held.length > best.length && isStructure(held, fromUser)) {
      const candidate = trimToUnique(held, values, fromUser)
      if (candidate.length > best.length) best = candidate
    }
  }
  return best
}

/** The text if all values have it exactly once at token borders, else ''. */
const trimToUnique = (text: string, values: string[], fromUser: boolean): string => {
  // a joined number must not be cut: the "2-" of "2-14" is part of the value
  const whole = text
    .replace(/[\d.,/:-]*\d[.,/:-]*$/u, '')
    .replace(/^[.,/:-]*\d[\d.,/:-]*\p{L}?/u, '')
  // the end of the line before ("…)\nRows: ") is part of a value unless it is a phrase
  const newline = whole.indexOf('\n')
  const ending = newline > 0 && whole.slice(0, newline).trim().split(/\s+/u).length < 3
  const trimmed = ending ? whole.slice(newline) : whole
  if (!isStructure(trimmed, fromUser)) return ''
  const fits = values.every((value) => {
    const at = value.indexOf(trimmed)
    const isOnce = !value.includes(trimmed, at + 1)
    return isOnce && endsAtBorder(trimmed, value.slice(0, at), value.slice(at + trimmed.length))
  })
  return fits ? trimmed : ''
}

/** Splits the values of one place into constant and variable pieces. */
const splitInner = (values: string[], fromUser: boolean, depth = 0): Piece[] => {
  const chars = values.reduce((sum, value) => sum + value.length, 0)
  if (depth >= MAX_DEPTH || chars > values.length * MAX_MEAN_CHARS) return [{ values }]
  const shared = longestShared(values, fromUser)
  if (shared === '') return [{ values }]
  const before = values.map((value) => value.slice(0, value.indexOf(shared)))
  const after = values.map((value) => value.slice(value.indexOf(shared) + shared.length))
  const side = (texts: string[]): Piece[] => {
    if (texts.every((text) => text === texts[0])) return texts[0] ? [{ text: texts[0] }] : []
    return splitInner(texts, fromUser, depth + 1)
  }
  return [...side(before), { text: shared }, ...side(after)]
}

type Variable = Extract<Piece, { values: string[] }>

/** longer than any date with its weekday and time */
const WINDOW_CHARS = 200

const areLong = (values: string[]): boolean =>
  values.reduce((sum, value) => sum + value.length, 0) > values.length * MAX_MEAN_CHARS

/** Of long values, only the text at the ends of what they share is masked: nothing else is cut. */
const masked = (values: string[]): Masked => {
  if (!areLong(values)) return maskValues(values)
  const { prefix, suffix } = trimSoft(values)
  return maskValues(values, (value) => {
    const from = Math.max(0, prefix.length - WINDOW_CHARS)
    const to = prefix.length + WINDOW_CHARS
    const end = value.length - suffix.length
    const again = Math.max(to, end - WINDOW_CHARS)
    const cuts = [0, 0, from, to, again, Math.max(again, end + WINDOW_CHARS), value.length]
    return cuts.slice(1).map((cut, at) => value.slice(cuts[at], cut))
  })
}

const splitValues = (piece: Variable, fromUser: boolean): Piece[] => {
  const trim = fromUser ? trimStrict : trimSoft
  const { values, unmask } = masked(piece.values)
  const { prefix, suffix, cores } = trim(values)
  const inner = splitInner(cores, fromUser).flatMap((part): Piece[] => {
    if (!('values' in part)) return [part]
    const trimmed = trim(part.values)
    return [{ text: trimmed.prefix }, { values: trimmed.cores }, { text: trimmed.suffix }]
  })
  return [{ text: prefix }, ...inner, { text: suffix }].map((part) =>
    'values' in part ? { values: part.values.map(unmask) } : { text: unmask(part.text) }
  )
}

/**
 * @param fromUser whether an end user may have written the text
 * @returns constant and variable pieces, some of them empty
 */
export const splitPiece = (piece: Piece, fromUser: boolean): Piece[] => {
  if (!('values' in piece)) return [piece]
  if (fromUser) return splitValues(piece, true)
  const parts = areLong(piece.values) ? alignSentences(piece.values) : [piece]
  return parts.flatMap((part) =>
    'values' in part ? (typedParts(part.values) ?? splitValues(part, false)) : [part]
  )
}
