/** Records as a file: a table, or lines of JSON that `promptintern import` reads. The last line says whether all are in it. */
import { answerTexts, userTexts } from '../../../core/log/record-bodies.ts'
import type { StoredRecord } from '../../../core/log/record.ts'
import { tokenCounts } from '../../../openai/usage/usage.ts'
import type { RecordQuery, Store } from '../../../store/store.ts'
import { counted } from '../../../core/figure-text.ts'
import { csvLine } from '../../../core/csv.ts'

/** Records of one file. */
export const MAX_EXPORTED = 10_000
/** Records that are read one by one for it. */
const MAX_SEARCHED = 100_000
const ROWS_AT_ONCE = 200

export interface ExportFormat {
  type: string
  /** before the first record */
  head: string
  lineOf: (record: StoredRecord) => string
  /** behind the last one */
  end: (records: number, isWhole: boolean) => string
}

export interface ExportOptions {
  /** what the upstream charged; null: nothing, or not known */
  chargeOf: (record: StoredRecord) => number | null
}

const endText = (records: number, isWhole: boolean): string =>
  isWhole
    ? `${counted(records, 'record')}: all matching records`
    : `${counted(records, 'record')}, incomplete: an export has at most ${counted(MAX_EXPORTED, 'record')} and ` +
      `reads at most ${counted(MAX_SEARCHED, 'record')}; narrow the time range`

type Figure = (record: StoredRecord, options: ExportOptions) => string | number | null

/** In the order of a table's columns. */
const FIGURES: Record<string, Figure> = {
  id: ({ id }) => id,
  at: ({ at }) => new Date(at).toISOString(),
  tenant: ({ tenant }) => tenant,
  model: ({ model }) => model,
  path: ({ path }) => path,
  template: ({ templateVersion }) => templateVersion,
  route: ({ route, bought }) => (bought ? 'bought' : (route?.outcome ?? null)),
  reason: ({ route }) => route?.reason ?? null,
  confidence: ({ route }) => route?.confidence ?? null,
  status: ({ status }) => status,
  durationMs: ({ durationMs }) => durationMs,
  promptTokens: ({ usage }) => usage && tokenCounts(usage).input,
  answerTokens: ({ usage }) => usage && tokenCounts(usage).output,
  chargeUsd: (record, { chargeOf }) => chargeOf(record),
}

const figuresOf = (record: StoredRecord, options: ExportOptions) =>
  Object.entries(FIGURES).map(([name, of]) => [name, of(record, options)] as const)

const csv = (options: ExportOptions): ExportFormat => ({
  type: 'text/csv; charset=utf-8',
  head: csvLine([...Object.keys(FIGURES), 'question', 'answer']),
  lineOf(record) {
    const figures = figuresOf(record, options).map(([, figure]) => figure)
    const texts = [userTexts(record).at(-1) ?? '', answerTexts(record).join('\n')]
    return csvLine([...figures, ...texts])
  },
  end: (records, isWhole) => csvLine([`# ${endText(records, isWhole)}`]),
})

/** A body as the object that it is, or as its text. */
const bodyOf = (text: string | null): unknown => {
  if (text === null || text === '') return null
  try {
    return JSON.parse(text)
  } catch {
    // an error page of the upstream, or a body that was cut off
    return text
  }
}

const jsonl = (options: ExportOptions): ExportFormat => ({
  type: 'application/jsonl; charset=utf-8',
  head: '',
  lineOf(record) {
    const bodies = { request: bodyOf(record.request), response: bodyOf(record.response) }
    const line = {
      ...Object.fromEntries(figuresOf(record, options)),
      ...bodies,
    }
    return `${JSON.stringify(line)}\n`
  },
  end: (records, isWhole) =>
    `${JSON.stringify({ export: { records, isWhole, says: endText(records, isWhole) } })}\n`,
})

export const EXPORT_FORMATS = { csv, jsonl }

/** The texts of a file, a part of the log at a time; the first one when the search is known to be possible. */
export async function* exported(
  { records }: Pick<Store, 'records'>,
  query: Omit<RecordQuery, 'limit'>,
  { head, lineOf, end }: ExportFormat
): AsyncGenerator<string> {
  let text = head
  let written = 0
  let searched = 0
  let { after } = query
  while (written < MAX_EXPORTED && searched < MAX_SEARCHED) {
    const limit = Math.min(ROWS_AT_ONCE, MAX_EXPORTED - written)
    const page = { ...query, limit, bodies: true, ...(after !== undefined && { after }) }
    const found = await records.search(page)
    written += found.data.length
    searched += found.searched
    yield text + found.data.map(lineOf).join('')
    if (found.next === null) return yield end(written, true)
    text = ''
    after = found.next
  }
  yield end(written, false)
}

/**
 * Read as fast as its reader takes it.
 * @param onEnd called once, when it was read, broken off or failed
 * @throws what the first text throws, before anything is sent
 */
export const streamOf = async (
  texts: AsyncGenerator<string>,
  onEnd: (error?: unknown) => void
): Promise<ReadableStream<Uint8Array>> => {
  const encoder = new TextEncoder()
  let next: Promise<IteratorResult<string>> | null = texts.next()
  await next
  let isOpen = true
  const close = (error?: unknown): void => {
    if (isOpen) onEnd(error)
    isOpen = false
  }
  return new ReadableStream({
    async pull(controller) {
      try {
        const { done, value } = await (next ?? texts.next())
        next = null
        if (!isOpen) return
        if (done !== true) return controller.enqueue(encoder.encode(value))
        close()
        controller.close()
      } catch (error) {
        close(error)
        controller.error(error)
      }
    },
    cancel: () => close(),
  })
}
