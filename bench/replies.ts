/**
 * Written answers, as a black box: a shop's replies to refund requests, written by a rule in several wordings; a base
 * model that learns them; a judge that knows the rule. Traffic in, live (or rejected with its reason), then fresh
 * requests, of which each answer is read back. With `--json` the reply is a written field of JSON, beside the decision,
 * the order and the sum.
 *
 *   npm run bench:replies -- --model <file.gguf> [--json] [--train 400] [--holdout 220] [--test 200] [--minutes 10]
 *     [--out <file>]
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { createProgress } from '../src/cli/output.ts'
import type { Internalization } from '../src/core/internalization/internalization.ts'
import type { ChatMessage, ChatRequest } from '../src/openai/chat.ts'
import { seededRandom } from '../src/random.ts'
import type { Figures } from '../test/kit/report.ts'
import {
  endReason,
  minutesToVerdict,
  waitForVerdict,
} from '../test/kit/process/internalizations.ts'
import { startProxy, type ProxyProcess } from '../test/kit/process/proxy-process.ts'
import {
  AS_JSON,
  AS_TEXT,
  knowsTheRule,
  numberOfRequest,
  refundOf,
  replyRecord,
} from '../test/kit/records/written-replies.ts'
import { sendAll } from '../test/kit/traffic/send-all.ts'
import { startChatUpstream } from '../test/kit/upstream/chat-upstream.ts'
import { benchmark } from './harness/measure.ts'
import { optional, readOptions } from './harness/options.ts'
import { learnFromAll, TRAFFIC_LANES } from './task/traffic.ts'
import { changedConstants } from '../test/kit/process/loop-settings.ts'

const JUDGE = 'claude-judge'
/** The proxy looks for new routes every second; until then requests go to the upstream. */
const ROUTE_PICKUP_MS = 2000

const args = readOptions({
  model: optional,
  json: false,
  train: 400,
  holdout: 220,
  test: 200,
  minutes: 10,
})

const form = args.json ? AS_JSON : AS_TEXT
const random = seededRandom(46)

const written = (request: string): string =>
  form.write(refundOf(numberOfRequest(request)), random())

/** Of the upstream, or of the judge. */
const answerTo = (messages: ChatMessage[], { model }: ChatRequest): object => {
  const content =
    model === JUDGE
      ? JSON.stringify({ verdict: knowsTheRule(messages as { content: string }[]) })
      : written(JSON.stringify(messages))
  return { message: { role: 'assistant', content }, finish_reason: 'stop' }
}

const PRICES = ['gpt-4o-mini', JUDGE].map((model) => ({
  model,
  asOf: '2026-12-01',
  input: 0.15,
  cachedInput: 0.075,
  output: 0.6,
}))

const environmentOf = (folder: string, model: string, baseUrl: string): Record<string, string> => {
  const prices = join(folder, 'prices.json')
  writeFileSync(prices, JSON.stringify(PRICES))
  return {
    DATA_DIR: join(folder, 'data'),
    UPSTREAM_BASE_URL: baseUrl,
    UPSTREAM_API_KEY: 'sk-operator',
    PRICES_FILE: prices,
    ENGINE: 'onnx',
    MODEL_PATH: model,
    ARMS: 'query-only',
    ...changedConstants({ auditShare: 0, trainRows: args.train, holdoutRows: args.holdout }),
    TRAIN_MINUTES: String(args.minutes),
    BURST_MINUTES: '0',
    AUTO_INTERNALIZE: 'false',
    AUTO_PROMOTE: 'true',
    ROLLOUT_STAGES: '1',
    ADAPTED_TIMEOUT_MS: '60000',
    JUDGE_MODEL: JUDGE,
    PROOF_USD: '100',
  }
}

const requestsFrom = (first: number, count: number): ChatRequest[] =>
  Array.from(
    { length: count },
    (_, i) => JSON.parse(replyRecord(first + i, form).request) as ChatRequest
  )

const progress = createProgress()

const verdictFigures = (internalization: Internalization): Figures => {
  const { state, verdict } = internalization
  const arm = verdict?.arms[verdict.arm]
  return {
    state: { value: state.name, unit: '', bar: 'live', holds: state.name === 'live' },
    reason: { value: endReason(internalization), unit: '' },
    proof_coverage: { value: arm?.coverage ?? 0, unit: '' },
    proof_accepted: { value: arm?.agreementAnswered ?? 0, unit: '' },
    statistic: { value: arm?.confidence ?? 'none', unit: '' },
    watched_classes: {
      value: verdict?.judge?.faults.filter(({ isWatched }) => isWatched).length ?? 0,
      unit: '',
    },
  }
}

/** Of fresh requests: the share that the lora answered, and of these the share that says what the record says. */
const freshFigures = async (proxy: ProxyProcess, first: number): Promise<Figures> => {
  const requests = requestsFrom(first, args.test)
  const outcomes = await sendAll(proxy.baseUrl, requests, {
    concurrency: TRAFFIC_LANES,
    onDone: (done) => progress.update('fresh requests', done, requests.length),
  })
  const read = outcomes.map(({ route, answer }, i) => ({
    route,
    isRight: form.meaningOf(answer) === form.meaningOf(form.write(refundOf(first + i), 0)),
  }))
  const ours = read.filter(({ route }) => route === 'answered')
  const right = ours.filter(({ isRight }) => isRight).length
  return {
    fresh_answered: { value: ours.length / read.length, unit: '' },
    fresh_right: {
      value: ours.length === 0 ? 0 : right / ours.length,
      unit: '',
      bar: '>= 0.95',
      holds: right >= 0.95 * ours.length && ours.length > 0,
    },
  }
}

/** What the operator says of the field that no two answers have alike. */
const nameWritten =
  (proxy: ProxyProcess) =>
  async (version: string): Promise<void> => {
    if (!args.json) return
    const rule = { path: 'reply', rule: { kind: 'written' }, why: 'in other words each time' }
    await proxy.admin(`/templates/${version}/fields`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(rule),
    })
  }

const measure = async (folder: string): Promise<Figures> => {
  if (args.model === undefined) throw new Error('--model <file.gguf or folder> is missing')
  const upstream = await startChatUpstream(answerTo)
  const proxy = await startProxy(environmentOf(folder, args.model, upstream.baseUrl))
  try {
    const sent = Math.ceil(1.05 * (args.train + args.holdout))
    await learnFromAll(
      proxy,
      requestsFrom(0, sent),
      (done) => progress.update('traffic', done, sent),
      nameWritten(proxy)
    )
    const internalization = await waitForVerdict(proxy, ({ name }) =>
      progress.update(`state ${name}`, 1, 1)
    )
    await delay(ROUTE_PICKUP_MS)
    return {
      ...verdictFigures(internalization),
      minutes_to_verdict: { value: await minutesToVerdict(proxy, internalization), unit: 'min' },
      ...(await freshFigures(proxy, sent)),
    }
  } finally {
    progress.stop()
    await proxy.stop()
    upstream.close()
  }
}

await benchmark('replies', args.out, measure)
