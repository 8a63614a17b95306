/** How verbs print: a table for people, JSON for programs, a bar where a person waits. */
import { MultiBar, Presets, type SingleBar } from 'cli-progress'

export interface OutputOptions {
  json?: boolean
}

export const print = (value: unknown): void => {
  process.stdout.write(`${typeof value === 'string' ? value : JSON.stringify(value, null, 2)}\n`)
}

/** Columns as wide as their widest cell; the first row is the header. */
export const table = (rows: string[][]): string => {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => (row[column] ?? '').length))
  )
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column]!))
        .join('  ')
        .trimEnd()
    )
    .join('\n')
}

export const percent = (share: number): string => `${(share * 100).toFixed(1)} %`

export interface Progress {
  /** `detail` is free text behind the bar */
  update(name: string, value: number, total: number, detail?: string): void
  stop(): void
}

/** Bars on a terminal, one line a change of ten per cent elsewhere; both on stderr. */
export const createProgress = (isTerminal: boolean): Progress =>
  isTerminal ? terminalProgress() : lineProgress()

const terminalProgress = (): Progress => {
  const bars = new MultiBar(
    {
      format: '{name} {bar} {percentage}% {detail}',
      stream: process.stderr,
      hideCursor: true,
      // with the longest detail a line has 80 columns
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
