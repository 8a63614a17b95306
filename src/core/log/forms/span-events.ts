/**
 * The messages of a span in the conventions before 1.37, as events.
 *
 * Defined by open-telemetry/semantic-conventions: up to 1.27 `gen_ai.content.prompt` and `gen_ai.content.completion`
 * with the messages as JSON in the attributes `gen_ai.prompt` and `gen_ai.completion`; from 1.28 to 1.36
 * `gen_ai.<role>.message` and `gen_ai.choice`, of which each has one message. Where these are events of a span, Azure's
 * clients write the message as JSON in the attribute `gen_ai.event.content` (Azure/azure-sdk-for-python,
 * `azure-ai-inference`), others as attributes `content`, `role` and `tool_calls`.
 */
import { fieldsIn, isEmpty, membersOf, objectsIn, unpacked, textOf, type Fields } from './fields.ts'
import { attributesOf } from './otlp.ts'

/** Messages as chat completions have them. */
export interface EventMessages {
  messages: Fields[]
  answer: Fields | null
  finishReason: unknown
}

const MESSAGE = /^gen_ai\.(system|user|assistant|tool)\.message$/

interface SpanEvent {
  name: string
  body: Fields
}

const eventOf = ({ name, attributes }: Fields): SpanEvent => {
  const all = attributesOf(attributes)
  return { name: textOf(name), body: { ...all, ...fieldsIn(all['gen_ai.event.content']) } }
}

const messageOf = (body: Fields, role: string): Fields => {
  const calls = unpacked(body['tool_calls'])
  const { role: named, content, id } = body
  return {
    role: typeof named === 'string' ? named : role,
    content: content ?? null,
    ...(!isEmpty(calls) && { tool_calls: calls }),
    ...(role === 'tool' && { tool_call_id: id ?? body['tool_call_id'] }),
    ...membersOf(body, ['name']),
  }
}

/** `message` of a choice may be JSON, a text, or missing, with its members beside it. */
const choiceOf = ({ message, ...beside }: Fields): Fields => {
  const found = unpacked(message)
  return typeof found === 'string'
    ? { role: 'assistant', content: found }
    : messageOf(isEmpty(found) ? beside : fieldsIn(found), 'assistant')
}

/** @returns null where no event has a message */
export const eventMessages = (events: unknown): EventMessages | null => {
  const read = objectsIn(events).map(eventOf)
  const messages = read.flatMap(({ name, body }) => {
    if (name === 'gen_ai.content.prompt') return objectsIn(unpacked(body['gen_ai.prompt']))
    const role = MESSAGE.exec(name)?.[1]
    return role === undefined ? [] : [messageOf(body, role)]
  })
  if (messages.length === 0) return null
  const choice = read.find(({ name }) => name === 'gen_ai.choice')
  const completion = read.find(({ name }) => name === 'gen_ai.content.completion')
  const [completed = null] = objectsIn(unpacked(completion?.body['gen_ai.completion']))
  return {
    messages,
    answer: choice === undefined ? completed : choiceOf(choice.body),
    finishReason: choice?.body['finish_reason'],
  }
}
