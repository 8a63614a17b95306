/** Domain values for tests, each as a default that a test changes in what it is about. */
import { reasonText } from '../../../src/core/reasons/say-reason.ts'
import { reasonOf } from '../../../src/core/reason.ts'
import { answerBody } from './completion.ts'
import { ANSWERS, KINDS } from './route-rules.ts'
import type {
  Internalization,
  InternalizationState,
} from '../../../src/core/internalization/internalization.ts'
import type { SliceAsk } from '../../../src/core/keys/account.ts'
import { hashOfSecret, type IssuedKey } from '../../../src/core/keys/issued-key.ts'
import { NO_PAIRS } from '../../../src/core/rollout/evidence.ts'
import type { ExchangeRecord, RouteOutcome } from '../../../src/core/log/record.ts'
import type { Route } from '../../../src/core/route/route.ts'
import type { Template } from '../../../src/core/template/template.ts'
import type { EvaluationRow } from '../../../src/store/store.ts'

const SYSTEM = 'You are the assistant of a bank. Name the intent of the message. '.repeat(60)

export const exampleRecord = (
  index: number,
  changes: Partial<ExchangeRecord> = {}
): ExchangeRecord => ({
  id: `record-${index}`,
  at: 1_000 + index,
  tenant: 'tenant-a',
  model: 'gpt-4o-mini',
  path: '/v1/chat/completions',
  streamed: index % 2 === 0,
  status: 200,
  firstByteMs: 12.5,
  durationMs: 80.25,
  request: JSON.stringify({
    model: 'gpt-4o-mini',
    messages: [
      { role: 'system', content: `Today is day ${index}.\n${SYSTEM}` },
      { role: 'user', content: `Où est ma carte n° ${index * 7919}? 卡 🙂` },
    ],
  }),
  response: answerBody(`intent_${index % 7}`, { id: `chatcmpl-${index}` }),
  usage: { prompt_tokens: 800 + index, completion_tokens: 4, total_tokens: 804 + index },
  route: null,
  ...changes,
})

/** Shapes of "day 1" to "day 9999.": of a lone number the length and the first figure. */
const DAYS = ['', '0', '00', '000'].flatMap((rest) =>
  [1, 2, 3, 4, 5, 6, 7, 8, 9].flatMap((first) => [`day ${first}${rest}`, `day ${first}${rest}.`])
)

export const exampleTemplate = (version = 'version-1'): Template => ({
  version,
  tenant: 'tenant-a',
  model: 'gpt-4o-mini',
  tools: '',
  responseFormat: '',
  maxTurnsAfter: 0,
  messages: [
    {
      role: 'system',
      segments: [
        { kind: 'anchor', text: 'Today is ' },
        {
          kind: 'slot',
          name: 'date',
          type: 'short',
          maxChars: 20,
          multiline: false,
          kept: false,
          shapes: ['‹weekday›', ...DAYS],
        },
        { kind: 'anchor', text: `\n${SYSTEM}` },
      ],
    },
    { role: 'user', segments: [{ kind: 'query' }] },
  ],
})

export const exampleInternalization = (
  id = 'internalization-1',
  changes: Partial<Internalization> = {}
): Internalization => ({
  id,
  tenant: 'tenant-a',
  templateVersion: 'version-1',
  state: { name: 'candidate' },
  createdAt: 1_000,
  updatedAt: 1_000,
  plan: null,
  verdict: null,
  revision: 0,
  ...changes,
})

export const exampleRoute = (version = 'version-1'): Route => ({
  template: exampleTemplate(version),
  internalizationId: 'internalization-1',
  engine: 'onnx',
  lora: 'lora-abc',
  confidence: 'sum',
  threshold: -0.25,
  answers: { ...ANSWERS, responseType: 'label', labels: ['a', 'b'] },
  kinds: KINDS,
  auditShare: 0,
  auditPart: 1,
  trafficShare: 1,
  templateTokens: 804,
})

export const exampleKey = (id: string, changes: Partial<IssuedKey> = {}): IssuedKey => ({
  id,
  name: `key of ${id}`,
  hash: hashOfSecret(id),
  tenant: `issued:${id}`,
  limits: { models: null, requestsPerMinute: null, tokensPerMinute: null, budget: null },
  createdAt: 1_000,
  revokedAt: null,
  ...changes,
})

/** Asks for nothing, and reports nothing. */
export const exampleAsk = (keyId: string, changes: Partial<SliceAsk> = {}): SliceAsk => ({
  keyId,
  limits: { requestsPerMinute: null, tokensPerMinute: null, budget: null },
  spend: { requests: 0, tokens: 0, usd: 0 },
  keptUsd: 0,
  returned: { requests: 0, tokens: 0 },
  waiting: [],
  spare: { requests: 0, tokens: 0, usd: 0 },
  ...changes,
})

export const exampleOutcome = (changes: Partial<RouteOutcome> = {}): RouteOutcome => ({
  templateVersion: 'version-1',
  lora: 'lora-abc',
  outcome: 'answered',
  reason: null,
  confidence: -0.01,
  promptTokensSaved: 790,
  ...changes,
})

export const exampleEvaluation = (
  recordId: string,
  changes: Partial<EvaluationRow> = {}
): EvaluationRow => ({
  internalizationId: 'internalization-1',
  arm: 0,
  recordId,
  answer: 'intent_1',
  logprobSum: -0.5,
  logprobMin: -0.25,
  longLogprobs: null,
  agrees: true,
  agreesToday: null,
  deferred: null,
  upstreamAnswer: null,
  secondAnswer: null,
  fresh: null,
  judged: null,
  ...changes,
})

const METRICS = {
  steps: 100,
  seconds: 60,
  tokens_per_second: 350,
  train_loss: 0.01,
  valid_loss: 0.02,
  peak_memory_bytes: 2 ** 30,
}

/** In the last stage of its rollout. */
export const LIVE_STATE = {
  name: 'live',
  stage: { share: 1, before: NO_PAIRS, began: 0 },
} as const satisfies InternalizationState

const STAGE = { templateShare: 0, examples: 0, hyperparameters: { rank: 16 } }

const SAMPLE = {
  rows: 2,
  answered: 1,
  agreement: 0.98,
  bound: 0.96,
  lossBound: 0.04,
  effectiveRows: 1,
}

/** Waits for approval with a verdict that its second arm won. */
export const exampleApproved = (
  id = 'internalization-1',
  changes: Partial<Internalization> = {}
): Internalization =>
  exampleInternalization(id, {
    state: { name: 'approval' },
    plan: {
      engine: 'default',
      baseModel: 'base',
      seed: 1,
      trainRecordIds: ['record-1', 'record-2'],
      holdoutRecordIds: ['record-3', 'record-4'],
      holdout: { from: 1000, until: 7_201_000, hours: 2 },
      burstMinutes: 0,
      earlierTries: 0,
      unseenRecordIds: ['record-4'],
      population: {
        exchanges: 4,
        logged: 4,
        conversations: 4,
        outcomes: { text: 4 },
        repeats: { questions: 0, changed: 0, changedShare: 0, examples: [] },
        tooLong: 0,
        otherParameters: 0,
        withoutPrompt: null,
      },
      kinds: KINDS,
      answers: { ...ANSWERS, responseType: 'label', labels: ['intent_1', 'intent_2'] },
      parts: ['intent_1', 'intent_2'].map((name) => ({ kind: 'answer', name, share: 0.5 })),
      dropOrder: [0],
      templateTokens: 804,
      method: 'supervised',
      arms: [0, 1].map((arm) => ({
        name: arm === 0 ? 'schedule' : 'query-only',
        stages: [STAGE],
        results: [
          { jobId: `job-${arm}`, lora: `lora-of-arm-${arm}`, measuredRate: 0, metrics: METRICS },
        ],
      })),
    },
    verdict: {
      verdict: 'promote',
      reason: reasonOf('passed', { arm: 'query-only', coverage: 0.6, agreement: 0.98 }),
      responseType: 'label',
      margin: 0.05,
      arm: 1,
      upstreamAgreement: 1,
      alpha: 0.04,
      minCoverage: 0.2,
      change: null,
      arms: [0, 1].map((arm) => ({
        arm: arm === 0 ? 'schedule' : 'query-only',
        rows: 2,
        deferred: {},
        agreement: 0.9,
        confidence: arm === 0 ? 'sum' : 'min',
        threshold: arm === 0 ? null : -0.125,
        coverage: 0.6,
        agreementAnswered: 0.98,
        agreementAnsweredBound: 0.96,
        lossBound: 0.04,
        upstreamAgreement: null,
        samples: { traffic: SAMPLE, unseen: SAMPLE },
        tests: [],
        shortage: null,
        slices: [],
      })),
    },
    ...changes,
  })

/** Why it ended, in words; else its state. */
export const reasonIn = ({ state }: Pick<Internalization, 'state'>): string =>
  'reason' in state ? reasonText(state.reason) : `it is ${state.name}`
