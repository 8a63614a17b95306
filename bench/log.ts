/**
 * How many records a second the log takes durably: appends of 8 KB requests with recurring prompts to each
 * store, on the store's own thread, as the proxy makes them. PostgreSQL runs on the same cores, with its
 * defaults; `--url` measures another one.
 *
 *   npm run bench:log -- [--out file.json] [--rounds 3] [--seconds 5] [--url postgres://…]
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { parseDatabaseUrl } from '../src/config/database-url.ts'
import { batchOf } from '../src/core/log/exchange-batch.ts'
import type { ExchangeRecord } from '../src/core/log/record.ts'
import { seededRandom } from '../src/random.ts'
import type { ServerOptions } from '../src/store/postgres/base/server-options.ts'
import type { OpenStore } from '../src/store/store.ts'
import { openPostgresStore, openSqliteStore } from '../src/store/thread/open.ts'
import { serverIn, stopServer, USER, WHY_NO_SERVER } from '../test/fixtures/postgres-process.ts'
import { formatFigures, spread, withBar, writeReport, type Figure } from './report.ts'

const { values: args } = parseArgs({
  options: {
    out: { type: 'string' },
    rounds: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '5' },
    url: { type: 'string' },
  },
})

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
  recordsPerSecond: number
  /** of this process with the store's thread, and not of a server */
  cpuUs: number
}

let index = 0

/** Appends until the time is over. @returns how many records are durable */
const appendFor = async (store: OpenStore, seconds: number): Promise<number> => {
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

const measure = async (store: OpenStore): Promise<Measured> => {
  await appendFor(store, WARM_UP_SECONDS)
  const cpu = process.cpuUsage()
  const begun = performance.now()
  const durable = await appendFor(store, Number(args.seconds))
  const { user, system } = process.cpuUsage(cpu)
  return {
    recordsPerSecond: durable / ((performance.now() - begun) / 1000),
    cpuUs: (user + system) / durable,
  }
}

const closing = async (store: OpenStore): Promise<Measured> => {
  try {
    return await measure(store)
  } finally {
    await store.close()
  }
}

const openServer = async (folder: string): Promise<ServerOptions> => {
  if (args.url !== undefined) {
    const parsed = parseDatabaseUrl(args.url, null)
    if ('mistake' in parsed) throw new Error(`--url ${parsed.mistake}`)
    return parsed.server
  }
  if (WHY_NO_SERVER !== null) throw new Error(WHY_NO_SERVER)
  const { port } = await serverIn(folder, process.pid)
  return {
    hosts: [{ host: folder, port }],
    database: 'postgres',
    user: USER,
    password: null,
    tls: 'disable',
    caFile: null,
    bindsChannel: false,
  }
}

const run = async (folder: string): Promise<Record<string, Figure>> => {
  const server = await openServer(folder)
  const runs = { sqlite: [] as Measured[], postgres: [] as Measured[] }
  for (let round = 0; round < Number(args.rounds); round++) {
    const dataDir = join(folder, `sqlite-${round}`)
    runs.sqlite.push(await closing(await openSqliteStore({ dataDir })))
    runs.postgres.push(await closing(await openPostgresStore({ server, poolSize: POOL })))
  }
  const figures: Record<string, Figure> = {}
  for (const [name, measured] of Object.entries(runs)) {
    figures[`records_per_second_${name}`] = withBar(
      spread(
        measured.map(({ recordsPerSecond }) => recordsPerSecond),
        'records/s'
      ),
      '>=',
      MIN_RECORDS_PER_SECOND
    )
    figures[`cpu_per_record_${name}`] = spread(
      measured.map(({ cpuUs }) => cpuUs),
      'µs'
    )
  }
  return figures
}

const folder = mkdtempSync(join(tmpdir(), 'promptintern-log-'))
try {
  const figures = await run(folder)
  console.log(formatFigures(figures))
  if (args.out !== undefined) writeReport(args.out, figures)
} finally {
  await stopServer(folder)
  rmSync(folder, { recursive: true, force: true })
}
