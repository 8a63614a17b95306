/** Reads answers of the Responses API: a stream as its response, and a response as a chat completion. Pure. */
import type { ChatChoice, ChatCompletion, FinishReason, Usage } from '../chat.ts'
import type { AnswerAccumulator } from '../answer.ts'
import { ObjectReader } from '../event-reader.ts'
import { isFields, type Fields } from '../fields.ts'
import { answerUsage } from '../usage/usage.ts'

/** A call of a function as a chat completion has it. @param item of type `function_call` */
export const chatCallOf = ({ call_id: id, name, arguments: text }: Fields): Fields => ({
  id,
  type: 'function',
  function: { name, arguments: text },
})

const itemsOf = (value: unknown): Fields[] => (Array.isArray(value) ? value.filter(isFields) : [])

/** Of the one message of an answer; null where it is more than text. */
const messageOf = ({ content }: Fields): { content: string | null; refusal?: string } | null => {
  let text: string | null = null
  let refusal: string | undefined
  for (const part of itemsOf(content)) {
    const { annotations } = part
    // citations are a part of the answer that a text alone has not
    if (Array.isArray(annotations) && annotations.length > 0) return null
    if (part['type'] === 'output_text' && typeof part['text'] === 'string')
      text = (text ?? '') + part['text']
    else if (part['type'] === 'refusal') refusal = String(part['refusal'])
    else return null
  }
  return { content: text, ...(refusal === undefined ? {} : { refusal }) }
}

const finishOf = (
  { status, incomplete_details: details }: Fields,
  hasCalls: boolean
): FinishReason | null => {
  if (status === 'completed') return hasCalls ? 'tool_calls' : 'stop'
  if (status !== 'incomplete') return null
  const reason = isFields(details) ? details['reason'] : null
  return reason === 'content_filter' ? 'content_filter' : 'length'
}

const choiceOf = (response: Fields): ChatChoice | null => {
  const output = itemsOf(response['output'])
  const messages = output.filter(({ type }) => type === 'message')
  const calls = output.filter(({ type }) => type === 'function_call')
  const reasoning = output.filter(({ type }) => type === 'reasoning')
  // several messages, or items of hosted tools
  if (messages.length > 1 || messages.length + calls.length + reasoning.length < output.length)
    return null
  const [first] = messages
  const message = first === undefined ? { content: null } : messageOf(first)
  if (message === null) return null
  return {
    index: 0,
    message: {
      role: 'assistant',
      ...message,
      ...(calls.length === 0 ? {} : { tool_calls: calls.map(chatCallOf) }),
    },
    logprobs: null,
    finish_reason: finishOf(response, calls.length > 0),
  }
}

/**
 * @param response parsed JSON
 * @returns null for an error, and for an answer that a chat completion cannot hold
 */
export const completionOfResponse = (response: unknown): ChatCompletion | null => {
  if (!isFields(response) || response['object'] !== 'response') return null
  const choice = choiceOf(response)
  const { id, created_at: created, model } = response
  const usage = answerUsage(response)
  return (
    choice && {
      id: String(id),
      object: 'chat.completion',
      created: Number(created ?? 0),
      model: String(model ?? ''),
      choices: [choice],
      ...(usage && { usage }),
    }
  )
}

/** Events that carry the whole response; the last of them is the answer. */
const IS_RESPONSE_TYPE = /^response\.(?:created|queued|in_progress|completed|incomplete|failed)$/

/** The others are not parsed: most events are pieces of text, which the last event repeats. */
const IS_READ =
  /"type"\s*:\s*"(?:response\.(?:created|queued|in_progress|completed|incomplete|failed)|error)"/

/** One stream. Of a stream that breaks off it has the response as it began. */
export class ResponseAccumulator implements AnswerAccumulator {
  error: unknown
  private response: Fields | null = null
  private readonly events = new ObjectReader(
    (event) => this.addEvent(event),
    (data) => IS_READ.test(data)
  )

  push(bytes: Uint8Array): void {
    this.events.push(bytes)
  }

  /** @returns null before the first event with a response, and for a stream that is not read to its end */
  answer(): { usage?: Usage } | null {
    if (this.response === null || this.events.isUnreadable) return null
    const { usage, ...rest } = this.response
    return isFields(usage) ? { ...rest, usage: usage as Usage } : rest
  }

  private addEvent(event: Fields): void {
    if (event['type'] === 'error') this.error = event
    else if (IS_RESPONSE_TYPE.test(String(event['type'])) && isFields(event['response']))
      this.response = event['response']
  }
}
