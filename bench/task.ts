/**
 * The product's proof, as a black box: a replay upstream, the real server on an empty data
 * directory, the official client. Traffic in, template live (or rejected with its reason), fresh
 * test rows, one table. See bench/RESULTS.md.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { createProgress, percent, table } from '../src/cli/output.ts'
import { parseConfig } from '../src/config/config.ts'
import { parsePrices } from '../src/core/cost/prices.ts'
import type { Internalization } from '../src/core/lifecycle/internalization.ts'
import { comparisonOf } from '../test/kit/model/comparison.ts'
import type { Template } from '../src/core/template/template.ts'
import type { Engine } from '../src/engine/engine.ts'
import type { ChatRequest } from '../src/openai/chat.ts'
import { isUnfinished } from '../src/openai/fine-tuning.ts'
import { formatFigures, spread, writeReport, type Figures } from '../test/kit/report.ts'
import { ARMS, recognizedOf, runArm, type ArmContext, type BenchArm } from './task/arms.ts'
import { costFigures, costTable, taskCalls, type TaskPrices } from './task/costs.ts'
import { latencyFigures, productFigures, trainingFigures, type Rendered } from './task/figures.ts'
import { embeddedEngine, remoteEngine } from './task/engines.ts'
import { adaptedMessages, matching } from '../test/kit/model/adapted.ts'
import { curveFigures } from './task/curve.ts'
import { followShift, readShift } from './task/shift.ts'
import { answerMs, measureLatencies } from '../test/kit/model/latency.ts'
import { fromRoot } from '../test/kit/process/from-root.ts'
import { loadTask, readRows, renderRequest, type Task, type TaskRow } from './harness/data.ts'
import { startProxy, type ProxyProcess } from '../test/kit/process/proxy-process.ts'
import { startReplayUpstream, type ReplayUpstream } from '../test/kit/upstream/replay-upstream.ts'
import { sendAll } from '../test/kit/traffic/send-all.ts'
import {
  newestInternalization,
  minutesToVerdict,
  waitForVerdict,
} from '../test/kit/process/internalizations.ts'

const CLIENT_MODEL = 'gpt-4o-mini'
const TRAFFIC_LANES = 8
const LATENCY_ROUNDS = 15
/** The proxy looks for new routes every second; until then requests go to the upstream. */
const ROUTE_PICKUP_MS = 2000
/** The successor's training with its evaluation, as a multiple of the time for training. */
const SHIFT_TRAININGS = 2
/** A template may leave some requests to the upstream, so there may have to be more traffic. */
const MORE_TRAFFIC = 0.05
const MOST_TRAFFIC = 1.2
/** how long the worker may take to read a batch of the log */
const CANDIDATE_MS = 20_000

const { values: args } = parseArgs({
  options: {
    task: { type: 'string' },
    test: { type: 'string' },
    prefix: { type: 'string' },
    model: { type: 'string' },
    // an engine that runs already, in place of the embedded one with --model; ENGINE_TOKEN is its token
    'engine-url': { type: 'string' },
    train: { type: 'string', default: '1500' },
    holdout: { type: 'string', default: '1000' },
    'test-rows': { type: 'string', default: '500' },
    'arm-rows': { type: 'string', default: '500' },
    // a row with the whole prompt takes seconds
    'full-prompt-rows': { type: 'string', default: '200' },
    minutes: { type: 'string', default: '0' },
    // a sentence encoder for heads; and the arms that the product lets compete, by default all
    encoder: { type: 'string' },
    learn: { type: 'string', default: '' },
    schedule: { type: 'string', default: 'exponential' },
    margin: { type: 'string', default: '0.05' },
    // comparisons beside the product, or `none`
    arms: { type: 'string', default: 'base-full,base-query,query-only,schedule' },
    prices: { type: 'string', default: fromRoot('bench/prices.json') },
    // a file of old and new answers: what becomes of the live route when the upstream changes its answers
    shift: { type: 'string' },
    // also trains on parts of the rows, and ends with what the learning curve says
    'learning-curve': { type: 'boolean', default: false },
    'audit-share': { type: 'string', default: '0.6' },
    out: { type: 'string' },
    keep: { type: 'boolean', default: false },
    // continues in a data directory that --keep left: a live route is measured, not trained again
    data: { type: 'string' },
  },
})

const required = (name: 'task' | 'model'): string => {
  const value = args[name]
  if (value === undefined) throw new Error(`--${name} is needed`)
  return value
}

const engineUrl = args['engine-url']
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

const beginsSoon = async (proxy: ProxyProcess): Promise<boolean> => {
  const deadline = Date.now() + CANDIDATE_MS
  while (Date.now() < deadline) {
    if ((await newestInternalization(proxy)) !== null) return true
    await delay(1000)
  }
  return false
}

/** Sends the first `wanted` requests, then more by and by until an internalization begins. */
const sendTraffic = async (
  proxy: ProxyProcess,
  requests: ChatRequest[],
  wanted: number
): Promise<void> => {
  let sent = 0
  do {
    const end = sent === 0 ? wanted : sent + Math.ceil(wanted * MORE_TRAFFIC)
    const batch = requests.slice(sent, end)
    await sendAll(proxy.baseUrl, batch, {
      concurrency: TRAFFIC_LANES,
      onDone: (done) => progress.update('traffic', sent + done, Math.max(wanted, sent + done)),
    })
    sent += batch.length
    if (await beginsSoon(proxy)) return
  } while (sent < requests.length)
  const { data } = await proxy.admin<{ data: unknown[] }>('/templates')
  throw new Error(
    `no internalization began after ${sent} requests; templates: ${JSON.stringify(data)}`
  )
}

const showState = (state: Internalization['state']): void => {
  const detail = state.name === 'training' ? `arm ${state.arm} stage ${state.stage}` : ''
  progress.update(`state ${state.name} ${detail}`, 1, 1)
}

const FULL_PROMPT_ARMS = new Set<BenchArm>(['base-full', 'tuned-full'])

const ARM_FIGURES: Record<BenchArm, string> = {
  'base-full': 'accuracy_base_full',
  'base-query': 'accuracy_base_query',
  'query-only': 'accuracy_query_only_arm',
  schedule: 'accuracy_promptintern',
  'tuned-full': 'accuracy_tuned_full',
}

interface Comparison {
  dataDir: string
  internalization: Internalization
  template: Template
  test: Rendered
  train: Rendered
}

/** An interrupted run may have left a job, which would train during the measurements. */
const cancelLeftovers = async (engine: Engine): Promise<void> => {
  for (const job of await engine.findJobs({})) if (isUnfinished(job)) await engine.cancelJob(job.id)
}

/** Arms and latencies, asked at an engine of their own on the same loras. */
const compare = async (input: Comparison): Promise<Figures> => {
  const { dataDir, internalization, template, test, train } = input
  const { engine, close } = await taskEngine.open(dataDir)
  const match = matching(template)
  const rowsOf = (arm: BenchArm) =>
    recognizedOf(
      match,
      test,
      Number(args[FULL_PROMPT_ARMS.has(arm) ? 'full-prompt-rows' : 'arm-rows'])
    )
  const trained = recognizedOf(match, train, Number(args.train))
  const context: ArmContext = {
    engine,
    template,
    match,
    internalization,
    comparison: comparisonOf(test.rows.map((row) => row.answer)),
    ...recognizedOf(match, test),
  }
  const figures: Figures = {}
  try {
    await cancelLeftovers(engine)
    const { baseModel: base, answers, arms } = internalization.plan!
    const requests = context.requests.slice(0, LATENCY_ROUNDS)
    const learned = (hasEncoder: boolean) =>
      arms.findLast(({ encoder }) => (encoder !== undefined) === hasEncoder)?.results.at(-1)?.lora
    const [lora, head] = [learned(false), learned(true)]
    if (head !== undefined)
      figures.head_answer_ms = spread(
        await answerMs(engine, head, requests.map(adaptedMessages(match))),
        'ms'
      )
    if (lora !== undefined) {
      const models = { base, lora, labels: answers.labels }
      const latencies = await measureLatencies(engine, models, requests, adaptedMessages(match))
      Object.assign(figures, latencyFigures(latencies))
    }
    for (const arm of armNames()) {
      progress.update(`arm ${arm}`, 0, 1)
      const asked = rowsOf(arm)
      const value = await runArm(
        arm,
        { ...context, ...asked },
        {
          requests: trained.requests,
          answers: trained.rows.map((row) => row.answer),
          seconds: (Number(args.minutes) || 20) * 60,
        }
      )
      progress.update(`arm ${arm}`, 1, 1, value === null ? 'not trained' : percent(value))
      if (value === null) continue
      figures[ARM_FIGURES[arm]] = { value, unit: 'share' }
      figures[FULL_PROMPT_ARMS.has(arm) ? 'full_prompt_rows' : 'arm_rows'] = {
        value: asked.rows.length,
        unit: 'rows',
      }
    }
    return figures
  } finally {
    await close()
  }
}

const environment = (dataDir: string, upstream: ReplayUpstream): Record<string, string> => ({
  DATA_DIR: dataDir,
  UPSTREAM_BASE_URL: upstream.baseUrl,
  ...taskEngine.environment,
  AUTO_PROMOTE: 'true',
  // the figures are those of the last stage; a shift goes through all of them
  ...(args.shift === undefined
    ? { ROLLOUT_STAGES: '1', AUDIT_SHARE: '0' }
    : { AUDIT_SHARE: args['audit-share'], ROLLOUT_MIN_HOURS: '0' }),
  LEARNING_CURVE: String(args['learning-curve']),
  ARMS: args.learn,
  TRAIN_ROWS: args.train,
  HOLDOUT_ROWS: args.holdout,
  // the rows of a task are sent within minutes and do not depend on each other
  BURST_MINUTES: '0',
  TRAIN_MINUTES: args.minutes,
  SCHEDULE: args.schedule,
  MARGIN: args.margin,
})

/** What the engine costs an hour, for the figures: the key of the product. */
const usdPerHour = parseConfig({
  ENGINE_USD_PER_HOUR: process.env['ENGINE_USD_PER_HOUR'],
}).engineUsdPerHour

const taskPrices = (plan: Internalization['plan']): TaskPrices => ({
  prices: parsePrices(readFileSync(args.prices, 'utf8')),
  model: CLIENT_MODEL,
  baseModel: plan?.baseModel ?? null,
  usdPerHour,
})

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

const minutesAndSeconds = (seconds: number): string =>
  `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`

/** Follows the live route through a change of the upstream's answers, with the rest of the traffic. */
const runShift = async (
  proxy: ProxyProcess,
  upstream: ReplayUpstream,
  figures: Figures,
  { task, sent }: { task: Task; sent: TaskRow[] }
): Promise<void> => {
  const used = new Set(sent)
  const { requests } = await prepare(
    task,
    task.train.filter((row) => !used.has(row)),
    upstream
  )
  const limitMs = SHIFT_TRAININGS * (Number(args.minutes) || 60) * 60_000
  const shift = readShift(args.shift!)
  const followed = await followShift({ proxy, upstream, requests, shift, limitMs })
  Object.assign(figures, followed.figures)
  save(figures)
  progress.stop()
  process.stdout.write(
    `${formatFigures(figures)}\n\n${table([
      ['since the first promotion', 'event'],
      ...followed.timeline.map(({ seconds, event }) => [minutesAndSeconds(seconds), event]),
    ])}\n`
  )
}

const runCurve = async (
  proxy: ProxyProcess,
  { id }: Internalization,
  figures: Figures
): Promise<void> => {
  const curve = await curveFigures(proxy, id, (judged, planned) =>
    progress.update('learning curve', judged, planned)
  )
  Object.assign(figures, curve.figures)
  save(figures)
  progress.stop()
  process.stdout.write(`${formatFigures(figures)}\n\n${curve.text.join('\n')}\n`)
}

const run = async (): Promise<void> => {
  const task = loadTask(required('task'), args.prefix)
  const testSource = testFile(required('task'))
  const upstream = await startReplayUpstream()
  const wanted = Number(args.train) + Number(args.holdout)
  const testRows = readRows(testSource.path).slice(0, Number(args['test-rows']))
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
    if (args.data === undefined) await sendTraffic(proxy, train.requests, wanted)
    const internalization = await waitForVerdict(proxy, showState)
    const { state } = internalization
    figures.state = { value: state.name, unit: '' }
    const reason =
      'reason' in state ? state.reason : (internalization.verdict?.reason ?? 'no verdict')
    figures.reason = { value: reason, unit: '' }
    Object.assign(figures, trainingFigures(internalization))
    figures.minutes_to_verdict = {
      value: await minutesToVerdict(proxy, internalization),
      unit: 'min',
    }
    await delay(ROUTE_PICKUP_MS)
    if (args['learning-curve']) return await runCurve(proxy, internalization, figures)
    if (args.shift !== undefined)
      return await runShift(proxy, upstream, figures, { task, sent: traffic })
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
    Object.assign(figures, costFigures(calls, taskPrices(internalization.plan)))
    // an hour's results are written before another step can fail
    save(figures)
    if (internalization.plan !== null)
      Object.assign(figures, await compare({ dataDir, internalization, template, test, train }))
  } finally {
    if (!proxy.exited()) await proxy.kill()
    await upstream.close()
    if (!keep) rmSync(dataDir, { recursive: true, force: true })
  }
  show(figures, testSource.note)
  save(figures)
}

await run()
