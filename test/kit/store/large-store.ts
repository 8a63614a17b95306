/** A store of a busy year: records of many templates, and internalizations with plans of full size. */
import { batchOf } from '../../../src/core/log/exchange-batch.ts'
import type { ExchangeRecord } from '../../../src/core/log/record.ts'
import type { Internalization } from '../../../src/core/internalization/internalization.ts'
import type { Template } from '../../../src/core/template/template.ts'
import { seededRandom } from '../../../src/random.ts'
import type { Store } from '../../../src/store/store.ts'
import {
  exampleApproved,
  exampleOutcome,
  exampleRecord,
  exampleTemplate,
  LIVE_STATE,
} from '../records/examples.ts'
import { digestOf, ENDED_STATES, wordsOf } from './fill/world.ts'

export interface LargeStore {
  records: number
  templates: number
  internalizations: number
  /** time of the first record, milliseconds since the epoch; one each minute */
  from: number
}

const APPENDED_AT_ONCE = 500
const TRAIN_ROWS = 1_500
const HELD_OUT_ROWS = 1_000
const MINUTE_MS = 60_000
/** that differ in one line */
const VERSIONS_OF_A_PROMPT = 10
const LINES = 80
const WORDS_OF_A_LINE = 10

export const versionOf = (index: number): string => digestOf(`template ${index}`).slice(0, 32)

export const recordIdOf = (index: number): string => digestOf(`record ${index}`).slice(0, 32)

const ids = (count: number): string[] => Array.from({ length: count }, () => crypto.randomUUID())

const textOf = (index: number): string => {
  const random = seededRandom(Math.floor(index / VERSIONS_OF_A_PROMPT))
  const lines = Array.from({ length: LINES }, () => wordsOf(random, WORDS_OF_A_LINE))
  return [...lines, `This is the version ${index}.`].join('\n')
}

const templateOf = (index: number): Template => {
  const template = exampleTemplate(versionOf(index))
  const [system, ...others] = template.messages
  const [before, slot] = system!.segments
  const segments = [before!, slot!, { kind: 'anchor' as const, text: `\n${textOf(index)}` }]
  return {
    ...template,
    tenant: tenantOf(index),
    messages: [{ ...system!, segments }, ...others],
  }
}

const tenantOf = (template: number): string =>
  digestOf(`tenant ${Math.floor(template / VERSIONS_OF_A_PROMPT) % 4}`)

/** As the template has it. */
const requestOf = (index: number, template: number): string => {
  const messages = [
    { role: 'system', content: `Today is day ${index}\n${textOf(template)}` },
    { role: 'user', content: wordsOf(seededRandom(index), WORDS_OF_A_LINE) },
  ]
  return JSON.stringify({ model: 'gpt-4o-mini', messages })
}

const OUTCOMES = ['answered', 'fallback', 'skipped'] as const

const recordOf = (index: number, { templates, from }: LargeStore): ExchangeRecord => {
  const outcome = OUTCOMES[index % 4]
  const template = index % templates
  const route =
    outcome === undefined
      ? null
      : exampleOutcome({
          templateVersion: versionOf(template),
          outcome,
          reason: outcome === 'answered' ? null : 'low-confidence',
        })
  return exampleRecord(index, {
    id: recordIdOf(index),
    at: from + index * MINUTE_MS,
    tenant: tenantOf(template),
    request: requestOf(index, template),
    route,
  })
}

const STATES = [...ENDED_STATES, LIVE_STATE]

const internalizationOf = (index: number, at: number): Internalization => {
  const row = exampleApproved(crypto.randomUUID())
  return {
    ...row,
    templateVersion: versionOf(index),
    tenant: tenantOf(index),
    state: STATES[index % STATES.length]!,
    createdAt: at,
    updatedAt: at,
    plan: {
      ...row.plan!,
      trainRecordIds: ids(TRAIN_ROWS),
      holdoutRecordIds: ids(HELD_OUT_ROWS),
      unseenRecordIds: ids(HELD_OUT_ROWS),
    },
  }
}

/** @returns time of the newest record, milliseconds since the epoch */
export const fillStore = async (store: Store, size: LargeStore): Promise<number> => {
  for (let begin = 0; begin < size.records; begin += APPENDED_AT_ONCE) {
    const count = Math.min(APPENDED_AT_ONCE, size.records - begin)
    const batch = Array.from({ length: count }, (_, at) => recordOf(begin + at, size))
    await store.records.append(batchOf(batch))
  }
  await store.templates.upsert(
    Array.from({ length: size.templates }, (_, index) => templateOf(index))
  )
  for (let template = 0; template < size.templates; template++) {
    const own = Math.ceil((size.records - template) / size.templates)
    const recordIds = Array.from({ length: own }, (_, at) =>
      recordIdOf(at * size.templates + template)
    )
    await store.records.tagTemplate(recordIds, versionOf(template))
  }
  const end = size.from + (size.records - 1) * MINUTE_MS
  for (let index = 0; index < size.internalizations; index++)
    await store.internalizations.create(internalizationOf(index, end - index * MINUTE_MS))
  return end
}
