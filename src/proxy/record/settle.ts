/** Settles an exchange with the limits of its key. Runs after the client's answer. */
import { setImmediate } from 'node:timers/promises'
import { countableUsage, estimateCompletion } from '../../core/cost/token-estimate.ts'
import type { Usage } from '../../openai/chat.ts'
import type { Dialect } from '../../openai/dialect.ts'
import { readAnswer } from '../../openai/read-answer.ts'
import { usageOf } from '../../openai/usage/usage.ts'
import type { Capture } from '../upstream/capture.ts'
import type { ExchangeEnd } from '../reasons.ts'
import type { ReportFault, ServerFault } from '../../fault-log.ts'
import type { Charge, Taken } from '../access/limits.ts'

const NOTHING: Taken = { tokens: usageOf(0, 0), billed: 'nothing' }
const UNKNOWN: Taken = { tokens: null, billed: 'unknown' }

/** An upstream that answered with an error, or not at all, bills nothing. */
const isFree = ({ status }: Capture, end: ExchangeEnd): boolean =>
  status === 0 ? end === 'upstream-failed' : status < 200 || status >= 300

/** The usage of an answer that has none: an estimate by its text counts for rates; the bill is unknown. */
const takenByText = ({ estimate }: Charge, response: Buffer, { completionOf }: Dialect): Taken => {
  const completion = completionOf(JSON.parse(response.toString()))
  const tokens = Array.isArray(completion?.choices)
    ? estimateCompletion(estimate.prompt_tokens, completion)
    : null
  return { ...UNKNOWN, tokens }
}

const takenBy = async (
  charge: Charge,
  capture: Capture,
  end: ExchangeEnd,
  options: { dialect: Dialect; maxBytes: number }
): Promise<Taken> => {
  const { chunks, contentType, contentEncoding, truncated } = capture
  if (truncated || chunks.length === 0) return UNKNOWN
  const body = Buffer.concat(chunks)
  const encoding = { contentType, contentEncoding, complete: end === 'complete' }
  const answer = await readAnswer(body, encoding, { ...options, pause: setImmediate })
  const usage = countableUsage(answer.usage)
  // the upstream may have written and billed more of an answer that broke off
  if (end !== 'complete' && !body.includes(options.dialect.lastEvent)) return UNKNOWN
  if (usage !== null) return { tokens: usage, billed: usage }
  return answer.response === null ? UNKNOWN : takenByText(charge, answer.response, options.dialect)
}

/**
 * Settles an answer of the upstream. Unknown usage costs what was reserved: otherwise a client could get
 * answers for free by hanging up.
 * @param options.dialect of the request
 * @param options.maxBytes of a decoded answer
 */
export const settleUpstream = async (
  charge: Charge,
  capture: Capture,
  end: ExchangeEnd,
  { fault, ...reading }: { dialect: Dialect; maxBytes: number; fault: ReportFault<ServerFault> }
): Promise<void> => {
  if (isFree(capture, end)) return charge.settle(NOTHING)
  charge.settle(
    await takenBy(charge, capture, end, reading).catch((error: unknown) => {
      fault('charge', error)
      return UNKNOWN
    })
  )
}

/**
 * Settles a lora's answer, which takes tokens and no money.
 * @param isAnswered false when the client left before the answer
 */
export const settleLora = (charge: Charge, usage: Usage | null, isAnswered: boolean): void =>
  charge.settle({
    tokens: countableUsage(usage) ?? (isAnswered ? null : NOTHING.tokens),
    billed: 'nothing',
  })
