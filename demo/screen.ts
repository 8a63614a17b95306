/** How the demo shows itself: headings, paragraphs, tables and bars on a terminal; plain lines elsewhere. */
import { styleText } from 'node:util'
import { createProgress, table, type Progress } from '../src/cli/output.ts'

const MOST_COLUMNS = 120
const DEFAULT_COLUMNS = 80
const BAR_COLUMNS = 30

export interface Screen {
  heading(text: string): void
  /** a paragraph, wrapped to the terminal */
  say(text: string): void
  /** text as it is sent, wrapped, behind a line at its left */
  quote(text: string): void
  /** a command to be copied, on one line however long */
  command(text: string): void
  table(rows: string[][]): void
  /** two amounts as bars of one scale */
  compare(name: string, before: number, after: number): void
  progress: Progress
}

/** Lines of at most `width` characters; a longer word is cut. */
export const wrap = (text: string, width: number): string[] => {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    const longer = line === '' ? word : `${line} ${word}`
    if (longer.length <= width) {
      line = longer
      continue
    }
    if (line !== '') lines.push(line)
    line = word
    while (line.length > width) {
      lines.push(line.slice(0, width))
      line = line.slice(width)
    }
  }
  return [...lines, line]
}

/** Line ends in a quoted text are shown, not made: a table of fifty rows is to stay readable. */
export const onOneLine = (text: string): string => text.replaceAll('\n', ' ⏎ ')

/** @param stream where a person reads; its width decides the layout */
export const createScreen = (stream: NodeJS.WriteStream): Screen => {
  const columns = Math.min(stream.columns ?? DEFAULT_COLUMNS, MOST_COLUMNS)
  const isTerminal = stream.isTTY === true
  const write = (line: string): void => void stream.write(`${line}\n`)
  const strong = (text: string): string => (isTerminal ? styleText('bold', text) : text)
  const faint = (text: string): string => (isTerminal ? styleText('dim', text) : text)
  return {
    heading: (text) => write(`\n${strong(text)}`),
    say: (text) => wrap(text, columns).forEach(write),
    quote: (text) =>
      wrap(onOneLine(text), columns - 2).forEach((line) => write(`${faint('│')} ${line}`)),
    command: (text) => write(`  ${text}`),
    table: (rows) => write(table(rows)),
    compare(name, before, after) {
      const length = (amount: number): number =>
        Math.max(1, Math.round((amount / Math.max(before, after)) * BAR_COLUMNS))
      const line = (label: string, amount: number): string =>
        `${label.padEnd(32)} ${'█'.repeat(length(amount))} ${Math.round(amount)}`
      write(line(`${name}, before`, before))
      write(line(`${name}, now`, after))
    },
    progress: createProgress(),
  }
}

/** For programs, which read the result alone. */
export const silentScreen: Screen = {
  heading: () => {},
  say: () => {},
  quote: () => {},
  command: () => {},
  table: () => {},
  compare: () => {},
  progress: { update: () => {}, stop: () => {} },
}
