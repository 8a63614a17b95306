/**
 * Imports chat logs in JSONL, so that a team with existing logs can start at once. The worker finds
 * templates in them afterwards. `core/log/import-line.ts` knows the forms of a line.
 */
import { Command, Option } from 'commander'
import { batchOf } from '../../core/log/exchange-batch.ts'
import { readImportLine, type ImportOptions as LineOptions } from '../../core/log/import-line.ts'
import type { ExchangeRecord } from '../../core/log/record.ts'
import { AppError } from '../../errors.ts'
import type { Store } from '../../store/store.ts'
import { withStore } from '../context.ts'
import { openScreen, print, writeError, type OutputOptions, type Progress } from '../output.ts'
import { openFile, readLines, type Line, type OpenFile } from '../read-lines.ts'
import { credentialOf, KEY_ENV, tenantName, tenantOfCallers } from '../scan/import-tenant.ts'

interface ImportOptions extends OutputOptions {
  keyEnv: string
  tenant?: string
  model: string
  strict?: boolean
}

const BATCH_ROWS = 200
const BATCH_CHARS = 16 * 2 ** 20
const MAX_LINE_BYTES = 32 * 2 ** 20
const NAMED_LINES = 10

/** Every line that is not blank is counted once. */
interface Counts {
  /** new exchanges with an answer */
  imported: number
  /** in the log already */
  repeated: number
  /** new ones that teach no answer, but count for templates */
  withoutAnswer: number
  skipped: number
}

/** Writes the lines of one file into the log. */
class LogImport {
  readonly counts: Counts = { imported: 0, repeated: 0, withoutAnswer: 0, skipped: 0 }
  /** the first ones */
  readonly skippedLines: string[] = []
  private readonly store: Store
  private readonly options: LineOptions & { strict: boolean }
  private batch: ExchangeRecord[] = []
  private batchChars = 0

  constructor(store: Store, options: LineOptions & { strict: boolean }) {
    this.store = store
    this.options = options
  }

  /**
   * @returns whether records were written
   * @throws AppError `invalid-request` with `strict` for a line that is not a chat exchange
   */
  async add({ number, text }: Line): Promise<boolean> {
    if (text?.trim() === '') return false
    const read =
      text === null
        ? { reason: `it is longer than ${MAX_LINE_BYTES} bytes` }
        : readImportLine({ number, text, at: Date.now() }, this.options)
    if ('reason' in read) {
      await this.skip(number, read.reason)
      return false
    }
    this.batch.push(read.record)
    this.batchChars += read.record.request.length + (read.record.response?.length ?? 0)
    if (this.batch.length < BATCH_ROWS && this.batchChars < BATCH_CHARS) return false
    await this.flush()
    return true
  }

  async flush(): Promise<void> {
    const { records } = this.store
    const known = new Set(await records.knownIds(this.batch.map(({ id }) => id)))
    const added = this.batch.filter(({ id }) => !known.has(id))
    await records.append(batchOf(added))
    const answered = added.filter(({ response }) => response !== null).length
    this.counts.imported += answered
    this.counts.withoutAnswer += added.length - answered
    this.counts.repeated += known.size
    this.batch = []
    this.batchChars = 0
  }

  private async skip(line: number, reason: string): Promise<void> {
    if (this.options.strict) {
      await this.flush()
      throw new AppError(
        'invalid-request',
        `line ${line}: ${reason}; the lines before it are imported`
      )
    }
    this.counts.skipped++
    if (this.skippedLines.length < NAMED_LINES)
      this.skippedLines.push(`line ${line} is skipped: ${reason}`)
  }
}

const tellSkipped = ({ skippedLines, counts }: LogImport): void => {
  const more = counts.skipped - skippedLines.length
  const lines = more > 0 ? [...skippedLines, `${more} more lines are skipped`] : skippedLines
  for (const line of lines) writeError(`${line}\n`)
}

const readAll = async (
  { size, chunks }: OpenFile,
  log: LogImport,
  progress: Progress
): Promise<void> => {
  try {
    for await (const line of readLines(chunks, MAX_LINE_BYTES))
      if (await log.add(line)) progress.update('imported', line.bytes, size)
    await log.flush()
    progress.update('imported', size, size)
  } finally {
    progress.stop()
    tellSkipped(log)
  }
}

const textOf = ({ imported, repeated, withoutAnswer, skipped }: Counts, tenant: string): string =>
  `${imported} imported, ${repeated} repeated, ${withoutAnswer} without an answer, ` +
  `${skipped} skipped; tenant ${tenant}`

const importFile = async (path: string, options: ImportOptions): Promise<void> => {
  const { tenant: given, keyEnv, model, strict = false } = options
  // before the data directory is made
  const file = await openFile(path)
  try {
    if (given === undefined) credentialOf(keyEnv)
    await withStore(
      async (store, config) => {
        const tenant = given ?? (await tenantOfCallers(store, config, keyEnv))
        const maxBodyBytes = config.proxy.captureMaxBytes
        const log = new LogImport(store, { tenant, model, maxBodyBytes, strict })
        await readAll(file, log, openScreen(config.logLevel).progress)
        const { counts } = log
        if (counts.skipped > 0 && counts.imported + counts.repeated + counts.withoutAnswer === 0)
          throw new AppError('invalid-request', `${path} has no line that is a chat exchange`)
        print(options.json ? { ...counts, tenant } : textOf(counts, tenant))
      },
      { creates: true }
    )
  } finally {
    await file.close()
  }
}

export const importCommand = (): Command =>
  new Command('import')
    .description(
      'import chat logs in JSONL into the log; lines already in the log are not imported again'
    )
    .argument('<file>', 'JSONL: {messages, response}, {request, response} or fine-tuning rows')
    .option(
      '--key-env <name>',
      'environment variable with the API key that the callers use',
      KEY_ENV
    )
    .addOption(
      new Option('--tenant <tenant>', 'tenant of the log, as status lists it; replaces --key-env')
        .argParser(tenantName)
        .conflicts('keyEnv')
    )
    .option('--model <name>', 'model for lines without one', 'gpt-4o-mini')
    .option('--strict', 'end at the first line that is not a chat exchange; default: skip it')
    .option('--json', 'print JSON')
    .action(importFile)
