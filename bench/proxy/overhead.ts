/** Part `overhead`: answers at once, 8 and 64 KB, 1 and 64 in flight, logging on. */
import { join } from 'node:path'
import { load, loadGenerator, type Load } from '../load/load.ts'
import { isInstalled, residentMiB, type Target } from '../load/processes.ts'
import type { ProductStats } from '../load/server.ts'
import { requestBody } from '../load/traffic.ts'
import { withBar, type Figures } from '../../test/kit/report.ts'
import { withCpu } from '../load/cpu.ts'
import { startNginxUpstream } from './nginx.ts'
import {
  log,
  measureEach,
  measureRounds,
  OURS,
  overRounds,
  present,
  ratioTo,
  warmUp,
  type Bench,
  type Part,
  type Round,
  type Settings,
} from './part.ts'
import { withTargets } from './targets.ts'

/** With 8 KB bodies and 64 in flight: time of the proxy's thread against bare Node's, throughput against the others. */
const THREAD_BAR = 1.5
const THROUGHPUT_BARS: Partial<Record<string, number>> = { portkey: 9, hono_fetch: 3 }
interface Cell {
  kilobytes: number
  concurrency: number
}

/** The first is the one that figures without a suffix are of. */
const CELLS: Cell[] = [
  { kilobytes: 8, concurrency: 64 },
  { kilobytes: 8, concurrency: 1 },
  { kilobytes: 64, concurrency: 64 },
  { kilobytes: 64, concurrency: 1 },
]

const nameOf = ({ kilobytes, concurrency }: Cell): string => `${kilobytes}kb_${concurrency}`

interface Measured extends Load {
  cpuMicrosPerRequest: number
  threadMicrosPerRequest: number
}

const loadOf = (target: Target, cell: Cell, seconds: number, { folder }: Settings) =>
  load({ target, body: requestBody(cell), concurrency: cell.concurrency, seconds, folder })

const measureOnce = async (target: Target, cell: Cell, settings: Settings): Promise<Measured> => {
  const { result, cpuMicros, firstThreadMicros } = await withCpu(target, () =>
    loadOf(target, cell, settings.seconds, settings)
  )
  return {
    ...result,
    cpuMicrosPerRequest: cpuMicros / result.requests,
    threadMicrosPerRequest: firstThreadMicros / result.requests,
  }
}

/** So many of another's requests may fail: one in ten thousand changes no figure. */
const TOLERATED_SHARE = 0.0001

const isUsable = ({ failed, requests }: Measured, name: string): boolean =>
  failed <= (name === OURS ? 0 : requests * TOLERATED_SHARE)

/** Once more where a request failed, as one in thousands may. @throws Error when one fails again */
const measure = async (
  target: Target,
  cell: Cell,
  settings: Settings,
  name: string
): Promise<Measured> => {
  const first = await measureOnce(target, cell, settings)
  if (isUsable(first, name)) return first
  log(`${nameOf(cell)}: ${first.failed} of ${first.requests} requests failed; measured once more`)
  const second = await measureOnce(target, cell, settings)
  if (isUsable(second, name)) return second
  throw new Error(`${second.failed} of ${second.requests} requests failed`)
}

const COLUMNS: [string, string, (measured: Measured) => number][] = [
  ['cpu_us', 'µs/request', (measured) => measured.cpuMicrosPerRequest],
  ['thread_us', 'µs/request', (measured) => measured.threadMicrosPerRequest],
  ['requests_per_second', '1/s', (measured) => measured.requestsPerSecond],
  ['p50_ms', 'ms', (measured) => measured.p50Ms],
  ['p99_ms', 'ms', (measured) => measured.p99Ms],
  ['p999_ms', 'ms', (measured) => measured.p999Ms],
]

const figuresOf = (rounds: Round<Measured>[], names: string[], suffix: string): Figures => {
  const figures: Parameters<typeof present>[0] = {}
  for (const name of names) {
    for (const [column, unit, read] of COLUMNS) {
      const of = ({ [name]: measured }: Round<Measured>) => (measured ? read(measured) : null)
      figures[`${column}_${name}${suffix}`] = overRounds(rounds, of, unit)
    }
  }
  for (const other of names.filter((name) => name !== OURS)) {
    const cpu = ratioTo(rounds, other, (measured) => measured.cpuMicrosPerRequest)
    const thread = ratioTo(rounds, other, (measured) => measured.threadMicrosPerRequest)
    const throughput = ratioTo(rounds, other, (measured) => measured.requestsPerSecond)
    figures[`cpu_vs_${other}${suffix}`] = cpu
    figures[`thread_vs_${other}${suffix}`] = thread
    figures[`throughput_vs_${other}${suffix}`] = throughput
    if (suffix !== '') continue
    if (thread && other === 'bare') figures.thread_vs_bare = withBar(thread, '<=', THREAD_BAR)
    const bar = THROUGHPUT_BARS[other]
    if (throughput && bar !== undefined)
      figures[`throughput_vs_${other}`] = withBar(throughput, '>=', bar)
  }
  return present(figures)
}

const logFigures = ({ written, dropped }: ProductStats): Figures => ({
  log_written: { value: written, unit: 'records' },
  log_dropped_share: { value: dropped / Math.max(1, written + dropped), unit: 'share' },
})

const compare = async (
  targets: Map<string, Target>,
  settings: Settings,
  add: (figures: Figures) => void
): Promise<void> => {
  const names = [...targets.keys()]
  await measureEach(targets, {}, (target) =>
    warmUp(
      settings,
      async (seconds) => (await loadOf(target, CELLS[0]!, seconds, settings)).requests
    )
  )
  await measureRounds(
    targets,
    { cells: CELLS, rounds: settings.rounds },
    async (target, cell, name) => {
      const measured = await measure(target, cell, settings, name)
      log(
        `${nameOf(cell)}, ${name}: ${measured.requestsPerSecond.toFixed(0)} req/s, ` +
          `${measured.cpuMicrosPerRequest.toFixed(0)} µs CPU, p99 ${measured.p99Ms.toFixed(2)} ms`
      )
      return measured
    },
    (rounds) => {
      for (const [index, cell] of CELLS.entries())
        add(figuresOf(rounds[index]!, names, index === 0 ? '' : `_${nameOf(cell)}`))
    }
  )
  for (const [name, target] of targets)
    add({ [`resident_mib_${name}`]: { value: residentMiB(target), unit: 'MiB' } })
}

/** An upstream in Node takes half of what a server under test does, from the same two cores. */
const withUpstream = async (
  { settings: { folder }, upstream }: Bench,
  work: (upstream: Target) => Promise<void>
): Promise<void> => {
  if (!isInstalled('nginx')) return work(upstream)
  const cheapest = await startNginxUpstream(join(folder, 'upstream'))
  try {
    await work(cheapest)
  } finally {
    await cheapest.stop()
  }
}

export const overhead: Part = async (bench, add) => {
  log(`load by ${loadGenerator}`)
  await withUpstream(bench, async (upstream) => {
    const compared = { ...bench, name: 'overhead', upstream }
    const stats = await withTargets(compared, (targets) => compare(targets, bench.settings, add))
    add(logFigures(stats))
  })
}
