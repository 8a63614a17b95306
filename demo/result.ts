/** What a run of the demo found, as `--json` prints it. */
import type { Figure } from '../test/kit/report.ts'
import type { TrainingMethod } from '../src/openai/fine-tuning.ts'

export interface Latency {
  firstToken: Figure
  lastToken: Figure
}

export interface Measured {
  /** fresh requests that were sent */
  requests: number
  /** share of them that was answered without the prompt */
  coverage: number
  /** of those, share that says what the upstream says */
  agreement: number
  /** mean over the fresh requests, as the upstream counts */
  promptTokensBefore: number
  /** mean over the answered ones */
  promptTokensAfter: number
  /** mean over all requests, including those that went to the upstream with their prompt */
  promptTokensRouted: number
  answerTokens: number
  usdPerMillionBefore: number
  usdPerMillionAfter: number
  latencies: Record<'full' | 'fullCached' | 'adapted', Latency>
}

/** One way of training, judged on held-out requests. */
export interface ArmResult {
  arm: string
  /** of all stages */
  trainSeconds: number
  /** share of the held-out answers, if all were given */
  agreement: number
  coverage: number
}

export interface DemoResult {
  seconds: number
  seed: number
  model: string
  applications: {
    name: string
    state: string
    /** how its loras learned; null when no training was planned */
    method: TrainingMethod | null
    /** why it went live, or why not */
    reason: string | null
    arms: ArmResult[]
    /** null when it is not live */
    measured: Measured | null
  }[]
  /** null when nothing is live */
  changedLetterWentUpstream: boolean | null
}

/** Whether everything happened that the demo is to show. */
export const isWhole = (result: DemoResult): boolean =>
  result.changedLetterWentUpstream === true &&
  result.applications.every(({ state }) => state === 'live')
