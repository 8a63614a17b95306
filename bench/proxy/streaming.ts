/**
 * Part `streaming`: answers that come token by token, 8 and 64 KB, 1 and 64 in flight. `direct` is
 * the upstream without any server between: what a server adds to the first byte is the difference.
 */
import type { Target } from '../load/processes.ts'
import { requestBody } from '../load/traffic.ts'
import { withCpu } from '../load/cpu.ts'
import {
  log,
  measureEach,
  measureRounds,
  OURS,
  overRounds,
  present,
  ratioTo,
  warmUp,
  type Part,
  type Round,
  type Settings,
} from './part.ts'
import { withBar, type Figure, type Figures } from '../../test/kit/report.ts'
import { percentile } from '../load/percentile.ts'
import { loadStreams } from './stream-load.ts'
import { withTargets } from './targets.ts'

interface Cell {
  kilobytes: number
  concurrency: number
  chunks: number
  everyMs: number
}

/** Long streams under load, for the cost of a chunk. */
const LONG = { concurrency: 64, chunks: 128, everyMs: 10 }
/** Short ones alone, for many first bytes; every process has slept before. */
const SHORT = { concurrency: 1, chunks: 8, everyMs: 5 }
/** The same where none had time to. */
const BACK_TO_BACK = { concurrency: 1, chunks: 1, everyMs: 0 }
/** The first two are those that figures without a suffix are of. */
const CELLS: Cell[] = [
  { kilobytes: 8, ...LONG },
  { kilobytes: 8, ...SHORT },
  { kilobytes: 8, ...BACK_TO_BACK },
  { kilobytes: 64, ...LONG },
  { kilobytes: 64, ...SHORT },
]

/** As many requests as there is time for: long streams are few, and a first byte is a request's. */
const MANY = { kilobytes: 8, concurrency: 64, chunks: 1, everyMs: 0 }

const DIRECT = 'direct'

const nameOf = ({ kilobytes, concurrency, everyMs }: Cell): string =>
  `${kilobytes}kb_${concurrency}${everyMs === BACK_TO_BACK.everyMs ? '_back_to_back' : ''}`

interface Measured {
  cpuMicrosPerChunk: number
  delayMs: number[]
  firstByteMs: number[]
}

const sorted = (values: number[]): number[] => values.toSorted((a, b) => a - b)

const load = (target: Target, cell: Cell, seconds: number) =>
  loadStreams({ ...cell, target, body: requestBody({ ...cell, stream: true }), seconds })

const measure = async (target: Target, cell: Cell, seconds: number): Promise<Measured> => {
  const { result, cpuMicros } = await withCpu(target, () => load(target, cell, seconds))
  if (result.chunks !== result.streams * cell.chunks)
    throw new Error(`${result.chunks} chunks of ${result.streams} streams came`)
  return {
    cpuMicrosPerChunk: cpuMicros / result.chunks,
    delayMs: sorted(result.chunkDelayMs),
    firstByteMs: sorted(result.firstByteMs),
  }
}

const SHARES = { p50: 0.5, p99: 0.99, p999: 0.999 }

type Read = (measured: Measured) => number

const cpuPerChunk: Read = (measured) => measured.cpuMicrosPerChunk

/** CPU is not measured for short streams, where the request dominates, and not for the upstream. */
const hasCpu = (name: string, { chunks }: Cell): boolean =>
  name !== DIRECT && chunks === LONG.chunks

const COLUMNS: [string, string, Read][] = [
  ['cpu_us_per_chunk', 'µs/chunk', cpuPerChunk],
  ...Object.entries(SHARES).flatMap(([name, share]): [string, string, Read][] => [
    [`chunk_delay_${name}_ms`, 'ms', ({ delayMs }) => percentile(delayMs, share)],
    [`first_byte_${name}_ms`, 'ms', ({ firstByteMs }) => percentile(firstByteMs, share)],
  ]),
]

const chunkDelay: Read = ({ delayMs }) => percentile(delayMs, SHARES.p50)
const firstByte: Read = ({ firstByteMs }) => percentile(firstByteMs, SHARES.p50)

/** Time that ours adds to the first byte, divided by the time that the other adds. */
const firstByteAddedTo = (rounds: Round<Measured>[], other: string): Figure | null =>
  overRounds(
    rounds,
    ({ [OURS]: ours, [other]: theirs, [DIRECT]: direct }) =>
      ours && theirs && direct
        ? (firstByte(ours) - firstByte(direct)) / (firstByte(theirs) - firstByte(direct))
        : null,
    'ratio'
  )

const figuresOf = (rounds: Round<Measured>[], names: string[], cell: Cell): Figures => {
  const suffix = nameOf(cell)
  const figures: Parameters<typeof present>[0] = {}
  for (const name of names) {
    for (const [column, unit, read] of COLUMNS) {
      if (read === cpuPerChunk && !hasCpu(name, cell)) continue
      const of = ({ [name]: measured }: Round<Measured>) => (measured ? read(measured) : null)
      figures[`${column}_${name}_${suffix}`] = overRounds(rounds, of, unit)
    }
  }
  for (const other of names.filter((name) => name !== OURS)) {
    if (hasCpu(other, cell))
      figures[`cpu_per_chunk_vs_${other}_${suffix}`] = ratioTo(rounds, other, cpuPerChunk)
    figures[`chunk_delay_vs_${other}_${suffix}`] = ratioTo(rounds, other, chunkDelay)
    if (other !== DIRECT)
      figures[`first_byte_vs_${other}_${suffix}`] = firstByteAddedTo(rounds, other)
  }
  return present(figures)
}

const atMost = (figure: Figure | null, bar: number): Figure | null =>
  figure && withBar(figure, '<=', bar)

/** A chunk's cost and delay under load, the first byte alone. */
const headlines = (underLoad: Round<Measured>[], alone: Round<Measured>[]): Figures => {
  return present({
    cpu_per_chunk_vs_nginx: atMost(ratioTo(underLoad, 'nginx', cpuPerChunk), 3.2),
    chunk_delay_vs_nginx: atMost(ratioTo(underLoad, 'nginx', chunkDelay), 1.35),
    first_byte_vs_bare: atMost(firstByteAddedTo(alone, 'bare'), 2.5),
  })
}

const say = (cell: Cell, name: string, measured: Measured): void => {
  const [delay, first] = [chunkDelay(measured), firstByte(measured)]
  log(
    `streams, ${nameOf(cell)}, ${name}: ${measured.cpuMicrosPerChunk.toFixed(1)} µs CPU a chunk, ` +
      `delay ${delay.toFixed(3)} ms, first byte ${first.toFixed(2)} ms`
  )
}

const compare = async (
  targets: Map<string, Target>,
  settings: Settings,
  add: (figures: Figures) => void
): Promise<void> => {
  const names = [...targets.keys()]
  const longSeconds = Math.min(settings.warmUpSeconds, settings.seconds)
  await measureEach(targets, {}, async (target) => {
    await warmUp(settings, async (seconds) => (await load(target, MANY, seconds)).streams)
    await load(target, CELLS[0]!, longSeconds)
  })
  await measureRounds(
    targets,
    { cells: CELLS, rounds: settings.rounds },
    async (target, cell, name) => {
      const measured = await measure(target, cell, settings.seconds)
      say(cell, name, measured)
      return measured
    },
    (rounds) => {
      add(headlines(rounds[0]!, rounds[1]!))
      for (const [index, cell] of CELLS.entries()) add(figuresOf(rounds[index]!, names, cell))
    }
  )
}

export const streaming: Part = async (bench, add) => {
  const { upstream, settings } = bench
  await withTargets({ ...bench, name: 'streaming', upstream }, (targets) =>
    compare(new Map([[DIRECT, upstream], ...targets]), settings, add)
  )
}
