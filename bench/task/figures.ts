/** From outcomes and samples to named figures. Knows nothing of how they were measured. */
import type { Internalization } from '../../src/core/internalization/internalization.ts'
import type { ArmFigures } from '../../src/core/gate/gate.ts'
import { agree } from '../../src/core/answer/agreement.ts'
import { comparisonOf } from '../../test/kit/model/comparison.ts'
import type { ChatRequest } from '../../src/openai/chat.ts'
import type { TaskRow } from '../harness/data.ts'
import type { Outcome } from '../../test/kit/traffic/send-all.ts'
import { mean, spread, withBar, type Figures } from '../../test/kit/report.ts'
import type { Latencies } from '../../test/kit/model/latency.ts'
import { isRight } from './arms.ts'

/** Rows as their application sends them. */
export interface Rendered {
  rows: TaskRow[]
  requests: ChatRequest[]
  /** tokens of each whole prompt in the base model's tokenizer, chat markers included */
  promptTokens: number[]
}

const share = (count: number, of: number): number => (of === 0 ? 0 : count / of)

export interface ProductFigures {
  figures: Figures
  answeredTokens: number
  fullTokens: number
}

export const productFigures = (test: Rendered, outcomes: Outcome[]): ProductFigures => {
  const comparison = comparisonOf(test.rows.map((row) => row.answer))
  const answered = outcomes.flatMap((outcome, index) =>
    outcome.route === 'answered' ? [{ outcome, row: test.rows[index]! }] : []
  )
  const right = outcomes.filter((outcome, index) =>
    isRight(comparison, outcome.answer, test.rows[index]!)
  ).length
  const agreeing = answered.filter(({ outcome, row }) =>
    agree(comparison, outcome.answer, row.answer)
  ).length
  const fullTokens = mean(test.promptTokens)
  const answeredTokens = mean(answered.map(({ outcome }) => outcome.promptTokens))
  const lane = (route: string, pick: (outcome: Outcome) => number): Figures => {
    const values = outcomes.filter((outcome) => outcome.route === route).map(pick)
    return values.length === 0 ? {} : { [`last_token_ms_${route}`]: spread(values, 'ms') }
  }
  return {
    answeredTokens,
    fullTokens,
    figures: {
      test_rows: { value: outcomes.length, unit: 'rows' },
      coverage: { value: share(answered.length, outcomes.length), unit: 'share' },
      agreement_answered: { value: share(agreeing, answered.length), unit: 'share' },
      accuracy_routed: { value: share(right, outcomes.length), unit: 'share' },
      prompt_tokens_before: { value: fullTokens, unit: 'tokens' },
      prompt_tokens_after: { value: answeredTokens, unit: 'tokens' },
      prompt_token_cut: {
        value: answered.length === 0 ? 0 : 1 - answeredTokens / fullTokens,
        unit: 'share',
      },
      ...lane('answered', (outcome) => outcome.lastTokenMs),
      ...lane('fallback', (outcome) => outcome.lastTokenMs),
    },
  }
}

/** @param winner undefined: no arm was judged */
const winnerFigures = (winner: ArmFigures | undefined): Figures =>
  winner === undefined
    ? {}
    : {
        winning_arm: { value: winner.arm, unit: '' },
        whole_answer_right: { value: winner.agreement, unit: 'share of held-out rows' },
      }

export const trainingFigures = (internalization: Internalization): Figures => {
  const results = internalization.plan?.arms.flatMap((arm) => arm.results) ?? []
  const seconds = results.reduce((sum, result) => sum + result.metrics.seconds, 0)
  const verdict = internalization.verdict
  return {
    train_minutes: { value: seconds / 60, unit: 'min' },
    ...winnerFigures(verdict?.arms[verdict.arm]),
    ...(results.length === 0
      ? {}
      : {
          train_tokens_per_second: spread(
            results.map((result) => result.metrics.tokens_per_second),
            'tokens/s'
          ),
        }),
    ...Object.fromEntries(
      (verdict?.arms ?? []).flatMap((arm) => {
        const name = arm.arm.replaceAll('-', '_')
        return [
          [`holdout_agreement_${name}`, { value: arm.agreement, unit: 'share' }],
          [`holdout_coverage_${name}`, { value: arm.coverage, unit: 'share' }],
        ]
      })
    ),
  }
}

const ratios = (a: number[], b: number[]): number[] => a.map((value, index) => value / b[index]!)

export const latencyFigures = (latencies: Latencies): Figures => {
  const last = (name: keyof Latencies) => latencies[name].map((sample) => sample.lastTokenMs)
  const first = (name: keyof Latencies) => latencies[name].map((sample) => sample.firstTokenMs)
  return {
    first_token_ms_full_no_cache: spread(first('fullNoCache'), 'ms'),
    last_token_ms_full_no_cache: spread(last('fullNoCache'), 'ms'),
    first_token_ms_full_prefix_cache: spread(first('fullCached'), 'ms'),
    last_token_ms_full_prefix_cache: spread(last('fullCached'), 'ms'),
    first_token_ms_adapted: spread(first('adapted'), 'ms'),
    last_token_ms_adapted: spread(last('adapted'), 'ms'),
    latency_ratio_no_cache: withBar(
      spread(ratios(last('fullNoCache'), last('adapted')), 'ratio'),
      '>=',
      6
    ),
    latency_ratio_cached: spread(ratios(last('fullCached'), last('adapted')), 'ratio'),
  }
}
