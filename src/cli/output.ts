/** Output of the commands: tables for people, JSON for programs, progress bars for long work. */
import { MultiBar, Presets, type SingleBar } from 'cli-progress'

export interface OutputOptions {
  json?: boolean
}

export const print = (value: unknown): void => {
  process.stdout.write(`${typeof value === 'string' ? value : JSON.stringify(value, null, 2)}\n`)
}

/** Columns as wide as their widest cell; the first row is the header. */
export const table = (rows: (string | number)[][]): string => {
  const cells = rows.map((row) => row.map(String))
  const widths = (cells[0] ?? []).map((_, column) =>
    Math.max(...cells.map((row) => (row[column] ?? '').length))
  )
  const lineOf = (row: string[]): string =>
    row
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join('  ')
      .trimEnd()
  return cells.map(lineOf).join('\n')
}

export const percent = (share: number): string => `${(share * 100).toFixed(1)} %`

export interface Progress {
  /** @param detail free text after the bar */
  update(name: string, value: number, total: number, detail?: string): void
  stop(): void
}

/** On stderr: bars on a terminal, elsewhere one line per ten per cent. */
export const createProgress = (isTerminal = process.stderr.isTTY === true): Progress =>
  isTerminal ? terminalProgress() : lineProgress()

const terminalProgress = (): Progress => {
  const bars = new MultiBar(
    {
      format: '{name} {bar} {percentage}% {detail}',
      stream: process.stderr,
      hideCursor: true,
      // with the longest detail a line fits 80 columns
      barsize: 20,
    },
    Presets.shades_classic
  )
  const byName = new Map<string, SingleBar>()
  return {
    update(name, value, total, detail = '') {
      const payload = { name: name.padEnd(22), detail }
      const bar = byName.get(name) ?? bars.create(total, 0, payload)
      byName.set(name, bar)
      bar.setTotal(total)
      bar.update(value, payload)
    },
    stop: () => bars.stop(),
  }
}

const lineProgress = (): Progress => {
  const printed = new Map<string, number>()
  return {
    update(name, value, total, detail = '') {
      const tenth = total === 0 ? 10 : Math.floor((value / total) * 10)
      if (printed.get(name) === tenth) return
      printed.set(name, tenth)
      process.stderr.write(`${name} ${tenth * 10} % ${detail}\n`)
    },
    stop: () => {},
  }
}
