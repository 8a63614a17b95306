/**
 * What OpenAI's API refuses in a request's history, with its statuses, codes and messages: ids that are too long or
 * of another form, results without a call and calls without a result, ids that it has not given, and members that
 * it does not know. Mocks of upstreams ask it before they answer. It does not check values of other members.
 */

type Fields = Record<string, unknown>

export interface ApiRefusal {
  status: number
  error: { message: string; type: string; param: string | null; code: string | null }
}

const refusal = (
  message: string,
  param: string | null,
  code: string | null,
  status = 400
): ApiRefusal => ({ status, error: { message, type: 'invalid_request_error', param, code } })

const MAX_CHAT_CALL_ID = 40
const MAX_RESPONSES_ID = 64

const names = (text: string): ReadonlySet<string> => new Set(text.split(' '))

const CHAT_MEMBERS = names(
  'model messages audio frequency_penalty function_call functions logit_bias logprobs max_completion_tokens ' +
    'max_tokens metadata modalities n parallel_tool_calls prediction presence_penalty prompt_cache_key ' +
    'prompt_cache_retention reasoning_effort response_format safety_identifier seed service_tier stop store ' +
    'stream stream_options temperature tool_choice tools top_logprobs top_p user verbosity web_search_options'
)

/** Those that the API's own answers and the official clients' messages have are among them. */
const MESSAGE_MEMBERS = names(
  'role content name tool_calls tool_call_id function_call refusal audio annotations parsed'
)

const RESPONSES_MEMBERS = names(
  'model input background conversation include instructions max_output_tokens max_tool_calls metadata ' +
    'parallel_tool_calls previous_response_id prompt prompt_cache_key prompt_cache_retention reasoning ' +
    'safety_identifier service_tier store stream stream_options temperature text tool_choice tools ' +
    'top_logprobs top_p truncation user context_management'
)

const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const fieldsOf = (value: unknown): Fields[] =>
  Array.isArray(value) ? (value as unknown[]).filter(isFields) : []

const findUnknown = (
  object: Fields,
  known: ReadonlySet<string>,
  path: string
): ApiRefusal | null => {
  const name = Object.keys(object).find((each) => !known.has(each))
  return name === undefined
    ? null
    : refusal(`Unknown parameter: '${path}${name}'.`, `${path}${name}`, 'unknown_parameter')
}

const findTooLong = (value: unknown, max: number, param: string): ApiRefusal | null =>
  typeof value === 'string' && value.length > max
    ? refusal(
        `Invalid '${param}': string too long. Expected a string with maximum length ${max}, ` +
          `but got a string with length ${value.length} instead.`,
        param,
        'string_above_max_length'
      )
    : null

const first = <T>(values: readonly T[], find: (value: T, at: number) => ApiRefusal | null) => {
  for (const [at, value] of values.entries()) {
    const found = find(value, at)
    if (found !== null) return found
  }
  return null
}

const messageRefusal = (message: Fields, at: number): ApiRefusal | null =>
  findUnknown(message, MESSAGE_MEMBERS, `messages[${at}].`) ??
  findTooLong(message['tool_call_id'], MAX_CHAT_CALL_ID, `messages[${at}].tool_call_id`) ??
  first(fieldsOf(message['tool_calls']), ({ id }, place) =>
    findTooLong(id, MAX_CHAT_CALL_ID, `messages[${at}].tool_calls[${place}].id`)
  )

/** Each result follows the message with its call, and each call has a result before the next message. */
const resultsRefusal = (messages: readonly Fields[]): ApiRefusal | null => {
  let open = new Set<unknown>()
  const unanswered = (at: number): ApiRefusal | null =>
    open.size === 0
      ? null
      : refusal(
          "An assistant message with 'tool_calls' must be followed by tool messages responding to each " +
            `'tool_call_id'. The following tool_call_ids did not have response messages: ${[...open].join(', ')}`,
          `messages.[${at}].role`,
          null
        )
  const found = first(messages, ({ role, tool_call_id: id, tool_calls: calls }, at) => {
    if (role === 'tool')
      return open.delete(id)
        ? null
        : refusal(
            "Invalid parameter: messages with role 'tool' must be a response to a preceeding message " +
              "with 'tool_calls'.",
            `messages.[${at}].role`,
            null
          )
    const missing = unanswered(at)
    open = new Set(fieldsOf(calls).map((call) => call['id']))
    return missing
  })
  return found ?? unanswered(messages.length)
}

/** @param request parsed JSON @returns null for a request that the API would answer */
export const chatRefusal = (request: Fields): ApiRefusal | null => {
  const messages = fieldsOf(request['messages'])
  return (
    findUnknown(request, CHAT_MEMBERS, '') ??
    first(messages, messageRefusal) ??
    resultsRefusal(messages)
  )
}

const PREFIXES: Record<string, string> = {
  message: 'msg',
  function_call: 'fc',
  function_call_output: 'fc',
  reasoning: 'rs',
}

const itemNotFound = (id: string): ApiRefusal =>
  refusal(
    `Item with id '${id}' not found. Items are not persisted when \`store\` is set to false. ` +
      'Try again with `store` set to true, or remove this item from your input.',
    'input',
    null,
    404
  )

/** A request that was answered, with its whole conversation. */
interface Stored {
  id: string
  items: Fields[]
}

/** The Responses API with its memory: it knows the responses and the items that it has given. */
export class ResponsesLimits {
  private readonly responses = new Map<string, Stored>()
  private readonly items = new Map<string, Fields>()

  /** @param output of the answer @param items the conversation before it, as `conversation` gives it */
  remember(id: string, items: readonly Fields[], output: readonly Fields[]): void {
    this.responses.set(id, { id, items: [...items, ...output] })
    for (const item of output) this.items.set(String(item['id']), item)
  }

  knows(responseId: string): boolean {
    return this.responses.has(responseId)
  }

  /** All items that the model would read, with references and earlier responses in their places. */
  conversation({ input, previous_response_id: previous }: Fields): Fields[] {
    const given = typeof input === 'string' ? [{ role: 'user', content: input }] : fieldsOf(input)
    const own = given.map((item) =>
      item['type'] === 'item_reference' ? this.items.get(String(item['id']))! : item
    )
    return [...(this.responses.get(String(previous))?.items ?? []), ...own]
  }

  /** @param request parsed JSON @returns null for a request that the API would answer */
  refusal(request: Fields): ApiRefusal | null {
    const { input, previous_response_id: previous } = request
    return (
      findUnknown(request, RESPONSES_MEMBERS, '') ??
      this.previousRefusal(previous) ??
      first(fieldsOf(input), (item, at) => this.itemRefusal(item, at)) ??
      this.callsRefusal(this.conversation(request))
    )
  }

  private previousRefusal(id: unknown): ApiRefusal | null {
    return typeof id === 'string' && !this.responses.has(id)
      ? refusal(
          `Previous response with id '${id}' not found.`,
          'previous_response_id',
          'previous_response_not_found'
        )
      : null
  }

  private itemRefusal(item: Fields, at: number): ApiRefusal | null {
    const { type = 'message', id, call_id: callId } = item
    // it has all that it means
    if (typeof item['encrypted_content'] === 'string') return null
    const tooLong =
      findTooLong(id, MAX_RESPONSES_ID, `input[${at}].id`) ??
      findTooLong(callId, MAX_RESPONSES_ID, `input[${at}].call_id`)
    if (tooLong !== null || typeof id !== 'string') return tooLong
    const prefix = PREFIXES[String(type)]
    if (prefix !== undefined && !id.startsWith(prefix))
      return refusal(
        `Invalid 'input[${at}].id': '${id}'. Expected an ID that begins with '${prefix}'.`,
        `input[${at}].id`,
        'invalid_value'
      )
    return this.items.has(id) ? null : itemNotFound(id)
  }

  private callsRefusal(items: readonly Fields[]): ApiRefusal | null {
    const calls = new Set(
      items.flatMap((item) => (item['type'] === 'function_call' ? [item['call_id']] : []))
    )
    const results = new Set(
      items.flatMap((item) => (item['type'] === 'function_call_output' ? [item['call_id']] : []))
    )
    const lost = [...results].find((id) => !calls.has(id))
    if (lost !== undefined)
      return refusal(
        `No tool call found for function call output with call_id ${String(lost)}.`,
        'input',
        null
      )
    const open = [...calls].find((id) => !results.has(id))
    return open === undefined
      ? null
      : refusal(`No tool output found for function call ${String(open)}.`, 'input', null)
  }
}
