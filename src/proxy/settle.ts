/** What an exchange with the upstream took of its key's limits. Runs after the client's answer. */
import { countableUsage, estimateCompletion } from '../core/cost/token-estimate.ts'
import type { ChatCompletion, Usage } from '../openai/chat.ts'
import { readAnswer } from '../openai/read-answer.ts'
import { usageOf } from '../openai/usage.ts'
import type { Capture } from './upstream/capture.ts'
import type { ExchangeEnd } from './reasons.ts'
import type { ReportFault, ServerFault } from '../fault-log.ts'
import type { Charge, Taken } from './access/limits.ts'

const NOTHING: Taken = { tokens: usageOf(0, 0), billed: 'nothing' }
const UNKNOWN: Taken = { tokens: null, billed: 'unknown' }

/** Clients leave behind it. A line end within an answer's JSON is an escape, so that no text looks so. */
const END_OF_STREAM = '\ndata: [DONE]'

/** An upstream that answered with an error, or not at all, has counted nothing. */
const isFree = ({ status }: Capture, end: ExchangeEnd): boolean =>
  status === 0 ? end === 'upstream-failed' : status < 200 || status >= 300

/** Of an answer without usage: its text says what it took of a rate, and not what is billed for it. */
const takenByText = ({ estimate }: Charge, response: Buffer): Taken => {
  const completion = JSON.parse(response.toString()) as Partial<ChatCompletion>
  const tokens = Array.isArray(completion.choices)
    ? estimateCompletion(estimate.prompt_tokens, completion as ChatCompletion)
    : null
  return { ...UNKNOWN, tokens }
}

const takenBy = async (
  charge: Charge,
  capture: Capture,
  end: ExchangeEnd,
  maxBytes: number
): Promise<Taken> => {
  const { chunks, contentType, contentEncoding, truncated } = capture
  if (truncated || chunks.length === 0) return UNKNOWN
  const body = Buffer.concat(chunks)
  const encoding = { contentType, contentEncoding, complete: end === 'complete' }
  const answer = await readAnswer(body, encoding, maxBytes)
  const usage = countableUsage(answer.usage)
  // of an answer that broke off, the upstream may have written and counted more
  if (end !== 'complete' && !body.includes(END_OF_STREAM)) return UNKNOWN
  if (usage !== null) return { tokens: usage, billed: usage }
  return answer.response === null ? UNKNOWN : takenByText(charge, answer.response)
}

/**
 * What cannot be known is charged as it was reserved: a key must not get an answer for nothing by
 * hanging up. @param options.maxBytes of a decoded answer
 */
export const settleUpstream = async (
  charge: Charge,
  capture: Capture,
  end: ExchangeEnd,
  { maxBytes, fault }: { maxBytes: number; fault: ReportFault<ServerFault> }
): Promise<void> => {
  if (isFree(capture, end)) return charge.settle(NOTHING)
  charge.settle(
    await takenBy(charge, capture, end, maxBytes).catch((error: unknown) => {
      fault('charge', error)
      return UNKNOWN
    })
  )
}

/**
 * A lora's answer takes tokens and no money.
 * @param isAnswered false when the client left, and the upstream is not asked either
 */
export const settleLora = (charge: Charge, usage: Usage | null, isAnswered: boolean): void =>
  charge.settle({
    tokens: countableUsage(usage) ?? (isAnswered ? null : NOTHING.tokens),
    billed: 'nothing',
  })
