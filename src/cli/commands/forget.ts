import { randomUUID } from 'node:crypto'
import { Command } from 'commander'
import type { Config } from '../../config/config.ts'
import { shortId } from '../../core/template/name.ts'
import type { Selection } from '../../core/log/selection.ts'
import type { ReportFault, WorkerFault } from '../../fault-log.ts'
import { createLogger, type Logger } from '../../process/logger.ts'
import { childFault, openWorkerFaults } from '../../process/open-faults.ts'
import { openEngine } from '../../opening.ts'
import { readTask } from '../../lifecycle/forget-task.ts'
import { forget as forgetRecords, type ForgetReport } from '../../lifecycle/forget.ts'
import type { OpenStore, Store } from '../../store/store.ts'
import { settleForgotten } from '../../worker/forget.ts'
import { claimOf, type WorkerLeases } from '../../worker/leases.ts'
import { withStore } from '../context.ts'
import { whileLeading } from '../leading.ts'
import { RUBRIC } from '../../core/judge/judge-prompt.ts'
import { workerDeps } from '../worker-deps.ts'
import { print, table, type OutputOptions } from '../output.ts'
import { readTitles, type Titles } from '../titles.ts'

interface ForgetOptions extends OutputOptions {
  record?: string[]
  tenant?: string
  user?: string
  retire: boolean
  dryRun: boolean
}

const POLL_MS = 500
/** A worker checks for tasks between two steps, and a step may be a whole evaluation. */
const WAIT_MS = 120_000

const selectionOf = ({ record, tenant, user }: ForgetOptions): Selection => ({
  ...(record === undefined ? {} : { recordIds: record }),
  ...(tenant === undefined ? {} : { tenant }),
  ...(user === undefined ? {} : { user }),
})

/** Waits until the worker of another process has finished the task. */
const waitForWorker = async (store: Store, task: string): Promise<void> => {
  const deadline = Date.now() + WAIT_MS
  while ((await readTask(store, task)) !== null && Date.now() < deadline)
    await new Promise((resolve) => setTimeout(resolve, POLL_MS))
}

interface Here {
  store: Store
  leases: WorkerLeases
  logger: Logger
  fault: ReportFault<WorkerFault>
}

/** Does the worker's part of the task in this process. */
const settleHere = async (
  { store, leases, logger, fault }: Here,
  config: Config,
  task: string
): Promise<void> => {
  const learned = (await readTask(store, task))?.learned ?? []
  const isTrained = learned.some(({ trained }) => trained > 0)
  const needsEngine = isTrained && config.engine.kind !== 'none'
  const engine = needsEngine ? await openEngine(config, childFault(fault, 'engine-process')) : null
  try {
    const parts = {
      engine: engine?.engine ?? null,
      logger,
      fault,
      upstreams: [],
      prices: [],
      rubric: RUBRIC,
    }
    await settleForgotten({ ...workerDeps(config, store, parts), claim: claimOf(leases) })
  } finally {
    await engine?.close()
  }
}

/** @returns whether the task is done */
const settle = async (store: OpenStore, config: Config, task: string): Promise<boolean> => {
  const logger = createLogger(config.logLevel, { form: 'text' })
  const fault = openWorkerFaults(logger)
  const done = await whileLeading({ config, store, fault }, (led, leases) =>
    settleHere({ store: led, leases, logger, fault }, config, task)
  )
  if (done === null) await waitForWorker(store, task)
  return (await readTask(store, task)) === null
}

const learnedTable = ({ learned }: ForgetReport, titles: Titles): string =>
  table(
    [
      ['internalization', 'template', 'state', 'trained on', 'held out', 'loras'],
      ...learned.map((row) => [
        shortId(row.id),
        titles.title(row.templateVersion),
        row.state,
        row.trained,
        row.heldOut,
        row.loras.join(' '),
      ]),
    ],
    1
  )

const summary = ({ dryRun, records, bodies, learned }: ForgetReport): string => {
  if (dryRun) return `${records} records would be deleted`
  if (records === 0 && learned.length === 0) return 'no record matches: nothing was deleted'
  return `${records} records with ${bodies} bodies were deleted; the running totals, which have no text, stay`
}

const hint = ({ learned, dryRun }: ForgetReport, retire: boolean): string[] => {
  if (dryRun || retire || !learned.some(({ trained }) => trained > 0)) return []
  return ['these loras still contain the records: --retire deletes the loras and their routes']
}

const render = (
  report: ForgetReport,
  titles: Titles,
  { isDone, retire }: { isDone: boolean; retire: boolean }
): string =>
  [
    summary(report),
    ...(report.learned.length === 0 ? [] : [learnedTable(report, titles)]),
    ...hint(report, retire),
    ...(isDone
      ? []
      : [`the clean-up is not finished (${report.task}): start the worker with its engine`]),
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
        rollout: config.rollout,
        newId: randomUUID,
      }
    )
    const isDone = report.task === null || (await settle(store, config, report.task))
    if (options.json) return print({ ...report, isDone })
    print(render(report, await readTitles(store), { isDone, retire }))
  })

const collect = (value: string, values: string[] = []): string[] => [...values, value]

export const forgetCommand = (): Command =>
  new Command('forget')
    .description(
      'delete records and all copies of their text, and name the loras trained on them; ' +
        'several options select the records that match all of them'
    )
    .option('--record <id>', 'id of a record; repeatable', collect)
    .option('--tenant <hash>', 'all records of a tenant')
    .option(
      '--user <value>',
      'all records with this user, safety_identifier or metadata.user_id in the request'
    )
    .option('--retire', 'retire the routes of these loras and delete the loras', false)
    .option('--dry-run', 'report only; delete nothing', false)
    .option('--json', 'print JSON')
    .action(forget)
