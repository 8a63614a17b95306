/**
 * Estimated usage for records that are read: nothing is counted for those that nobody reads, and
 * nothing is loaded while every provider counts. 8 KB take 2 to 4 ms, the tokenizer 60 MB. The
 * decision record of 2026-11-26 has the reasons.
 */
import { setImmediate as otherWork } from 'node:timers/promises'
import { estimateUsage, type CountTokens } from '../../../core/log/estimate-usage.ts'
import type { StoredRecord } from '../../../core/log/record.ts'

/** Words remembered with their tokens; the default of 100,000 may take tens of megabytes. */
const CACHED_WORDS = 10_000

const loadTokenizer = async (): Promise<CountTokens> => {
  const { countTokens, setMergeCacheSize } = await import('gpt-tokenizer/encoding/o200k_base')
  setMergeCacheSize(CACHED_WORDS)
  // what looks like a control token is text in a message
  const options = { disallowedSpecial: new Set<string>() }
  return (text) => countTokens(text, options)
}

/** Whether there is something to estimate; bodies are read for these alone. */
export const lacksUsage = ({ usage, response }: { usage: unknown; response: unknown }): boolean =>
  usage === null && response !== null

export type Estimator = (records: StoredRecord[]) => Promise<StoredRecord[]>

/** Adds `estimatedUsage` to records that came without usage. Others get their turn in between. */
export const createEstimator = (): Estimator => {
  let tokenizer: Promise<CountTokens> | null = null
  const estimated = async (record: StoredRecord): Promise<StoredRecord> => {
    if (!lacksUsage(record)) return record
    await otherWork()
    const count = await (tokenizer ??= loadTokenizer())
    return { ...record, estimatedUsage: estimateUsage(record.request, record.response, count) }
  }
  return async (records) => {
    const result: StoredRecord[] = []
    for (const record of records) result.push(await estimated(record))
    return result
  }
}
