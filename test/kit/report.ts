/**
 * The one output format of every benchmark: named figures with their spread and their bar.
 * Knows nothing of the measurements.
 */
import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { arch, cpus, platform, totalmem } from 'node:os'
import { basename } from 'node:path'

export interface Figure {
  value: number | string
  unit: string
  min?: number
  max?: number
  runs?: number
  /** the bar in readable form: '>= 0.85' */
  bar?: string
  holds?: boolean
}

export type Figures = Record<string, Figure>

export interface Report {
  commit: string
  date: string
  machine: string
  command: string
  figures: Figures
}

/** 0 without values. */
export const mean = (values: number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length)

/** Median of the runs with minimum and maximum. @throws RangeError without runs */
export const spread = (runs: number[], unit: string): Figure => {
  if (runs.length === 0) throw new RangeError('a figure needs at least one run')
  const sorted = runs.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  const median =
    sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
  return { value: median, unit, min: sorted[0]!, max: sorted.at(-1)!, runs: sorted.length }
}

/** The figure with its bar and whether its value (the median) holds it. */
export const withBar = (figure: Figure, comparison: '>=' | '<=', bar: number): Figure => ({
  ...figure,
  bar: `${comparison} ${bar}`,
  holds: comparison === '>=' ? Number(figure.value) >= bar : Number(figure.value) <= bar,
})

/** A count of what must not happen. */
export const zero = (value: number, unit: string): Figure => withBar({ value, unit }, '<=', 0)

const git = (...args: string[]): string => {
  try {
    return execFileSync('git', args, {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim()
  } catch {
    return ''
  }
}

/** The commit that is measured; `+` marks changes on top of it. */
const commit = (): string => {
  const hash = git('rev-parse', 'HEAD')
  if (hash === '') return 'unknown'
  return git('status', '--porcelain', '--untracked-files=no') === '' ? hash : `${hash}+`
}

const machine = (): string => {
  const cores = cpus()
  const memoryGiB = Math.round(totalmem() / 2 ** 30)
  const model = cores[0]?.model.trim() ?? 'unknown processor'
  return `${cores.length} cores, ${model}, ${memoryGiB} GiB, ${platform()}-${arch()}, Node ${process.version}`
}

export const createReport = (figures: Figures): Report => ({
  commit: commit(),
  date: new Date().toISOString(),
  machine: machine(),
  command: [
    'tsx',
    `bench/${basename(process.argv[1] ?? '').replace(/\.js$/, '.ts')}`,
    ...process.argv.slice(2),
  ].join(' '),
  figures,
})

/** Writes the report as JSON and returns it. */
export const writeReport = (path: string, figures: Figures): Report => {
  const report = createReport(figures)
  writeFileSync(path, `${JSON.stringify(report, null, 2)}\n`)
  return report
}

const rounded = (value: number | string): string =>
  typeof value === 'string' ? value : String(Number(value.toPrecision(4)))

/** One line a figure, for people. */
export const formatFigures = (figures: Figures): string =>
  Object.entries(figures)
    .map(([name, { value, unit, min, max, runs, bar, holds }]) => {
      const range =
        runs === undefined || runs < 2 ? '' : ` (${rounded(min!)}–${rounded(max!)}, ${runs} runs)`
      const verdict = bar === undefined ? '' : ` [bar ${bar}: ${holds ? 'holds' : 'MISSED'}]`
      return `${name}: ${rounded(value)} ${unit}${range}${verdict}`
    })
    .join('\n')

/** Whether no figure has missed its bar. */
export const allHold = (figures: Figures): boolean =>
  Object.values(figures).every(({ holds }) => holds !== false)

/** Prints the figures, and writes them where a file is named. The exit code is 1 where one misses its bar. */
export const conclude = (figures: Figures, file: string | undefined): void => {
  process.stdout.write(`${formatFigures(figures)}\n`)
  if (file !== undefined) writeReport(file, figures)
  if (!allHold(figures)) process.exitCode = 1
}
