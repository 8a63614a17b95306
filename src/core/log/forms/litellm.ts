/**
 * LiteLLM: rows of its table `LiteLLM_SpendLogs`, and its standard logging payload, which callbacks and buckets get.
 *
 * Defined by BerriAI/litellm: `schema.prisma` (the row), `litellm/proxy/spend_tracking/spend_tracking_utils.py` (what is
 * in its JSON columns: the body of the request is in `proxy_server_request`, and in older versions its messages are in
 * `messages`), `litellm/types/utils.py` (`StandardLoggingPayload`), `litellm/constants.py` (the mark of what was cut).
 */
import { anthropicExchange, isAnthropicAnswer } from './anthropic.ts'
import { completionOf, usageOf } from './chat.ts'
import {
  countOf,
  fieldsIn,
  isEmpty,
  nameOf,
  textOf,
  unpacked,
  foundExchange,
  type Found,
  type LogForm,
  momentOf,
} from './fields.ts'
import { isFields, type Fields } from '../../../openai/fields.ts'

const STORE = 'set general_settings.store_prompts_in_spend_logs: true'
/** `LITELLM_TRUNCATED_PAYLOAD_FIELD`, within texts that were cut for the database. */
const CUT = 'litellm_truncated'
/** Instead of texts, with `turn_off_message_logging`. */
const REDACTED = 'redacted-by-litellm'

/** The client's body, where the row has it, else what LiteLLM made of it. */
const requestOf = (row: Fields): Fields => {
  const body = fieldsIn(row['proxy_server_request'])
  const model = body['model'] ?? (isEmpty(row['model_group']) ? row['model'] : row['model_group'])
  if (!isEmpty(body['messages']) || !isEmpty(body['input'])) return { ...body, model }
  return { ...fieldsIn(row['model_parameters']), model, messages: unpacked(row['messages']) }
}

const tokensOf = (row: Fields) => {
  const counted = fieldsIn(fieldsIn(row['metadata'])['usage_object'])
  const details = fieldsIn(counted['prompt_tokens_details'])
  return {
    input: countOf(row['prompt_tokens']),
    output: countOf(row['completion_tokens']),
    cacheRead: countOf(details['cached_tokens'] ?? counted['cache_read_input_tokens']),
    cacheWrite: countOf(counted['cache_creation_input_tokens']),
  }
}

/** A text may be the JSON of a body, or an answer that is JSON. @returns null where nothing was kept */
const responseOf = (row: Fields): Fields | null => {
  const given = row['response']
  const response = unpacked(given)
  if (isEmpty(response)) return null
  const usage = usageOf(tokensOf(row))
  const isBody =
    isFields(response) && ('object' in response || 'choices' in response || 'type' in response)
  if (!isBody && typeof given === 'string')
    return completionOf({ message: { content: given }, model: textOf(row['model']), usage })
  const body = isFields(response) ? response : { response }
  return isEmpty(body['usage']) && usage !== null ? { ...body, usage } : body
}

const fault = (row: Fields, request: Fields, response: Fields | null): string | null => {
  const { status, call_type } = row
  if (status === 'failure') return 'its call failed'
  const isChat = !isEmpty(request['input']) || Array.isArray(request['messages'])
  if (!isChat && response !== null) return `its call, ${nameOf(call_type)}, is not a chat`
  if (!isChat || isEmpty(request['messages'] ?? request['input']))
    return `it has no proxy_server_request and no messages: ${STORE}`
  if (response === null) return `it has no response: ${STORE}`
  const texts = textOf([request, response])
  if (texts.includes(CUT))
    return 'its texts are cut: set MAX_STRING_LENGTH_PROMPT_IN_DB above your longest prompt'
  return texts.includes(REDACTED) ? 'its texts are left out: turn_off_message_logging is set' : null
}

const readRow = (row: Fields): Found => {
  const id = row['request_id'] ?? row['id']
  const request = requestOf(row)
  const response = responseOf(row)
  const reason = fault(row, request, response)
  if (reason !== null) return { reason: `request ${nameOf(id)}: ${reason}` }
  const at = momentOf(row['startTime'])
  return response !== null && isAnthropicAnswer(response)
    ? anthropicExchange(request, response, at, id)
    : foundExchange(id, at, request, response)
}

export const LITELLM: LogForm = {
  name: "rows of LiteLLM's LiteLLM_SpendLogs",
  read: (value) => {
    const isRow = 'call_type' in value && 'startTime' in value
    return isRow && ('request_id' in value || 'model_parameters' in value) ? [readRow(value)] : null
  },
}
