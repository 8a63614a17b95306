/** What an exchange with the upstream took of its key's limits. Runs after the client's answer. */
import { countableUsage, estimateCompletion } from '../core/token-estimate.ts'
import type { ChatCompletion, Usage } from '../openai/chat.ts'
import { readAnswer } from '../openai/read-answer.ts'
import { usageOf } from '../openai/usage.ts'
import type { Capture } from './capture.ts'
import type { ExchangeEnd } from './exchange.ts'
import type { Charge } from './limits.ts'
import type { ReportFault, ServerFault } from '../fault-log.ts'

const NOTHING = usageOf(0, 0)

/** An upstream that answered with an error, or not at all, has counted nothing. */
const isFree = ({ status }: Capture, end: ExchangeEnd): boolean =>
  status === 0 ? end === 'upstream-failed' : status < 200 || status >= 300

/** @returns null when neither the answer's usage nor its text is known */
const usedBy = async (
  { estimate }: Charge,
  capture: Capture,
  end: ExchangeEnd,
  maxBytes: number
): Promise<Usage | null> => {
  const { chunks, contentType, contentEncoding, truncated } = capture
  if (truncated || chunks.length === 0) return null
  const body = Buffer.concat(chunks)
  const encoding = { contentType, contentEncoding, complete: end === 'complete' }
  const answer = await readAnswer(body, encoding, maxBytes)
  const usage = countableUsage(answer.usage)
  if (usage !== null || answer.response === null) return usage
  const completion = JSON.parse(answer.response.toString()) as Partial<ChatCompletion>
  return Array.isArray(completion.choices)
    ? estimateCompletion(estimate.prompt_tokens, completion as ChatCompletion)
    : null
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
  if (isFree(capture, end)) return charge.settle(NOTHING, 'upstream')
  const usage = await usedBy(charge, capture, end, maxBytes).catch((error: unknown) => {
    fault('charge', error)
    return null
  })
  charge.settle(usage ?? charge.estimate, 'upstream')
}

/** @param isAnswered false when the client left, and the upstream is not asked either */
export const settleLora = (charge: Charge, usage: Usage | null, isAnswered: boolean): void =>
  charge.settle(countableUsage(usage) ?? (isAnswered ? charge.estimate : NOTHING), 'lora')
