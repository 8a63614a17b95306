/** Audited records of the example template, and their pairs. */
import { batchOf } from '../../../src/core/log/exchange-batch.ts'
import type { ExchangeRecord } from '../../../src/core/log/record.ts'
import type { Pair } from '../../../src/core/rollout/pair.ts'
import type { Store } from '../../../src/store/store.ts'
import { answerBody } from './completion.ts'
import { exampleOutcome, exampleRecord, exampleTemplate } from './examples.ts'

/** Of `exampleApproved`. */
export const LORA = 'lora-of-arm-1'

/** The upstream's answer of a record. */
export const UPSTREAM_ANSWER = 'intent_of_the_upstream'

/** The text of the end user in a record. */
export const questionOf = (index: number): string => `question ${index}`

/** A request that matches the example template. */
export const requestOf = (index: number): string => {
  const system = exampleTemplate().messages[0]!.segments.map((segment) =>
    segment.kind === 'anchor' ? segment.text : 'Monday'
  )
  const messages = [
    { role: 'system', content: system.join('') },
    { role: 'user', content: questionOf(index) },
  ]
  return JSON.stringify({ model: 'gpt-4o-mini', messages })
}

/** A record whose request matches the example template, and a route of its lora. */
export const routedRecord = (
  index: number,
  outcome: 'answered' | 'skipped',
  changes: Partial<ExchangeRecord> = {}
): ExchangeRecord => ({
  ...exampleRecord(index),
  request: requestOf(index),
  response: answerBody(UPSTREAM_ANSWER),
  route: exampleOutcome({
    lora: LORA,
    outcome,
    reason: outcome === 'answered' ? null : 'audit',
  }),
  ...changes,
})

export const examplePair = (recordId: string, changes: Partial<Pair> = {}): Pair => ({
  recordId,
  outcome: 'disagreed',
  reason: null,
  conversation: recordId,
  answer: 'intent_of_the_lora',
  parts: [0, 2],
  isEqual: false,
  confidence: -0.1,
  chars: 20,
  isNewLabel: null,
  upstreamModel: null,
  upstreamAnswer: UPSTREAM_ANSWER,
  costUsd: 0.01,
  ...changes,
})

/** Logs audited records and judges them. @param pairs changes of the pair of each record */
export const addPairs = async (store: Store, pairs: Partial<Pair>[]): Promise<string[]> => {
  const records = pairs.map((_, index) => routedRecord(index + 1, 'skipped'))
  await store.records.append(batchOf(records))
  await store.pairs.judge(records.map(({ id }, index) => examplePair(id, pairs[index])))
  return records.map(({ id }) => id)
}
