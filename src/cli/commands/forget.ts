import { randomUUID } from 'node:crypto'
import { Command } from 'commander'
import type { Config } from '../../config/config.ts'
import type { Selection } from '../../core/log/selection.ts'
import { lockDataDir } from '../../config/data-dir.ts'
import { toAppError } from '../../errors.ts'
import { createLogger } from '../../process/logger.ts'
import { childFault, openWorkerFaults } from '../../process/open-faults.ts'
import { openEngine, workerDeps } from '../../main.ts'
import { readTask } from '../../lifecycle/forget-task.ts'
import { forget as forgetRecords, type ForgetReport } from '../../lifecycle/forget.ts'
import type { Store } from '../../store/store.ts'
import { settleForgotten } from '../../worker/forget.ts'
import { withStore } from '../context.ts'
import { print, table, type OutputOptions } from '../output.ts'

interface ForgetOptions extends OutputOptions {
  record?: string[]
  tenant?: string
  user?: string
  retire: boolean
  dryRun: boolean
}

const POLL_MS = 500
/** A worker looks between two steps, and a step may be a whole evaluation. */
const WAIT_MS = 120_000

const selectionOf = ({ record, tenant, user }: ForgetOptions): Selection => ({
  ...(record === undefined ? {} : { recordIds: record }),
  ...(tenant === undefined ? {} : { tenant }),
  ...(user === undefined ? {} : { user }),
})

/** Waits for the worker of another process. */
const waitForWorker = async (store: Store, task: string): Promise<void> => {
  const deadline = Date.now() + WAIT_MS
  while ((await readTask(store, task)) !== null && Date.now() < deadline)
    await new Promise((resolve) => setTimeout(resolve, POLL_MS))
}

/** Does the worker's part here. */
const settleHere = async (store: Store, config: Config, task: string): Promise<void> => {
  const learned = (await readTask(store, task))?.learned ?? []
  const isTrained = learned.some(({ trained }) => trained > 0)
  const needsEngine = isTrained && config.engine.kind !== 'none'
  const logger = createLogger(config.logLevel)
  const fault = openWorkerFaults(logger)
  const engine = needsEngine ? await openEngine(config, childFault(fault, 'engine-process')) : null
  try {
    await settleForgotten(
      workerDeps(config, store, {
        engine: engine?.engine ?? null,
        logger,
        fault,
        upstreams: [],
        prices: [],
      })
    )
  } finally {
    await engine?.close()
  }
}

/** @returns null when a worker runs elsewhere */
const lockWorker = (dataDir: string): Promise<(() => Promise<void>) | null> =>
  lockDataDir(dataDir, 'worker').catch((error: unknown) => {
    if (toAppError(error).code === 'conflict') return null
    throw error
  })

/** @returns whether the task is done */
const settle = async (store: Store, config: Config, task: string): Promise<boolean> => {
  const unlock = await lockWorker(config.dataDir)
  if (unlock === null) await waitForWorker(store, task)
  else await settleHere(store, config, task).finally(unlock)
  return (await readTask(store, task)) === null
}

const learnedTable = ({ learned }: ForgetReport): string =>
  table([
    ['internalization', 'template', 'state', 'trained on', 'held out', 'loras'],
    ...learned.map((row) => [
      row.id,
      row.templateVersion,
      row.state,
      String(row.trained),
      String(row.heldOut),
      row.loras.join(' '),
    ]),
  ])

const summary = ({ dryRun, records, bodies, learned }: ForgetReport): string => {
  if (dryRun) return `${records} records would be forgotten`
  if (records === 0 && learned.length === 0) return 'nothing fits: nothing was forgotten'
  return `${records} records with ${bodies} bodies are forgotten; running totals stay, numbers without text`
}

const hint = ({ learned, dryRun }: ForgetReport, retire: boolean): string[] => {
  if (dryRun || retire || !learned.some(({ trained }) => trained > 0)) return []
  return ['what these loras learned stays: --retire takes them back and deletes them']
}

const render = (report: ForgetReport, isDone: boolean, retire: boolean): string =>
  [
    summary(report),
    ...(report.learned.length === 0 ? [] : [learnedTable(report)]),
    ...hint(report, retire),
    ...(isDone
      ? []
      : [`the worker still has to clean up (${report.task}): it needs to run, with the engine`]),
  ].join('\n')

const forget = (options: ForgetOptions): Promise<void> =>
  withStore(async (store, config) => {
    const { retire, dryRun } = options
    const report = await forgetRecords(
      store,
      { selection: selectionOf(options), retire, dryRun },
      {
        by: 'cli',
        now: Date.now(),
        trafficShare: config.internalize.trafficShare,
        newId: randomUUID,
      }
    )
    const isDone = report.task === null || (await settle(store, config, report.task))
    print(options.json ? { ...report, isDone } : render(report, isDone, retire))
  })

const collect = (value: string, values: string[] = []): string[] => [...values, value]

export const forgetCommand = (): Command =>
  new Command('forget')
    .description(
      'delete records with all that holds their text, and name the loras trained on them; ' +
        'of several options, records must fit all'
    )
    .option('--record <id>', 'a record; repeatable', collect)
    .option('--tenant <hash>', 'all records of a tenant')
    .option(
      '--user <value>',
      'all records whose request says so in user, safety_identifier or metadata.user_id'
    )
    .option('--retire', 'take the routes of these loras back and delete the loras', false)
    .option('--dry-run', 'only count and name', false)
    .option('--json', 'print JSON')
    .action(forget)
