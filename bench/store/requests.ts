/**
 * Part `requests`: CPU time of the proxy for a request that it logs to PostgreSQL, against SQLite. The two
 * proxies have the same load, one after the other, and a ratio is of one such pair, because a machine drifts.
 * The database's own processes do not count.
 */
import { join } from 'node:path'
import { load } from '../load/load.ts'
import { startServer, type Target } from '../load/processes.ts'
import type { ProductStats } from '../load/server.ts'
import { requestBody } from '../load/traffic.ts'
import { withCpu } from '../load/cpu.ts'
import { spread, withBar } from '../../test/kit/report.ts'
import type { Bench, Part } from './part.ts'

export const PROXY_SERVER = 'bench/load/server.ts'

const MAX_RATIO = 1.1
const CONCURRENCY = 64
const WARM_UP_SECONDS = 10
const STORES = ['sqlite', 'postgres'] as const

type StoreName = (typeof STORES)[number]

const loadFor = (target: Target, seconds: number, folder: string) =>
  load({ target, body: requestBody({ kilobytes: 8 }), concurrency: CONCURRENCY, seconds, folder })

/** @returns CPU microseconds for a request */
const measure = async (target: Target, { settings, folder }: Bench): Promise<number> => {
  const { result, cpuMicros } = await withCpu(target, () =>
    loadFor(target, settings.seconds, folder)
  )
  if (result.failed > 0) throw new Error(`${result.failed} of ${result.requests} requests failed`)
  return cpuMicros / result.requests
}

const measurePairs = async (
  bench: Bench,
  targets: Record<StoreName, Target>
): Promise<Record<StoreName, number[]>> => {
  const runs: Record<StoreName, number[]> = { sqlite: [], postgres: [] }
  for (const name of STORES) await loadFor(targets[name], WARM_UP_SECONDS, bench.folder)
  for (let round = 0; round < bench.settings.rounds; round++)
    // neither is always the first
    for (const name of round % 2 === 0 ? STORES : STORES.toReversed())
      runs[name].push(await measure(targets[name], bench))
  return runs
}

export const requests: Part = async (bench, add) => {
  const { build, folder, databaseFor } = bench
  const script = build.pathOf(PROXY_SERVER)
  const { url } = await databaseFor('requests')
  const upstream = await startServer(script, 'upstream')
  const started: Partial<Record<StoreName, Target>> = {}
  const start = (...store: string[]): Promise<Target> =>
    startServer(script, 'ours', `http://127.0.0.1:${upstream.port}`, ...store)
  try {
    started.sqlite = await start(join(folder, 'requests'))
    started.postgres = await start(join(folder, 'requests'), url)
    const runs = await measurePairs(bench, started as Record<StoreName, Target>)
    for (const name of STORES)
      add({ [`cpu_us_per_request_${name}`]: spread(runs[name], 'µs/request') })
    const ratios = runs.postgres.map((cpu, round) => cpu / runs.sqlite[round]!)
    add({ cpu_ratio_postgres_sqlite: withBar(spread(ratios, 'ratio'), '<=', MAX_RATIO) })
  } finally {
    for (const [name, target] of Object.entries(started)) {
      const { written, dropped } = JSON.parse(await target.stop()) as ProductStats
      add({ [`dropped_share_${name}`]: { value: dropped / (written + dropped), unit: 'share' } })
    }
    await upstream.stop()
  }
}
