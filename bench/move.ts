/**
 * How long a move from SQLite to PostgreSQL takes: the data of a busy year, one record each minute, to a server
 * on the same cores with its defaults. Tables are copied, then compared.
 *
 *   npm run bench:move -- [--out file.json] [--records 100000]
 */
import { join } from 'node:path'
import { moveStore } from '../src/store/move/move.ts'
import { openSqliteStore } from '../src/store/thread/open.ts'
import { fillStore } from '../test/kit/store/large-store.ts'
import { optionsOf, serverIn } from '../test/kit/postgres/postgres-process.ts'
import { zero, type Figure, type Figures } from '../test/kit/report.ts'
import { readOptions } from './harness/options.ts'
import { benchmark } from './harness/measure.ts'

const args = readOptions({
  records: 100_000,
})

const TEMPLATES = 200
const INTERNALIZATIONS = 50
const FROM = Date.UTC(2026, 0, 1)
const SAMPLE_MS = 100

const fill = async (dataDir: string, records: number): Promise<void> => {
  const store = await openSqliteStore({ dataDir })
  const size = { records, templates: TEMPLATES, internalizations: INTERNALIZATIONS, from: FROM }
  await fillStore(store, size)
  await store.close()
}

/** Calls back at a steady pace, and once more at the end. */
const sampling = async <T>(sample: () => void, work: () => Promise<T>): Promise<T> => {
  const timer = setInterval(sample, SAMPLE_MS)
  try {
    return await work()
  } finally {
    clearInterval(timer)
    sample()
  }
}

const run = async (folder: string): Promise<Figures> => {
  const records = args.records
  const from = join(folder, 'sqlite')
  await fill(from, records)
  const server = optionsOf(await serverIn(folder, process.pid), 'postgres')
  const cpu = process.cpuUsage()
  const begun = performance.now()
  let comparedFrom = 0
  let peakBytes = 0
  const before = process.memoryUsage().rss
  const report = await sampling(
    () => (peakBytes = Math.max(peakBytes, process.memoryUsage().rss)),
    () =>
      moveStore({
        from,
        server,
        onProgress: (step, done) => {
          if (step === 'comparing' && done === 0) comparedFrom = performance.now()
        },
      })
  )
  const perSecond = (ms: number): Figure => ({ value: records / (ms / 1000), unit: 'records/s' })
  const { user, system } = process.cpuUsage(cpu)
  return {
    records: { value: records, unit: 'records' },
    differences: zero(report.differences, 'tables'),
    copied_per_second: perSecond(comparedFrom - begun),
    compared_per_second: perSecond(performance.now() - comparedFrom),
    // of this process, for both steps; not of the server
    cpu_per_record: { value: (user + system) / records, unit: 'µs' },
    memory_added: { value: (peakBytes - before) / 2 ** 20, unit: 'MiB' },
  }
}

await benchmark('move', args.out, run)
