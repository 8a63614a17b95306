/**
 * Part `log`: how many records a second each store takes durably. Appends of 8 KB requests with recurring
 * prompts, on the store's own thread, as the proxy makes them.
 */
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { batchOf } from '../../src/core/log/exchange-batch.ts'
import type { ExchangeRecord } from '../../src/core/log/record.ts'
import { seededRandom } from '../../src/random.ts'
import { databasePath } from '../../src/store/sqlite/base/database-path.ts'
import type { OpenStore, Store } from '../../src/store/store.ts'
import { openPostgresStore, openSqliteStore } from '../../src/store/thread/open.ts'
import { spread, withBar } from '../../test/kit/report.ts'
import type { Part } from './part.ts'

const PROMPTS = 50
const PROMPT_CHARS = 7_700
const BATCH_RECORDS = 64
/** appends that wait at the same time */
const IN_FLIGHT = 8
const WARM_UP_SECONDS = 2
const MIN_RECORDS_PER_SECOND = 5_000
const POOL = 4

const random = seededRandom(1)

const word = (): string =>
  Math.floor(random() * 36 ** 6)
    .toString(36)
    .padStart(6, '0')

const wordsOf = (chars: number): string =>
  Array.from({ length: Math.ceil(chars / 7) }, word).join(' ')

const PROMPT_TEXTS = Array.from({ length: PROMPTS }, () => wordsOf(PROMPT_CHARS))

const recordOf = (index: number): ExchangeRecord => ({
  id: `${Date.now().toString(16)}-${index}`,
  at: Date.now(),
  tenant: 'bench',
  model: 'gpt-4o-mini',
  path: '/v1/chat/completions',
  streamed: false,
  status: 200,
  firstByteMs: 300,
  durationMs: 400,
  request: JSON.stringify({
    model: 'gpt-4o-mini',
    messages: [
      { role: 'system', content: PROMPT_TEXTS[index % PROMPTS] },
      { role: 'user', content: wordsOf(150) },
    ],
  }),
  response: JSON.stringify({
    id: `chatcmpl-${index}`,
    choices: [
      {
        index: 0,
        message: { role: 'assistant', content: word() },
        finish_reason: 'stop',
      },
    ],
  }),
  usage: { prompt_tokens: 2_000, completion_tokens: 4, total_tokens: 2_004 },
  route: null,
})

interface Measured {
  records: number
  recordsPerSecond: number
  /** of this process with the store's thread, and not of a server */
  cpuUs: number
}

let index = 0

/** Appends until the time is over. @returns how many records are durable */
const appendFor = async (store: Store, seconds: number): Promise<number> => {
  const end = performance.now() + seconds * 1000
  let durable = 0
  const lane = async (): Promise<void> => {
    while (performance.now() < end) {
      const batch = batchOf(Array.from({ length: BATCH_RECORDS }, () => recordOf(index++)))
      await store.records.append(batch)
      durable += BATCH_RECORDS
    }
  }
  await Promise.all(Array.from({ length: IN_FLIGHT }, lane))
  return durable
}

const measure = async (store: Store, seconds: number): Promise<Measured> => {
  const warmedUp = await appendFor(store, WARM_UP_SECONDS)
  const cpu = process.cpuUsage()
  const begun = performance.now()
  const durable = await appendFor(store, seconds)
  const { user, system } = process.cpuUsage(cpu)
  return {
    records: durable + warmedUp,
    recordsPerSecond: durable / ((performance.now() - begun) / 1000),
    cpuUs: (user + system) / durable,
  }
}

const closing = async (store: OpenStore, seconds: number): Promise<Measured> => {
  try {
    return await measure(store, seconds)
  } finally {
    await store.close()
  }
}

export const log: Part = async ({ folder, databaseFor, settings }, add) => {
  const { rounds, seconds } = settings
  const { server } = await databaseFor('log')
  const bytes: number[] = []
  const runs = { sqlite: [] as Measured[], postgres: [] as Measured[] }
  for (let round = 0; round < rounds; round++) {
    const dataDir = join(folder, `sqlite-${round}`)
    const measured = await closing(await openSqliteStore({ dataDir }), seconds)
    runs.sqlite.push(measured)
    bytes.push(statSync(databasePath(dataDir)).size / measured.records)
    const store = await openPostgresStore({ server, poolSize: POOL })
    runs.postgres.push(await closing(store, seconds))
  }
  add({ bytes_per_record_sqlite: spread(bytes, 'bytes') })
  for (const [name, measured] of Object.entries(runs)) {
    const rates = measured.map(({ recordsPerSecond }) => recordsPerSecond)
    const cpuUs = measured.map((each) => each.cpuUs)
    add({
      [`records_per_second_${name}`]: withBar(
        spread(rates, 'records/s'),
        '>=',
        MIN_RECORDS_PER_SECOND
      ),
      [`cpu_us_per_record_${name}`]: spread(cpuUs, 'µs'),
    })
  }
}
