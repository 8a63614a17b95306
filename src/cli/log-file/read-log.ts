/** A file with the log of another program: JSONL, or a JSON document. `import` and `scan` read it alike. */
import { FORM_NAMES } from '../../core/log/forms/read-forms.ts'
import {
  readImportLine,
  type ImportedLine,
  type ImportOptions,
} from '../../core/log/import-line.ts'
import { AppError } from '../../errors.ts'
import { readLines, type Line } from '../read-lines.ts'
import { isDocument, readValues, type Value } from './read-values.ts'

const MAX_LINE_BYTES = 32 * 2 ** 20

/** A line of JSONL or a value of a document that is not blank. */
export interface LogEntry {
  /** of its line, from 1 */
  number: number
  /** bytes of the file up to its end */
  bytes: number
  /** its exchanges, and what is none */
  found: ImportedLine[]
}

/** The chunks, and the first one of them, which decides how to read the others. */
const peek = async (
  chunks: AsyncIterable<Buffer>
): Promise<{ head: Buffer; all: AsyncIterable<Buffer> }> => {
  const iterator = chunks[Symbol.asyncIterator]()
  const first = await iterator.next()
  const head = first.done === true ? Buffer.alloc(0) : first.value
  async function* all(): AsyncGenerator<Buffer> {
    try {
      yield head
      for (let next = await iterator.next(); next.done !== true; next = await iterator.next())
        yield next.value
    } finally {
      await iterator.return?.()
    }
  }
  return { head, all: all() }
}

/** @param unnamed time of a line that names none, milliseconds since the epoch */
export async function* readLog(
  chunks: AsyncIterable<Buffer>,
  options: ImportOptions,
  unnamed: () => number
): AsyncGenerator<LogEntry> {
  const { head, all } = await peek(chunks)
  const entries: AsyncIterable<Line | Value> = isDocument(head)
    ? readValues(all, MAX_LINE_BYTES)
    : readLines(all, MAX_LINE_BYTES)
  for await (const entry of entries) {
    const { number, text, bytes } = entry
    if (text?.trim() === '') continue
    const place = 'place' in entry ? entry.place : number
    const found =
      text === null
        ? [{ reason: `it is longer than ${MAX_LINE_BYTES} bytes (docs/scan.md: how to split it)` }]
        : readImportLine({ number: place, text, at: unnamed() }, options)
    yield { number, bytes, found }
  }
}

/**
 * The error for a file without an exchange.
 * @param reason why its first line has none
 */
export const noExchange = (path: string, reason: string | undefined): AppError =>
  new AppError(
    'invalid-request',
    `${path} has no line that is a chat exchange` +
      (reason === undefined ? '' : `: ${reason}`) +
      `. It may have ${FORM_NAMES.join(', ')} (docs/scan.md)`
  )
