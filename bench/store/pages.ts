/**
 * Part `pages`: how long the admin API and the page take over a large log, by the real proxy with all of its
 * HTTP. Kinds take turns, each with other parameters in each round; the first round warms and is told apart.
 */
import { join } from 'node:path'
import { createProgress } from '../../src/cli/output.ts'
import { seededRandom } from '../../src/random.ts'
import { openPool } from '../../src/store/postgres/base/database.ts'
import { openLocalStore } from '../../src/store/postgres/local.ts'
import { ADMIN_TOKEN, startProxy, type ProxyProcess } from '../../test/kit/process/proxy-process.ts'
import { percentile } from '../load/percentile.ts'
import { withBar, type Figure, type Figures } from '../../test/kit/report.ts'
import { fillLog } from '../../test/kit/store/fill/fill.ts'
import { KINDS, type Kind, type Sample } from '../../test/kit/store/fill/kinds.ts'
import type { Bench, Part, PartDatabase } from './part.ts'

export const CLI = 'src/cli.ts'

const MAX_P95_MS = 100
const DAY_MS = 86_400_000
const SAMPLES = 200
const LIST = 'list_'

const countOf = async ({ server }: PartDatabase): Promise<number> => {
  const connection = openPool(server, 1)
  try {
    const { rows } = await connection.read(({ $client }) =>
      $client.query<{ records: number }>('select count(*) as records from promptintern.records')
    )
    return rows[0]!.records
  } finally {
    await connection.close()
  }
}

/** @returns 0 for a database without the tables */
const knownCount = (database: PartDatabase): Promise<number> => countOf(database).catch(() => 0)

/** Fills the database unless it has been filled. */
const fill = async (
  database: PartDatabase,
  { settings }: Bench,
  add: (figures: Figures) => void
) => {
  const known = await knownCount(database)
  if (known > 0) {
    add({ records: { value: known, unit: 'records' } })
    return
  }
  const { records, days } = settings
  const progress = createProgress()
  const begun = performance.now()
  const { server } = database
  const written = await fillLog({
    server,
    records,
    days,
    lastDay: Math.floor(Date.now() / DAY_MS),
    onDay: (done, count) => progress.update('fill', done, days, `${count} records`),
  })
  progress.stop()
  const fillSeconds = (performance.now() - begun) / 1000
  add({
    records: { value: written, unit: 'records' },
    fill_seconds: { value: fillSeconds, unit: 's' },
  })
}

/** Records from everywhere in the log. */
const drawSamples = async ({ server }: PartDatabase): Promise<Sample[]> => {
  const store = await openLocalStore({ server, poolSize: 1 })
  const random = seededRandom(2)
  try {
    const one = { order: 'desc', limit: 1, bodies: false } as const
    const [newest] = await store.records.list(one)
    const samples: Sample[] = []
    while (samples.length < SAMPLES) {
      const after = Math.floor(random() * newest!.sequence)
      const [record] = await store.records.list({ ...one, after })
      if (record !== undefined) samples.push({ id: record.id, after, random })
    }
    return samples
  } finally {
    await store.close()
  }
}

const signIn = async ({ baseUrl }: ProxyProcess): Promise<string> => {
  const answer = await fetch(`${baseUrl}/admin/sign-in`, {
    method: 'POST',
    redirect: 'manual',
    headers: { 'content-type': 'application/x-www-form-urlencoded', origin: baseUrl },
    body: new URLSearchParams({ token: ADMIN_TOKEN }).toString(),
  })
  return answer.headers.get('set-cookie')!.split(';')[0]!
}

/** @returns milliseconds until the last byte */
const timed = async (address: string, cookie: string): Promise<number> => {
  const headers = { cookie, authorization: `Bearer ${ADMIN_TOKEN}` }
  const begun = performance.now()
  const answer = await fetch(address, { headers })
  const body = await answer.text()
  const ms = performance.now() - begun
  if (answer.status !== 200) throw new Error(`${address}: ${answer.status} ${body.slice(0, 500)}`)
  return ms
}

const measure = async (
  proxy: ProxyProcess,
  samples: Sample[],
  requests: number
): Promise<Map<string, number[]>> => {
  const cookie = await signIn(proxy)
  const taken = new Map<string, number[]>(KINDS.map(({ name }) => [name, []]))
  const progress = createProgress()
  const ask = async ({ name, path }: Kind, round: number): Promise<void> => {
    const address = `${proxy.baseUrl}/admin${path(samples[round % samples.length]!)}`
    taken.get(name)!.push(await timed(address, cookie))
  }
  try {
    for (let round = 0; round <= requests; round++) {
      for (const kind of KINDS) await ask(kind, round)
      progress.update('pages', round, requests)
    }
  } finally {
    progress.stop()
  }
  return taken
}

const figuresOf = (taken: Map<string, number[]>): Figures => {
  const figures: Figures = {}
  const listP95: number[] = []
  for (const [name, [first, ...others]] of taken) {
    const sorted = others.sort((a, b) => a - b)
    const of = (share: number): number => percentile(sorted, share)
    const p95: Figure = { value: of(0.95), unit: 'ms', min: of(0), max: of(1), runs: sorted.length }
    figures[`first_ms_${name}`] = { value: first!, unit: 'ms' }
    figures[`p50_ms_${name}`] = { value: of(0.5), unit: 'ms' }
    figures[`p95_ms_${name}`] = withBar(p95, '<=', MAX_P95_MS)
    if (name.startsWith(LIST)) listP95.push(of(0.95))
  }
  const slowest = { value: Math.max(...listP95), unit: 'ms' }
  return { list_p95_ms: withBar(slowest, '<=', MAX_P95_MS), ...figures }
}

/** Its first figure is the slowest p95 of the lists. */
export const pages: Part = async (bench, add) => {
  const database = await bench.databaseFor('pages')
  await fill(database, bench, add)
  const samples = await drawSamples(database)
  const proxy = await startProxy(
    {
      DATABASE_URL: database.url,
      DATA_DIR: join(bench.folder, 'pages'),
      UPSTREAM_BASE_URL: 'http://127.0.0.1:9',
      ENGINE: 'none',
      LOG_LEVEL: 'error',
    },
    // it would read ten million records
    { cli: bench.build.pathOf(CLI), flags: ['--no-worker'] }
  )
  try {
    add(figuresOf(await measure(proxy, samples, bench.settings.requests)))
  } finally {
    await proxy.stop()
  }
}
