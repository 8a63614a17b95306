/** Facts that page and terminal lay out alike: a table of short texts. Pure. */

export type Tone = 'good' | 'waits' | 'bad' | 'plain'

/** A text, with the colour that repeats what its words say; a record that an example stands in has a link on the page. */
export type FactCell = string | { tone: Tone; text: string }

/** A figure with its name. */
export interface Fact {
  name: string
  value: string
  note: string
}

export interface FactTable {
  /** what the rows are; the terminal leaves it out */
  caption: string
  columns: (string | { number: string })[]
  /** of each row its cells; the first one is its heading */
  rows: FactCell[][]
}

export const cellText = (cell: FactCell): string => (typeof cell === 'string' ? cell : cell.text)

/** Columns of numbers. */
export const numbers = (...names: string[]): { number: string }[] =>
  names.map((number) => ({ number }))
