/** Draws a text over the one before it, on a terminal. */

import { visibleText } from '../../visible-text.ts'

/** A terminal, as far as drawing needs it. A terminal of unknown size has 0 columns and rows. */
export interface Terminal {
  columns: number
  rows: number
  write(text: string): unknown
}

const cut = (line: string, columns: number): string =>
  columns > 0 && line.length > columns ? `${line.slice(0, columns - 1)}…` : line

/**
 * Lines that do not fit are cut, and so are lines below the screen: the cursor can only go up to the first
 * line if no line wraps and none has left the screen.
 * @returns draws a text; the last one stays
 */
export const createRepaint = (terminal: Terminal): ((text: string) => void) => {
  let drawn = 0
  return (text) => {
    const { columns, rows } = terminal
    // the cursor stands below the last line
    const lines = visibleText(text)
      .split('\n')
      .slice(0, rows > 1 ? rows - 1 : undefined)
    const up = drawn === 0 ? '' : `\u001b[${drawn}A`
    terminal.write(`${up}\r\u001b[J${lines.map((line) => cut(line, columns)).join('\n')}\n`)
    drawn = lines.length
  }
}
