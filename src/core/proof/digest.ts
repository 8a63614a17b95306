/** SHA-256 of what a proof file is about, in hex. Values are hashed as JSON with sorted names and no blanks. */
import { hash } from 'node:crypto'
import { canonicalJson } from '../json.ts'
import type { ArmAnswer, HeldOutRecord } from './decision-facts.ts'

export const digestOf = (value: unknown): string => hash('sha256', canonicalJson(value), 'hex')

export const digestOfText = (text: string): string => hash('sha256', text, 'hex')

/** Of the sorted ids, one on each line, without a last line end. */
export const digestOfIds = (ids: readonly string[]): string =>
  digestOfText([...ids].sort().join('\n'))

/** Of the rows of one arm: what it shares with other arms, and its answer. */
export const digestOfRows = (
  records: readonly HeldOutRecord[],
  answers: readonly (ArmAnswer | null)[]
): string => digestOf(records.map((record, i) => ({ ...record, answer: answers[i] ?? null })))
