/** The rows of an internalization as TRACER gets them: those that our arms were trained, judged and tried on. */
import { messagesText } from '../../../src/openai/message-text.ts'
import type { SentenceEncoder } from '../../../adapters/contract/label-head/sentence-encoder.ts'
import { targetOf } from '../../../src/core/answer/outcome.ts'
import type { HeadRows } from '../../../src/core/learn/softmax-head.ts'
import {
  heldOutIds,
  type InternalizationPlan,
} from '../../../src/core/lifecycle/internalization.ts'
import { isProven, kindOf } from '../../../src/core/route/request-kind.ts'
import { eligibility } from '../../../src/core/route/route.ts'
import { EMPTY_PROMPT, studentMessages } from '../../../src/core/template/prompt.ts'
import type { Match, Template } from '../../../src/core/template/template.ts'
import type { ChatRequest } from '../../../src/openai/chat.ts'
import type { Store } from '../../../src/store/store.ts'
import { exchangesByIds, type MatchedExchange } from '../../../src/worker/exchanges/exchanges.ts'
import type { Recognize } from '../../harness/adapted.ts'
import type { AskedRows } from '../arms.ts'

export interface HeldOut {
  exchanges: MatchedExchange[]
  /** `[rows, dims]` */
  features: Float32Array
  /** requests of a kind that the proof contains; our arms are not asked for others */
  isAnswerable: boolean[]
}

export interface Fresh {
  /** right answers */
  answers: string[]
  features: Float32Array
  isAnswerable: boolean[]
}

export interface TracerRows {
  /** by class */
  names: string[]
  train: HeadRows
  heldOut: HeldOut
  fresh: Fresh
}

export interface RowSources {
  store: Store
  encoder: SentenceEncoder
  plan: InternalizationPlan
  template: Template
  match: Recognize
  test: AskedRows
}

/** What a head reads of a request. */
const textOf = (match: Match): string => messagesText(studentMessages(match, EMPTY_PROMPT))

const mayAnswer = (
  { kinds }: InternalizationPlan,
  request: ChatRequest,
  match: Match | null
): boolean =>
  match !== null &&
  eligibility(request, match.template) === null &&
  isProven(kinds, kindOf(request, match))

const readFresh = async ({ encoder, plan, match, test }: RowSources): Promise<Fresh> => {
  const matches = test.requests.map(match)
  const { vectors } = await encoder.encode(
    matches.map((found) => (found === null ? '' : textOf(found)))
  )
  return {
    answers: test.rows.map(({ answer }) => answer),
    features: vectors,
    isAnswerable: matches.map((found, at) => mayAnswer(plan, test.requests[at]!, found)),
  }
}

/** @throws Error when the log has lost one of the plan's records */
export const readTracerRows = async (sources: RowSources): Promise<TracerRows> => {
  const { store, encoder, plan, template } = sources
  const ids = [plan.trainRecordIds, heldOutIds(plan)]
  const [train, heldOut] = (await Promise.all(
    ids.map((part) => exchangesByIds(store, template, part))
  )) as [MatchedExchange[], MatchedExchange[]]
  if (train.length + heldOut.length < ids.flat().length)
    throw new Error('the log has lost records of the plan')
  const encode = async (exchanges: MatchedExchange[]): Promise<Float32Array> =>
    (await encoder.encode(exchanges.map(({ match }) => textOf(match)))).vectors
  const names = [...new Set(train.map(({ outcome }) => targetOf(outcome)))]
  return {
    names,
    train: {
      features: await encode(train),
      dims: encoder.dims,
      labels: Int32Array.from(train, ({ outcome }) => names.indexOf(targetOf(outcome))),
      classes: names.length,
    },
    heldOut: {
      exchanges: heldOut,
      features: await encode(heldOut),
      isAnswerable: heldOut.map(({ request, match }) => mayAnswer(plan, request, match)),
    },
    fresh: await readFresh(sources),
  }
}
