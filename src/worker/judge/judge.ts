/**
 * Asks the judge about two answers: a model of the upstreams, with the operator's key, in both orders. What it costs is
 * paid from a budget, and what the texts decide alone is not asked. Knows nothing of rows and of what follows.
 */
import { randomBytes } from 'node:crypto'
import { agree, type Comparison } from '../../core/answer/agreement.ts'
import { outcomeOf, textOf } from '../../core/answer/outcome.ts'
import {
  judgedTexts,
  splitAnswer,
  supportOf,
  textPairs,
  type TextPair,
} from '../../core/answer/written-fields.ts'
import { factsOf, inventedBeside } from '../../core/facts/facts.ts'
import { isSuccess } from '../../core/http-status.ts'
import { comparisonMessages, parseVerdict, type Said } from '../../core/judge/judge-prompt.ts'
import { verdictOf, type ComparedAnswer, type JudgeVerdict } from '../../core/judge/verdict.ts'
import { completionOf } from '../../core/log/record-bodies.ts'
import type { Price } from '../../core/cost/prices.ts'
import type { ChatMessage } from '../../openai/chat.ts'
import { CHAT } from '../../openai/dialect.ts'
import { expectedCost, refusalOf, type AskedModel, type NoAnswer } from '../answers/ask-model.ts'
import type { Pay } from '../answers/proof-budget.ts'
import { askedModel, buyAnswer } from '../answers/row-answers.ts'
import type { AskUpstream, JudgeSettings, UpstreamAnswer, WorkerDeps } from '../deps.ts'
import { reasonOf } from '../../core/reason.ts'
import { WitnessUnavailable, type ComparedAnswers, type Witness } from './witness.ts'

/** A verdict, and `model` of the replies that it was made from, each once. */
export interface JudgedPair {
  verdict: JudgeVerdict
  versions: readonly string[]
}

type JudgeDeps = Pick<WorkerDeps, 'askUpstream' | 'priceOf' | 'sleep'>

/** Of a key, of money or of a name: the operator can mend them, and no text is the reason. */
const WRONG_SETTINGS = new Set([401, 402, 403, 404])

/** Of a judge whose replies do not say what they are. */
const UNVERSIONED = ''

/** A verdict has some ten tokens; what thinks before it needs more. */
const MAX_VERDICT_TOKENS = 2_000

const requestBody = (messages: readonly ChatMessage[]): string =>
  JSON.stringify({ messages, temperature: 0, max_completion_tokens: MAX_VERDICT_TOKENS })

/** As a logged request is, so that it is sent, paid and read in the same way. */
const recordOf = (body: string) => ({
  path: CHAT.path,
  request: body,
  response: '{"verdict":"different"}',
  usage: null,
})

/** US dollars of one comparison in one order; null where the texts are too long to be compared. */
export const comparisonUsd = (
  { rubric }: JudgeSettings,
  price: Price,
  { request, first, other }: ComparedAnswers
): number | null => {
  const messages = comparisonMessages(rubric, { request, first, second: other }, () =>
    '0'.repeat(32)
  )
  return messages && expectedCost(recordOf(requestBody(messages)), price)
}

interface Reply {
  said: Said
  /** null: there was no completion */
  version: string | null
}

const NO_REPLY: Reply = { said: 'none', version: null }

const versionsOf = (replies: readonly Reply[]): string[] => [
  ...new Set(replies.flatMap(({ version }) => version ?? [])),
]

export class Judge implements Witness {
  private readonly model: AskedModel
  private readonly send: AskUpstream
  private usd = 0

  /** @throws AppError `invalid-config` without a key of the operator or a price of the judge */
  constructor(
    private readonly deps: JudgeDeps,
    private readonly settings: JudgeSettings,
    private readonly pay: Pay
  ) {
    const { model, ask } = askedModel(deps, { name: settings.model, hasLogprobs: false })
    this.model = model
    this.send = ask
  }

  spentUsd(): number {
    return this.usd
  }

  /**
   * Equal answers are the same, and one with another value in a field that is not written, or with a wrong fact, is
   * not, without a question to the judge.
   */
  async compare(comparison: Comparison, answers: ComparedAnswers): Promise<ComparedAnswer | null> {
    const { request, first, other } = answers
    if (agree(comparison, other, first)) return { verdict: 'same', isFactWrong: false }
    const split = splitAnswer(comparison, other)
    const pairs = textPairs(splitAnswer(comparison, first), split)
    if (pairs === null) return { verdict: 'different', isFactWrong: false }
    const support = factsOf(supportOf(request, split))
    const isFactWrong = pairs.some(
      (pair) => inventedBeside(pair.other, { logged: pair.first, request: support }).length > 0
    )
    if (isFactWrong) return { verdict: 'different', isFactWrong }
    const said = await this.ask(request, pairs)
    return said && { ...said, isFactWrong }
  }

  /** What the judge alone says of texts that differ. @returns and @throws as `compare` does */
  async ask(request: string, pairs: readonly TextPair[]): Promise<JudgedPair | null> {
    const { first, other } = judgedTexts(pairs)
    const one = await this.askInOrder({ request, first: other, second: first })
    if (one === null) return null
    // whatever the other order says, the answer is rejected, or has no verdict
    if (one.said !== 'same') return { verdict: one.said, versions: versionsOf([one]) }
    const two = await this.askInOrder({ request, first, second: other })
    return two && { verdict: verdictOf(one.said, two.said), versions: versionsOf([one, two]) }
  }

  private async askInOrder(
    compared: Record<'request' | 'first' | 'second', string>
  ): Promise<Reply | null> {
    const messages = comparisonMessages(this.settings.rubric, compared, () =>
      randomBytes(16).toString('hex')
    )
    return messages === null ? NO_REPLY : this.reply(messages)
  }

  private async reply(messages: readonly ChatMessage[]): Promise<Reply | null> {
    const { model, send } = this
    const record = recordOf(requestBody(messages))
    const reply = await buyAnswer(
      { pay: this.pay, ask: send, sleep: this.deps.sleep },
      record,
      model
    )
    this.usd += reply?.usd ?? 0
    // it is paid now: `read` may throw
    return reply && this.read(reply.answer)
  }

  /** @throws WitnessUnavailable where it may answer later */
  private read(answer: UpstreamAnswer | NoAnswer): Reply {
    if (answer === 'refused')
      throw new WitnessUnavailable(reasonOf('judge-silent', { model: this.model.name }))
    if (typeof answer === 'string') return NO_REPLY
    if (WRONG_SETTINGS.has(answer.status))
      throw new WitnessUnavailable(
        reasonOf('judge-refused', { model: this.model.name, ...refusalOf(answer) })
      )
    if (!isSuccess(answer.status)) return NO_REPLY
    const completion = completionOf({ path: CHAT.path, response: answer.body })
    const said = parseVerdict(textOf(outcomeOf(completion)))
    const model: unknown = completion?.model
    if (typeof model === 'string') return { said, version: model }
    // what is neither a verdict nor named may come from a gateway before the judge
    return said === 'none' ? NO_REPLY : { said, version: UNVERSIONED }
  }
}
