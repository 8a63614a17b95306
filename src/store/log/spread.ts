/** Which records a spread has: every so many with a random start. Knows nothing of the database. */
import { SEARCH_OUTCOMES } from '../../core/log/record-filter.ts'
import type { SpreadQuery } from '../store.ts'

/** Number in the store of records that a lora answered. */
export const BY_LORA = SEARCH_OUTCOMES.indexOf('answered')

export interface Stride {
  every: number
  /** place of the first record, from 0 */
  first: number
}

/** @param count records that fit the query */
export const strideOf = (
  count: number,
  { limit, phase }: Pick<SpreadQuery, 'limit' | 'phase'>
): Stride => {
  const every = Math.max(1, Math.ceil(count / limit))
  return { every, first: Math.floor(phase * every) }
}
