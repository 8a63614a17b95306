/**
 * Captured exchanges → records: answers are decoded, streams added up, usage read. Every store does
 * this on its own side of the log queue, where it delays no request.
 */
import { withoutAttachments } from '../../../core/request/attachments.ts'
import type { BatchedExchange } from '../../../core/log/exchange-batch.ts'
import type { RecordHead } from '../../../core/log/record.ts'
import type { Usage } from '../../../openai/chat.ts'
import { readAnswer, type ReadAnswer } from '../../../openai/read-answer.ts'

/** A record with its bodies in UTF-8, views of its batch as far as that has them. */
export interface RecordBytes {
  head: RecordHead
  usage: Usage | null
  request: Buffer
  response: Buffer | null
}

const answerOf = (
  { answer, form }: BatchedExchange,
  maxBytes: number
): ReadAnswer | Promise<ReadAnswer> =>
  form.kind === 'read'
    ? { response: answer, usage: form.usage }
    : readAnswer(answer, form, maxBytes)

const EMPTY = Buffer.alloc(0)

const requestOf = (request: Buffer, maxBytes: number): Buffer => {
  const text = withoutAttachments(request)
  return text.length > maxBytes ? EMPTY : text
}

/**
 * @param maxBytes of a request without its attachments and of a decoded answer; a larger one is left
 * out of its record
 */
export const readRecords = async (
  exchanges: BatchedExchange[],
  maxBytes: number
): Promise<RecordBytes[]> => {
  const records: RecordBytes[] = []
  for (const exchange of exchanges) {
    const read = answerOf(exchange, maxBytes)
    // few answers are encoded
    const answer = read instanceof Promise ? await read : read
    records.push({
      head: exchange.head,
      usage: answer.usage,
      request: requestOf(exchange.request, maxBytes),
      response: answer.response && withoutAttachments(answer.response),
    })
  }
  return records
}
