/**
 * Imports chat logs, so that a team with existing logs can start at once. The worker finds
 * templates in them afterwards. `core/log/import-line.ts` knows the forms of a line.
 */
import { Command, Option } from 'commander'
import { batchOf } from '../../core/log/exchange-batch.ts'
import type { ImportOptions as LineOptions } from '../../core/log/import-line.ts'
import type { ExchangeRecord } from '../../core/log/record.ts'
import { AppError } from '../../errors.ts'
import type { Store } from '../../store/store.ts'
import { withStore } from '../context.ts'
import { openScreen, print, writeError, type OutputOptions, type Progress } from '../output.ts'
import { noExchange, readLog, type LogEntry } from '../log-file/read-log.ts'
import { openFile, type OpenFile } from '../read-lines.ts'
import { credentialOf, KEY_ENV, tenantName, tenantOfCallers } from '../scan/import-tenant.ts'

interface ImportOptions extends OutputOptions {
  keyEnv: string
  tenant?: string
  model: string
  strict?: boolean
}

const BATCH_ROWS = 200
const BATCH_CHARS = 16 * 2 ** 20
const NAMED_LINES = 10

/** Every exchange, and every line or part of one that is none, is counted once. */
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
  /** why the first one is none */
  firstReason: string | undefined
  private batch: ExchangeRecord[] = []
  private batchChars = 0

  constructor(
    private readonly store: Store,
    private readonly strict: boolean
  ) {}

  /**
   * @returns whether records were written
   * @throws AppError `invalid-request` with `strict` for a line that is not a chat exchange
   */
  async add({ number, found }: LogEntry): Promise<boolean> {
    let isWritten = false
    for (const read of found) {
      if ('reason' in read) {
        await this.skip(number, read.reason)
        continue
      }
      this.batch.push(read.record)
      this.batchChars += read.record.request.length + (read.record.response?.length ?? 0)
      if (this.batch.length < BATCH_ROWS && this.batchChars < BATCH_CHARS) continue
      await this.flush()
      isWritten = true
    }
    return isWritten
  }

  async flush(): Promise<void> {
    const { records } = this.store
    // an export may have an exchange twice
    const batch = new Map(this.batch.map((record) => [record.id, record]))
    const known = new Set(await records.knownIds([...batch.keys()]))
    const added = [...batch.values()].filter(({ id }) => !known.has(id))
    await records.append(batchOf(added))
    const answered = added.filter(({ response }) => response !== null).length
    this.counts.imported += answered
    this.counts.withoutAnswer += added.length - answered
    this.counts.repeated += this.batch.length - added.length
    this.batch = []
    this.batchChars = 0
  }

  private async skip(line: number, reason: string): Promise<void> {
    if (this.strict) {
      await this.flush()
      throw new AppError(
        'invalid-request',
        `line ${line}: ${reason}; the lines before it are imported`
      )
    }
    this.counts.skipped++
    this.firstReason ??= reason
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
  options: LineOptions,
  log: LogImport,
  progress: Progress
): Promise<void> => {
  try {
    for await (const entry of readLog(chunks, options, Date.now))
      if (await log.add(entry)) progress.update('imported', entry.bytes, size)
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
        const log = new LogImport(store, strict)
        const { progress } = openScreen(config.logLevel)
        await readAll(file, { tenant, model, maxBodyBytes }, log, progress)
        const { counts } = log
        if (counts.skipped > 0 && counts.imported + counts.repeated + counts.withoutAnswer === 0)
          throw noExchange(path, log.firstReason)
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
      'import chat logs into the log; exchanges already in the log are not imported again'
    )
    .argument(
      '<file>',
      'JSON or JSONL: {messages, response}, {request, response}, fine-tuning rows, or an export of Langfuse, OpenTelemetry, LiteLLM, OpenAI or Anthropic (docs/scan.md)'
    )
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
