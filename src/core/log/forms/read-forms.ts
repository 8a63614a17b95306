/**
 * The forms of logs that other programs export. A value's content tells its form, not the name of its file.
 *
 * Completions that OpenAI stored (`store: true`): objects of `GET /v1/chat/completions`, with the messages of
 * `GET /v1/chat/completions/<id>/messages` as their member `messages`.
 *
 * Defined by OpenAI's API reference, "List Chat Completions" and "Get chat messages" (the examples have the members of
 * the request); the messages by `types/chat/chat_completion_store_message.py` of the client `openai` 3.57.0.
 */
import { ANTHROPIC } from './anthropic.ts'
import {
  membersOf,
  nameOf,
  objectsIn,
  type Found,
  type LogForm,
  foundExchange,
  momentOf,
} from './fields.ts'
import { LANGFUSE } from './langfuse.ts'
import { LITELLM } from './litellm.ts'
import { OPEN_TELEMETRY } from './otel.ts'
import { givenParameters } from './chat.ts'
import { isFields, type Fields } from '../../../openai/fields.ts'

/** Of the request. The seed is not: a stored completion has one that was drawn for it. */
const KEPT = [
  'tools',
  'tool_choice',
  'response_format',
  'temperature',
  'top_p',
  'presence_penalty',
  'frequency_penalty',
]

const HOW =
  'add the answer of GET /v1/chat/completions/<id>/messages to each completion, as its member messages'

/** Where the client sent parts, they are in `content_parts`. */
const messageOf = ({ role, content, content_parts, ...others }: Fields): Fields => ({
  role,
  content: content_parts ?? content ?? null,
  ...membersOf(others, ['name', 'tool_calls', 'tool_call_id', 'refusal']),
})

const requestOf = (completion: Fields, messages: Fields[]): Fields => ({
  ...givenParameters(membersOf(completion, KEPT)),
  ...(typeof completion['input_user'] === 'string' && { user: completion['input_user'] }),
  model: completion['model'],
  messages: messages.map(messageOf),
})

/** What a completion has, without the members of its request. */
const ANSWERED = [
  'id',
  'object',
  'created',
  'model',
  'choices',
  'usage',
  'service_tier',
  'system_fingerprint',
]

/** A list as the API gives it, or its `data` alone. */
const listOf = (value: unknown): Fields[] => objectsIn(isFields(value) ? value['data'] : value)

const readStored = (completion: Fields): Found => {
  const { id, created } = completion
  const messages = listOf(completion['messages'])
  if (messages.length === 0)
    return { reason: `the stored completion ${nameOf(id)} has no messages: ${HOW}` }
  const response = membersOf(completion, ANSWERED)
  return foundExchange(id, momentOf(created), requestOf(completion, messages), response)
}

const OPENAI_STORED: LogForm = {
  name: "OpenAI's stored completions",
  read: (value) =>
    value['object'] === 'chat.completion' && Array.isArray(value['choices'])
      ? [readStored(value)]
      : null,
}

const FORMS: LogForm[] = [LANGFUSE, OPEN_TELEMETRY, LITELLM, OPENAI_STORED, ANTHROPIC]

/** For a message about a file in none of them; the first three are those of `import-line.ts`. */
export const FORM_NAMES = [
  '{messages, response}',
  '{request, response}',
  'fine-tuning rows',
  ...FORMS.map(({ name }) => name),
]

const readOne = (value: Fields): Found[] | null => {
  for (const { read } of FORMS) {
    const found = read(value)
    if (found !== null) return found
  }
  return null
}

/** A page of an API (Langfuse, LiteLLM, OpenAI) has its objects in `data`. */
const pageOf = ({ data }: Fields): Fields[] | null =>
  Array.isArray(data) && data.length > 0 && data.every(isFields) ? data : null

/**
 * The exchanges in a parsed value.
 * @returns null for a value in none of the forms
 */
export const readForms = (value: Fields): Found[] | null => {
  const own = readOne(value)
  const page = own === null ? pageOf(value) : null
  if (page === null) return own
  const found = page.map(readOne)
  return found.every((one) => one === null)
    ? null
    : found.flatMap((one) => one ?? [{ reason: 'a member of its data is in another form' }])
}
