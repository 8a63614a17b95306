/** Output of the commands: tables for people, JSON for programs, progress bars for long work. */
import { writeFile } from 'node:fs/promises'
import { MultiBar, Presets, type SingleBar } from 'cli-progress'
import type { Config } from '../config/config.ts'
import { AppError } from '../errors.ts'
import { createLogger, type Logger } from '../process/logger.ts'
import { visibleName, visibleText } from '../visible-text.ts'
import { table as layoutTable, wrap } from './layout.ts'

export interface OutputOptions {
  json?: boolean
}

const DEFAULT_COLUMNS = 80

/** A terminal of unknown width has 0 columns. */
export const width = (): number => process.stdout.columns || DEFAULT_COLUMNS

/** Writes to stdout what may have text of others in it, as all that this program prints may. */
export const writeOut = (text: string): void => void process.stdout.write(visibleText(text))

/** The same on stderr. */
export const writeError = (text: string): void => void process.stderr.write(visibleText(text))

/** Lines of a text are wrapped at words. */
export const wrapped = (text: string): string =>
  visibleText(text)
    .split('\n')
    .map((line) => wrap(line, width(), 2))
    .join('\n')

export const print = (value: unknown): void => {
  const text = typeof value === 'string' ? wrapped(value) : JSON.stringify(value, null, 2)
  writeOut(`${text}\n`)
}

/** @param rows the first one is the header @param shortens a column whose cells may be shortened */
export const table = (rows: (string | number)[][], shortens?: number): string =>
  layoutTable(rows, width(), shortens)

/** UTC: `2026-11-28 10:00:05`. @param at milliseconds since the epoch */
export const secondText = (at: number): string =>
  new Date(at).toISOString().slice(0, 19).replace('T', ' ')

export interface Progress {
  /** @param detail free text after the bar */
  update(name: string, value: number, total: number, detail?: string): void
  stop(): void
}

/** Progress and log on stderr. */
export interface Screen {
  logger: Logger
  progress: Progress
}

/** Bars on a terminal, which log lines do not cross; elsewhere at most a line for each tenth and each ten seconds. The log is text. */
export const openScreen = (
  level: Config['logLevel'],
  stream: NodeJS.WriteStream = process.stderr,
  now = (): number => performance.now()
): Screen =>
  stream.isTTY === true ? terminalScreen(level, stream) : lineScreen(level, stream, now)

/**
 * Without a log.
 * @public for benchmarks and the demo
 */
export const createProgress = (): Progress => openScreen('info').progress

const terminalScreen = (level: Config['logLevel'], stream: NodeJS.WriteStream): Screen => {
  const bars = new MultiBar(
    {
      format: '{name} {bar} {percentage}% {detail}',
      stream,
      hideCursor: true,
      // with the longest detail a line fits 80 columns
      barsize: 20,
    },
    Presets.shades_classic
  )
  const byName = new Map<string, SingleBar>()
  // the bars print a line above themselves, and only while there are bars
  const write = (line: string): void =>
    void (byName.size > 0 && bars.isActive ? bars.log(line) : stream.write(line))
  const progress: Progress = {
    update(name, value, total, detail = '') {
      const payload = { name: visibleName(name).padEnd(22), detail: visibleName(detail) }
      const bar = byName.get(name) ?? bars.create(total, 0, payload)
      byName.set(name, bar)
      bar.setTotal(total)
      bar.update(value, payload)
    },
    stop: () => bars.stop(),
  }
  return { logger: createLogger(level, { stream: { write }, form: 'text' }), progress }
}

/** Between two lines of progress. */
const LINE_MS = 10_000

const lineScreen = (
  level: Config['logLevel'],
  stream: NodeJS.WriteStream,
  now: () => number
): Screen => {
  const isShown = level === 'debug' || level === 'info'
  let toldAt = now()
  const toldTenths = new Map<string, number>()
  const progress: Progress = {
    update(name, value, total, detail = '') {
      const share = total === 0 ? 1 : Math.min(1, value / total)
      const tenth = Math.floor(10 * share)
      if (!isShown || now() - toldAt < LINE_MS || toldTenths.get(name) === tenth) return
      toldAt = now()
      toldTenths.set(name, tenth)
      const percentage = `${Math.floor(100 * share)} %`
      stream.write(
        visibleText(`${[`${name}: ${percentage}`, detail].filter(Boolean).join(', ')}\n`)
      )
    },
    stop: () => {},
  }
  return { logger: createLogger(level, { form: 'text' }), progress }
}

/** @throws AppError `invalid-request` */
export const writePage = async (path: string, html: string): Promise<void> => {
  try {
    await writeFile(path, html)
  } catch (cause) {
    const { code = 'unknown error' } = cause as NodeJS.ErrnoException
    throw new AppError('invalid-request', `${path} cannot be written: ${code}`, { cause })
  }
}
