/**
 * The product's proof, as a black box: a replay upstream, the real server on an empty data
 * directory, the official client. Traffic in, template live (or rejected with its reason), fresh
 * test rows, one table. See bench/RESULTS.md.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { percent } from '../src/core/figure-text.ts'
import { createProgress, table } from '../src/cli/output.ts'
import { parseConfig } from '../src/config/config.ts'
import { withPriceList } from '../src/core/cost/price-list.ts'
import { parsePrices } from '../src/config/price-file.ts'
import type { Internalization } from '../src/core/internalization/internalization.ts'
import type { Template } from '../src/core/template/template.ts'
import type { ChatRequest } from '../src/openai/chat.ts'
import { formatFigures, writeReport, type Figures } from '../test/kit/report.ts'
import { ARMS, type BenchArm } from './task/arms.ts'
import { compare, type Comparison } from './task/compare.ts'
import { costFigures, costTable, taskCalls, type TaskPrices } from './task/costs.ts'
import { productFigures, trainingFigures, type Rendered } from './task/figures.ts'
import { embeddedEngine, remoteEngine } from './task/engines.ts'
import { growRoute, growthTable } from './task/grow.ts'
import { learnFromAll, sendTraffic, TRAFFIC_LANES } from './task/traffic.ts'
import { loadTask, readRows, renderRequest, type Task, type TaskRow } from './harness/data.ts'
import { startProxy, type ProxyProcess } from '../test/kit/process/proxy-process.ts'
import { startReplayUpstream, type ReplayUpstream } from '../test/kit/upstream/replay-upstream.ts'
import { sendAll } from '../test/kit/traffic/send-all.ts'
import {
  endReason,
  minutesToVerdict,
  waitForVerdict,
} from '../test/kit/process/internalizations.ts'
import { optional, readOptions } from './harness/options.ts'
import { changedConstants } from '../test/kit/process/loop-settings.ts'
import type { ConstantChanges } from '../src/config/constants.ts'

const CLIENT_MODEL = 'gpt-4o-mini'
/** The proxy looks for new routes every second; until then requests go to the upstream. */
const ROUTE_PICKUP_MS = 2000
/** A template may leave some requests to the upstream, so there may have to be more traffic. */
const MOST_TRAFFIC = 1.2

const args = readOptions({
  task: optional,
  test: optional,
  prefix: optional,
  model: optional,
  // an engine that runs already, in place of the embedded one with --model; ENGINE_TOKEN is its token
  engineUrl: optional,
  train: 1500,
  holdout: 1000,
  // the first requests alone, split as the product splits them; 0: as many as `train` and `holdout` need
  exchanges: 0,
  testRows: 500,
  armRows: 500,
  // a row with the whole prompt takes seconds
  fullPromptRows: 200,
  minutes: 0,
  // a sentence encoder for heads; and the arms that the product lets compete, by default all
  encoder: optional,
  learn: '',
  margin: 0.05,
  // comparisons beside the product, or `none`
  arms: 'base-full,base-query,query-only,schedule',
  // of models that the project has no price of, or another one
  prices: optional,
  // from the first 300 exchanges on, with all rows of the task as traffic and the product's own settings
  grow: false,
  keep: false,
  // continues in a data directory that --keep left: a live route is measured, not trained again
  data: optional,
})

const required = (name: 'task' | 'model'): string => {
  const value = args[name]
  if (value === undefined) throw new Error(`--${name} is needed`)
  return value
}

const engineUrl = args.engineUrl
const taskEngine =
  engineUrl === undefined
    ? embeddedEngine(required('model'), args.encoder ?? null)
    : remoteEngine(engineUrl, process.env['ENGINE_TOKEN'] ?? null)

const wantedArms = args.arms === 'none' ? [] : args.arms.split(',')

/** The arms that the engine is asked for. */
const armNames = (): BenchArm[] =>
  wantedArms.map((name) => {
    const arm = ARMS.find((known) => known === name)
    if (arm === undefined) throw new Error(`--arms knows ${ARMS.join(', ')}, not ${name}`)
    return arm
  })

const testFile = (folder: string): { path: string; note: string } => {
  if (args.test !== undefined) return { path: args.test, note: args.test }
  const test = join(folder, 'test.jsonl')
  return existsSync(test)
    ? { path: test, note: 'test.jsonl' }
    : { path: join(folder, 'valid.jsonl'), note: 'valid.jsonl, since there is no test.jsonl' }
}

/** Requests of the rows, known to the upstream with their gold answers and counted in model tokens. */
const prepare = async (
  task: Task,
  rows: TaskRow[],
  upstream: ReplayUpstream
): Promise<Rendered> => {
  const requests = rows.map((row) => renderRequest(task, row, CLIENT_MODEL))
  const promptTokens = await taskEngine.countTokens(requests)
  requests.forEach((request, index) =>
    upstream.add(request.messages, rows[index]!.answer, promptTokens[index]!)
  )
  return { rows, requests, promptTokens }
}

const progress = createProgress()

const showState = (state: Internalization['state']): void => {
  const detail = state.name === 'training' ? `arm ${state.arm} stage ${state.stage}` : ''
  progress.update(`state ${state.name} ${detail}`, 1, 1)
}

const compareArms = (
  input: Pick<Comparison, 'dataDir' | 'internalization' | 'template' | 'test'>
): Promise<Figures> => {
  const { armRows, fullPromptRows } = args
  return compare({
    ...input,
    taskEngine,
    arms: armNames(),
    most: { armRows, fullPromptRows },
    onArm: (arm, result) =>
      progress.update(`arm ${arm}`, result === null ? 0 : 1, 1, result ?? undefined),
  })
}

/** The figures are those of the last stage. */
const ROLLOUT_CONSTANTS: ConstantChanges = { auditShare: 0 }

const rowConstants = ({ train, holdout, exchanges } = args): ConstantChanges =>
  exchanges > 0 ? {} : { trainRows: train, holdoutRows: holdout, startExchanges: train + holdout }

const environment = (dataDir: string, upstream: ReplayUpstream): Record<string, string> => ({
  DATA_DIR: dataDir,
  UPSTREAM_BASE_URL: upstream.baseUrl,
  ...taskEngine.environment,
  AUTO_PROMOTE: 'true',
  ...(!args.grow && { ROLLOUT_STAGES: '1' }),
  ARMS: args.learn,
  ...(!args.grow && args.exchanges > 0 && { AUTO_INTERNALIZE: 'false' }),
  ...changedConstants({
    ...(!args.grow && { ...ROLLOUT_CONSTANTS, ...rowConstants() }),
  }),
  // the rows of a task are sent within minutes and do not depend on each other
  BURST_MINUTES: '0',
  TRAIN_MINUTES: String(args.minutes),
  MARGIN: String(args.margin),
})

/** What the engine costs an hour, for the figures: the key of the product. */
const usdPerHour = parseConfig({
  ENGINE_USD_PER_HOUR: process.env['ENGINE_USD_PER_HOUR'],
}).engineUsdPerHour

const taskPrices: TaskPrices = {
  prices: withPriceList(
    args.prices === undefined ? [] : parsePrices(readFileSync(args.prices, 'utf8'))
  ),
  model: CLIENT_MODEL,
  usdPerHour,
}

const save = (figures: Figures): void => {
  if (args.out !== undefined) writeReport(args.out, figures)
}

const show = (figures: Figures, testNote: string): void => {
  progress.stop()
  process.stdout.write(`test rows from ${testNote}\n${formatFigures(figures)}\n`)
  const accuracies = Object.entries(figures).filter(([name]) => name.startsWith('accuracy_'))
  process.stdout.write(
    `\n${table([
      ['arm', 'accuracy'],
      ...accuracies.map(([name, { value }]) => [
        name.replace('accuracy_', ''),
        percent(Number(value)),
      ]),
    ])}\n`
  )
  const costs = costTable(figures)
  if (costs.length === 0) return
  process.stdout.write(
    `\n${table([['USD per million requests', 'cache warm', 'no cache'], ...costs])}\n`
  )
}

/** Follows a template from its first exchanges to the end of the task's rows. */
const runGrowth = async (): Promise<void> => {
  const task = loadTask(required('task'), args.prefix)
  const upstream = await startReplayUpstream()
  const all = await prepare(task, task.train, upstream)
  const dataDir = mkdtempSync(join(tmpdir(), 'promptintern-bench-'))
  const proxy = await startProxy(environment(dataDir, upstream))
  try {
    const growth = await growRoute(proxy, all, (sent) =>
      progress.update('traffic', sent, all.requests.length)
    )
    save(growth.figures)
    progress.stop()
    process.stdout.write(`${formatFigures(growth.figures)}\n\n${table(growthTable(growth))}\n`)
  } finally {
    await proxy.stop()
    await upstream.close()
    if (!args.keep) rmSync(dataDir, { recursive: true, force: true })
  }
}

const teach = (proxy: ProxyProcess, requests: ChatRequest[], wanted: number): Promise<void> => {
  const onSent = (sent: number): void => progress.update('traffic', sent, Math.max(wanted, sent))
  return args.exchanges === 0
    ? sendTraffic(proxy, requests, wanted, onSent)
    : learnFromAll(proxy, requests.slice(0, wanted), onSent)
}

const run = async (): Promise<void> => {
  const task = loadTask(required('task'), args.prefix)
  const testSource = testFile(required('task'))
  const upstream = await startReplayUpstream()
  const wanted = args.exchanges || args.train + args.holdout
  const testRows = readRows(testSource.path).slice(0, args.testRows)
  const tested = new Set(testRows.map((row) => row.query))
  const spare = task.train.slice(wanted, wanted * MOST_TRAFFIC)
  const traffic = [...task.train.slice(0, wanted), ...spare.filter((row) => !tested.has(row.query))]
  const train = await prepare(task, traffic, upstream)
  const test = await prepare(task, testRows, upstream)

  const dataDir = args.data ?? mkdtempSync(join(tmpdir(), 'promptintern-bench-'))
  const keep = args.keep || args.data !== undefined
  if (keep) process.stderr.write(`data directory ${dataDir}\n`)
  const proxy = await startProxy(environment(dataDir, upstream))
  const figures: Figures = {}
  try {
    if (args.data === undefined) await teach(proxy, train.requests, wanted)
    const internalization = await waitForVerdict(proxy, showState)
    const { state } = internalization
    figures.state = { value: state.name, unit: '' }
    figures.reason = { value: endReason(internalization), unit: '' }
    Object.assign(figures, trainingFigures(internalization))
    figures.minutes_to_verdict = {
      value: await minutesToVerdict(proxy, internalization),
      unit: 'min',
    }
    await delay(ROUTE_PICKUP_MS)
    const outcomes = await sendAll(proxy.baseUrl, test.requests, {
      concurrency: TRAFFIC_LANES,
      onDone: (done) => progress.update('test rows', done, test.requests.length),
    })
    const template = await proxy.admin<Template>(`/templates/${internalization.templateVersion}`)
    await proxy.stop()
    figures.peak_mb = { value: proxy.peakMiB(), unit: 'MiB' }
    const product = productFigures(test, outcomes)
    Object.assign(figures, product.figures)
    const calls = taskCalls(test, outcomes, { lanes: TRAFFIC_LANES, ...product })
    Object.assign(figures, costFigures(calls, taskPrices))
    // an hour's results are written before another step can fail
    save(figures)
    if (internalization.plan !== null)
      Object.assign(figures, await compareArms({ dataDir, internalization, template, test }))
  } finally {
    if (!proxy.exited()) await proxy.kill()
    await upstream.close()
    if (!keep) rmSync(dataDir, { recursive: true, force: true })
  }
  show(figures, testSource.note)
  save(figures)
}

await (args.grow ? runGrowth() : run())
