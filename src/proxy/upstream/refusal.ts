/** What an upstream's answer says of the credentials that it was asked with. */
import { isFields, parseJson, type Fields } from '../../openai/fields.ts'
import { readAnswer, type ReadAnswer } from '../../openai/read-answer.ts'
import type { Dialect } from '../../openai/dialect.ts'
import type { Capture } from './capture.ts'

const NO_MONEY = 402
const TOO_MANY = 429

/** Of the bytes that an error may have to be read, as sent and decoded: one says no more in any API. */
export const MAX_ERROR_BYTES = 2 ** 16

/** The error that a body in JSON reports; empty where it reports none. */
export const errorIn = (body: string): Fields => {
  const value = parseJson(body)
  const error = isFields(value) ? value['error'] : null
  return isFields(error) ? error : {}
}

/** Of an account without money; other answers of this status say that it asks too often. */
const isOutOfMoney = ({ response }: ReadAnswer): boolean => {
  const { code, type } = errorIn(response?.toString() ?? '')
  return [code, type].includes('insufficient_quota')
}

/**
 * The status of the answer, and 402 for an account without money, which OpenAI answers with 429.
 * @returns a promise only for an encoded body of status 429
 */
export const refusalStatus = (
  { status, chunks, bytes, contentType, contentEncoding, truncated }: Capture,
  dialect: Dialect
): number | Promise<number> => {
  if (status !== TOO_MANY || truncated || bytes > MAX_ERROR_BYTES) return status
  const meaning = (answer: ReadAnswer): number => (isOutOfMoney(answer) ? NO_MONEY : status)
  const form = { contentType, contentEncoding, complete: true }
  const answer = readAnswer(Buffer.concat(chunks), form, { dialect, maxBytes: MAX_ERROR_BYTES })
  return answer instanceof Promise ? answer.then(meaning) : meaning(answer)
}
