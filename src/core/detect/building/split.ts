/** Splits constant text off a variable piece, at its ends and inside it. Never cuts a typed value. */
import { alignSentences, type Piece } from './align.ts'
import { trimSoft, trimStrict } from './boundary.ts'
import { MAX_MEAN_CHARS, splitInner } from './inner.ts'
import { maskValues, typedParts, type Masked } from './mask.ts'

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
