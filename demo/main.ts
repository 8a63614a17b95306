/**
 * The product in two minutes, nothing scripted: the tiny model answers as the upstream, an application sends its
 * prompt through the proxy, and the proxy internalizes it.
 * `npm run demo -- [--seed n] [--applications n] [--model path] [--minutes n] [--price-input usd] [--price-output usd] [--price-as-of date] [--keep] [--json]`
 */
import { endReason } from '../test/kit/process/internalizations.ts'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { adaptedMessages, matching } from '../test/kit/model/adapted.ts'
import { openEngine, type RunningEngine } from '../test/kit/process/engine.ts'
import { ADMIN_TOKEN, startProxy, type ProxyProcess } from '../test/kit/process/proxy-process.ts'
import type { Price } from '../src/core/cost/prices.ts'
import type { ChatRequest } from '../src/openai/chat.ts'
import { askProxy, askUpstream, measure, type Live } from './measure.ts'
import { isWhole, type ArmResult, type DemoResult, type Measured } from './result.ts'
import { showClosing, showNextSteps } from './closing.ts'
import { createScreen, silentScreen, type Screen } from './screen.ts'
import {
  drawTraffic,
  interleave,
  LETTERS,
  MAX_TOKENS,
  withOneLetterChanged,
  type DemoApplication,
  type DemoTraffic,
} from './traffic.ts'
import {
  showStages,
  showTemplate,
  showVerdict,
  waitForLog,
  waitForTemplates,
  waitForVerdicts,
} from './watch.ts'
import type { InternalizationView } from '../src/views/internalization.ts'
import type { TemplateView } from '../src/views/template.ts'
import { changedConstants } from '../test/kit/process/loop-settings.ts'

/** as seen from the package's root, where npm runs its scripts */
const TINY = 'models/tiny'

const { values: args } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    applications: { type: 'string', default: '1' },
    model: { type: 'string', default: TINY },
    // of training, for each application
    minutes: { type: 'string' },
    'price-input': { type: 'string', default: '0.15' },
    'price-output': { type: 'string', default: '0.60' },
    // the day on which the prices were read
    'price-as-of': { type: 'string', default: '2025-08-01' },
    keep: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
})

const TRAIN_ROWS = 520
/** With fewer, a few wrong answers among the surest stop the gate's first tests: docs/experiments.md#demo. */
const HOLDOUT_ROWS = 480
/** The log's records are told apart by what the users wrote; a few may not be told apart. */
const SPARE_ROWS = 20
const FRESH_ROWS = 200
const NOISE = 40
/** 0: no limit, so that the tiny model makes all its steps on any machine. */
const TINY_MINUTES = 0
const MODEL_MINUTES = 20
/** The proxy looks for new routes every second. */
const PICKUP_SECONDS = 10

const minutes = Number(args.minutes ?? (args.model === TINY ? TINY_MINUTES : MODEL_MINUTES))
const applicationCount = Number(args.applications)
const prices = { input: Number(args['price-input']), output: Number(args['price-output']) }

interface Stage {
  screen: Screen
  /** name of the upstream's */
  model: string
  upstream: RunningEngine
  proxy: ProxyProcess
}

/** The page counts savings by the same prices as the closing table. @returns the file's path */
const writePrices = (folder: string, model: string): string => {
  const path = join(folder, 'prices.json')
  const price: Price = { model, asOf: args['price-as-of'], cachedInput: prices.input, ...prices }
  writeFileSync(path, JSON.stringify([price]))
  return path
}

const environment = (
  upstream: RunningEngine,
  dataDir: string,
  pricesFile: string
): Record<string, string> => ({
  DATA_DIR: dataDir,
  PRICES_FILE: pricesFile,
  UPSTREAM_BASE_URL: upstream.baseUrl,
  ENGINE: 'http',
  ENGINE_URL: upstream.baseUrl,
  ENGINE_TOKEN: upstream.token,
  AUTO_PROMOTE: 'true',
  ROLLOUT_STAGES: '1',
  ...changedConstants({
    auditShare: 0,
    trainRows: TRAIN_ROWS,
    holdoutRows: HOLDOUT_ROWS,
    startExchanges: TRAIN_ROWS + HOLDOUT_ROWS,
    stages: 2,
    // examples that a row retrieves make the early stages twice as long
    examples: 0,
    // the demo must also work on a busy machine
    shedDelayMs: 0,
  }),
  // all traffic comes within three minutes, and the requests are drawn independently
  BURST_MINUTES: '0',
  TRAIN_MINUTES: String(minutes),
  // three minutes are not enough for both
  ARMS: 'schedule',
})

const sendTraffic = async ({ screen, upstream, proxy }: Stage, traffic: DemoTraffic) => {
  const { applications, noise } = traffic
  const names = applications.map(({ name }) => name).join(' and ')
  screen.heading(
    applications.length === 1
      ? `1  An application sends its prompt; other clients send other requests`
      : `1  Applications ${names} send their prompts; other clients send other requests`
  )
  const requests = interleave([...applications.map(({ logged }) => logged), noise])
  const outcomes = await askProxy(proxy, upstream.token, requests, (done) =>
    screen.progress.update('requests', done, requests.length)
  )
  screen.progress.stop()
  const logged = await waitForLog(proxy, requests.length)
  screen.say(
    `${logged} requests answered by the upstream and logged, ${noise.length} of them noise.`
  )
  const cutOff = new Set(requests.filter((_, index) => outcomes[index]!.answerTokens >= MAX_TOKENS))
  for (const application of applications) requireWholeAnswers(application, cutOff)
}

/** Answers that were cut off are not learned from: without enough others nothing would begin. */
const requireWholeAnswers = (
  { name, logged }: DemoApplication,
  cutOff: ReadonlySet<ChatRequest>
): void => {
  const whole = logged.filter((request) => !cutOff.has(request)).length
  if (whole >= TRAIN_ROWS + HOLDOUT_ROWS) return
  throw new Error(
    `The model does not do as the prompt of application ${name} says: ${logged.length - whole} of its ` +
      `${logged.length} answers were longer than ${MAX_TOKENS} tokens and cut off. Such answers are not ` +
      `learned from, and the ${whole} others are too few. Try a model that follows instructions better.`
  )
}

const findTemplates = async (
  { screen, proxy }: Stage,
  applications: DemoApplication[]
): Promise<TemplateView[]> => {
  screen.heading('2  Prompts that recur')
  const prompts = applications.map(({ logged }) => String(logged[0]!.messages[0]!.content))
  const templates = await waitForTemplates(proxy, prompts)
  templates.forEach((template, index) => showTemplate(screen, applications[index]!.name, template))
  return templates
}

const internalize = async (
  { screen, proxy }: Stage,
  applications: DemoApplication[],
  templates: TemplateView[]
): Promise<InternalizationView[]> => {
  screen.heading('3  A lora learns each prompt, while the prompt is taken away')
  const rows = await waitForVerdicts(
    { proxy, screen },
    templates.map((template, index) => ({ name: applications[index]!.name, template }))
  )
  screen.progress.stop()
  rows.forEach((row, index) => showStages(screen, applications[index]!.name, row))
  screen.heading('4  The verdict, on requests that were held out')
  rows.forEach((row, index) => showVerdict(screen, applications[index]!.name, row))
  return rows
}

/** Asks until a lora answers: the first requests may come before the proxy has seen the route. */
const firstAnswered = async ({ proxy, upstream }: Stage, requests: ChatRequest[]) => {
  const deadline = Date.now() + PICKUP_SECONDS * 1000
  for (let index = 0; Date.now() < deadline; index = (index + 1) % requests.length) {
    const request = requests[index]!
    const [outcome] = await askProxy(proxy, upstream.token, [request])
    if (outcome!.route === 'answered') return { request, outcome: outcome! }
    await delay(100)
  }
  return null
}

const showBeforeAndAfter = async (stage: Stage, { application, template }: Live): Promise<void> => {
  const { screen } = stage
  screen.heading('5  The same client, now answered without the prompt')
  const shown = await firstAnswered(stage, application.fresh)
  if (shown === null) throw new Error(`${application.name} is live, but nothing was answered`)
  const { request, outcome } = shown
  const [before] = await askUpstream(stage.upstream, [request])
  screen.say(`before, ${before!.promptTokens} prompt tokens:`)
  for (const { role, content } of request.messages) screen.quote(`${role}: ${String(content)}`)
  screen.say(`→ ${before!.answer}`)
  screen.say(`now, ${outcome.promptTokens} prompt tokens:`)
  for (const { role, content } of adaptedMessages(matching(template))(request))
    screen.quote(`${role}: ${String(content)}`)
  screen.say(`→ ${outcome.answer}`)
}

const measureAll = async (
  { screen, proxy, upstream }: Stage,
  live: Live[]
): Promise<Measured[]> => {
  screen.heading('6  Fresh questions, against what the upstream says')
  const measured: Measured[] = []
  for (const one of live)
    measured.push(
      await measure({ proxy, upstream, prices }, one, (done, total) =>
        screen.progress.update(`${one.application.name} fresh requests`, done, total)
      )
    )
  screen.progress.stop()
  return measured
}

/** @returns whether the changed request went to the upstream and got the upstream's own answer */
const changeOneLetter = async (stage: Stage, { application }: Live): Promise<boolean> => {
  const { screen, proxy, upstream } = stage
  screen.heading('7  One letter of the prompt is changed')
  const request = withOneLetterChanged(application.fresh[0]!)
  const [outcome] = await askProxy(proxy, upstream.token, [request])
  const [direct] = await askUpstream(upstream, [request])
  const isUntouched =
    outcome!.route === 'unmatched' &&
    outcome!.answer === direct!.answer &&
    outcome!.promptTokens === direct!.promptTokens
  screen.say(
    isUntouched
      ? `No template knows it: it went to the upstream as it was, ${outcome!.promptTokens} prompt tokens, and the answer is the upstream's: ${outcome!.answer}`
      : `It should have gone to the upstream as it was, but: ${JSON.stringify({ outcome, direct })}`
  )
  return isUntouched
}

const armResults = ({ plan, verdict }: InternalizationView): ArmResult[] =>
  (verdict?.arms ?? []).map(({ arm, agreement, coverage }, index) => ({
    arm,
    trainSeconds: plan!.arms[index]!.results.reduce((sum, { metrics }) => sum + metrics.seconds, 0),
    agreement,
    coverage,
  }))

const play = async (stage: Stage, begun: number): Promise<DemoResult> => {
  const traffic = drawTraffic(stage.model, Number(args.seed), {
    logged: TRAIN_ROWS + HOLDOUT_ROWS + SPARE_ROWS,
    fresh: FRESH_ROWS,
    applications: applicationCount,
    noise: NOISE,
  })
  const { applications } = traffic
  await sendTraffic(stage, traffic)
  const templates = await findTemplates(stage, applications)
  const internalizations = await internalize(stage, applications, templates)
  const live = applications.flatMap((application, index): Live[] =>
    internalizations[index]!.state.name === 'live'
      ? [{ application, template: templates[index]!, internalization: internalizations[index]! }]
      : []
  )
  let measured: Measured[] = []
  let isUntouched: boolean | null = null
  if (live.length > 0) {
    await showBeforeAndAfter(stage, live[0]!)
    measured = await measureAll(stage, live)
    const names = live.map(({ application }) => application.name)
    showClosing(stage.screen, names, measured, prices)
    isUntouched = await changeOneLetter(stage, live[0]!)
  }
  return {
    seconds: (performance.now() - begun) / 1000,
    seed: Number(args.seed),
    model: stage.model,
    applications: applications.map(({ name }, index) => ({
      name,
      state: internalizations[index]!.state.name,
      method: internalizations[index]!.plan?.method ?? null,
      reason: endReason(internalizations[index]!),
      arms: armResults(internalizations[index]!),
      measured: measured[live.findIndex(({ application }) => application.name === name)] ?? null,
    })),
    changedLetterWentUpstream: isUntouched,
  }
}

const interrupted = (): Promise<void> =>
  new Promise((resolve) => {
    process.once('SIGINT', () => resolve())
    process.once('SIGTERM', () => resolve())
  })

const showHowToLook = ({ screen, proxy }: Stage): void => {
  screen.heading('The server goes on; Ctrl-C ends it')
  screen.say(`page: ${proxy.baseUrl}/admin`)
  screen.say(`admin token: ${ADMIN_TOKEN}`)
  screen.say(`admin API: ${proxy.baseUrl}/admin/api/openapi.json`)
}

// the screen is the demo's own; what fails is still told
process.env.LOG_LEVEL ??= 'error'

const run = async (): Promise<boolean> => {
  if (!(applicationCount >= 1 && applicationCount <= LETTERS.length))
    throw new Error(`--applications must be 1 to ${LETTERS.length}`)
  const begun = performance.now()
  const stopped = interrupted().then(() => null)
  const screen = args.json ? silentScreen : createScreen(process.stdout)
  const dataDir = mkdtempSync(join(tmpdir(), 'promptintern-demo-'))
  const closers: (() => Promise<void>)[] = [
    async () => rmSync(dataDir, { recursive: true, force: true }),
  ]
  try {
    const upstream = await openEngine({ modelPath: args.model, dataDir: join(dataDir, 'engine') })
    closers.push(() => upstream.close())
    const [model] = await upstream.engine.models()
    const pricesFile = writePrices(dataDir, model!.id)
    const proxy = await startProxy(environment(upstream, join(dataDir, 'proxy'), pricesFile))
    closers.push(() => proxy.stop())
    const stage = { screen, model: model!.id, upstream, proxy }
    const result = await Promise.race([play(stage, begun), stopped])
    if (result === null) return false
    if (args.json) process.stdout.write(`${JSON.stringify(result, null, 2)}\n`)
    showNextSteps(screen, result.seconds)
    if (args.keep) {
      showHowToLook(stage)
      await stopped
    }
    return isWhole(result)
  } finally {
    screen.progress.stop()
    for (const close of closers.reverse()) await close()
  }
}

const isGood = await run().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error)
  return false
})
process.exitCode = isGood ? 0 : 1
