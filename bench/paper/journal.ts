/**
 * The file that a run goes on from: one JSON object a line, appended when a cell is finished. A line
 * that a stopped run left torn is cut off.
 */
import { appendFileSync, existsSync, readFileSync, truncateSync } from 'node:fs'

/** @throws Error for a broken line before the last one: then the file is not what a run has written */
export const parseJournal = (text: string): { entries: unknown[]; wholeBytes: number } => {
  const whole = text.slice(0, text.lastIndexOf('\n') + 1)
  const lines = whole.split('\n').slice(0, -1)
  const entries = lines.map((line, index): unknown => {
    try {
      return JSON.parse(line)
    } catch (cause) {
      throw new Error(`line ${index + 1} of the journal is not JSON`, { cause })
    }
  })
  return { entries, wholeBytes: Buffer.byteLength(whole) }
}

export interface Journal<Entry> {
  /** those of earlier runs and of this one */
  entries: Entry[]
  add(entry: Entry): void
}

/** A torn last line is cut off by the first addition: reading changes nothing. */
export const openJournal = <Entry>(path: string): Journal<Entry> => {
  const { entries, wholeBytes } = parseJournal(existsSync(path) ? readFileSync(path, 'utf8') : '')
  const known = entries as Entry[]
  let isWhole = false
  return {
    entries: known,
    add(entry) {
      if (!isWhole && existsSync(path)) truncateSync(path, wholeBytes)
      isWhole = true
      appendFileSync(path, `${JSON.stringify(entry)}\n`)
      known.push(entry)
    },
  }
}
