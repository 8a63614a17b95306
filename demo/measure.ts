/** After going live: fresh queries through the proxy against the upstream's own answers. */
import { adaptedMessages, matching } from '../test/kit/model/adapted.ts'
import type { RunningEngine } from '../test/kit/process/engine.ts'
import { measureLatencies, type LatencySample } from '../test/kit/model/latency.ts'
import type { ProxyProcess } from '../test/kit/process/proxy-process.ts'
import { sendAll, type Outcome } from '../test/kit/traffic/send-all.ts'
import { mean, spread } from '../test/kit/report.ts'
import { comparisonOf } from '../test/kit/model/comparison.ts'
import { agree } from '../src/core/answer/agreement.ts'
import type { ChatRequest } from '../src/openai/chat.ts'
import type { Latency, Measured } from './result.ts'
import type { DemoApplication } from './traffic.ts'
import type { InternalizationView } from '../src/views/internalization.ts'
import type { TemplateView } from '../src/views/template.ts'

const LANES = 8
const LATENCY_ROUNDS = 10

/** US dollars per million tokens. */
export interface Prices {
  input: number
  output: number
}

export interface Live {
  application: DemoApplication
  template: TemplateView
  internalization: InternalizationView
}

const latencyOf = (samples: LatencySample[]): Latency => ({
  firstToken: spread(
    samples.map(({ firstTokenMs }) => firstTokenMs),
    'ms'
  ),
  lastToken: spread(
    samples.map(({ lastTokenMs }) => lastTokenMs),
    'ms'
  ),
})

const latenciesOf = async (
  { engine }: RunningEngine,
  { application, template, internalization }: Live
): Promise<Measured['latencies']> => {
  const { baseModel: base, arms, answers } = internalization.plan!
  const lora = arms[internalization.verdict!.arm]!.results.at(-1)!.lora
  const measured = await measureLatencies(
    engine,
    { base, lora, labels: answers.labels },
    application.fresh.slice(0, LATENCY_ROUNDS),
    adaptedMessages(matching(template))
  )
  return {
    full: latencyOf(measured.fullNoCache),
    fullCached: latencyOf(measured.fullCached),
    adapted: latencyOf(measured.adapted),
  }
}

/** Past the proxy. */
export const askUpstream = (
  upstream: RunningEngine,
  requests: ChatRequest[],
  onDone?: (done: number) => void
): Promise<Outcome[]> =>
  sendAll(upstream.baseUrl.replace(/\/v1$/, ''), requests, {
    concurrency: LANES,
    apiKey: upstream.token,
    onDone,
  })

export const askProxy = (
  proxy: ProxyProcess,
  apiKey: string,
  requests: ChatRequest[],
  onDone?: (done: number) => void
): Promise<Outcome[]> =>
  sendAll(proxy.baseUrl, requests, {
    concurrency: LANES,
    apiKey,
    onDone,
  })

export const measure = async (
  { proxy, upstream, prices }: { proxy: ProxyProcess; upstream: RunningEngine; prices: Prices },
  live: Live,
  onDone: (done: number, total: number) => void
): Promise<Measured> => {
  const { fresh } = live.application
  const outcomes = await askProxy(proxy, upstream.token, fresh, (done) =>
    onDone(done, 2 * fresh.length)
  )
  const truth = await askUpstream(upstream, fresh, (done) =>
    onDone(fresh.length + done, 2 * fresh.length)
  )
  const comparison = comparisonOf(truth.map(({ answer }) => answer))
  const answered = outcomes.flatMap((outcome, index) =>
    outcome.route === 'answered' ? [{ outcome, right: truth[index]!.answer }] : []
  )
  const coverage = answered.length / fresh.length
  const promptTokensBefore = mean(truth.map(({ promptTokens }) => promptTokens))
  const answerTokens = mean(truth.map(({ answerTokens: tokens }) => tokens))
  const usdPerMillionBefore = promptTokensBefore * prices.input + answerTokens * prices.output
  return {
    requests: fresh.length,
    coverage,
    agreement: mean(
      answered.map(({ outcome, right }) => Number(agree(comparison, outcome.answer, right)))
    ),
    promptTokensBefore,
    promptTokensAfter: mean(answered.map(({ outcome }) => outcome.promptTokens)),
    promptTokensRouted: mean(outcomes.map(({ promptTokens }) => promptTokens)),
    answerTokens,
    usdPerMillionBefore,
    usdPerMillionAfter: (1 - coverage) * usdPerMillionBefore,
    latencies: await latenciesOf(upstream, live),
  }
}
