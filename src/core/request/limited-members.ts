/**
 * Members of a request that a key with limits may send. Limits hold for the model that the request names, at the
 * operator's upstream. Gateways and hosted tools take other models, hosts and resources of the account from further
 * members, so everything that is not known here is refused. Knows nothing of keys.
 */
import type { ChatRequest } from '../../openai/chat.ts'
import { isFields } from '../../openai/fields.ts'
import { squash } from './ambiguous-members.ts'

const names = (text: string): ReadonlySet<unknown> => new Set(text.split(' '))

/** Of chat completions, in both dialects; then what servers of open models know. */
const ALLOWED = names(
  'model messages stream stream_options max_tokens max_completion_tokens temperature top_p n stop seed ' +
    'logprobs top_logprobs tools tool_choice parallel_tool_calls functions function_call response_format ' +
    'modalities audio prediction presence_penalty frequency_penalty logit_bias user metadata store ' +
    'service_tier safety_identifier prompt_cache_key prompt_cache_retention reasoning_effort verbosity ' +
    'web_search_options best_of ' +
    'top_k top_a min_p typical_p repetition_penalty length_penalty min_tokens ignore_eos stop_token_ids ' +
    'bad_words skip_special_tokens spaces_between_special_tokens include_stop_str_in_output ' +
    'truncate_prompt_tokens add_generation_prompt continue_final_message chat_template_kwargs ' +
    'include_reasoning enable_thinking thinking reasoning structured_outputs guided_json guided_regex ' +
    'guided_choice guided_grammar grammar json_schema cache_prompt mirostat mirostat_tau mirostat_eta'
)

/**
 * Of the Responses API alone. An earlier response is named by an id that its caller got as an answer; files,
 * conversations and prompts are made by requests that a key with limits may not send.
 */
const ALLOWED_RESPONSES = names(
  'store previous_response_id include hosted_tools reasoning_items text reasoning reasoning.summary ' +
    'reasoning.generate_summary reasoning.context truncation max_tool_calls ' +
    'stream_options stream_options.include_usage'
)

/**
 * Of messages, in both dialects; then what servers of open models know. An answer in sound is named by an id that its
 * caller got.
 */
const ALLOWED_IN_MESSAGES = names(
  'role content name phase tool_calls tool_call_id function_call refusal annotations audio ' +
    'parsed responses.status reasoning reasoning_content reasoning_details cache_control prefix partial weight'
)

/** Run by the caller; others run at the provider, some with a model or a server of their own. */
const OWN_TOOLS = names('function custom')

/** Prefix of what a chat request cannot say (`read-request.ts`). */
const RESPONSES_PREFIX = 'responses.'

const isGiven = (value: unknown): boolean => value !== undefined && value !== null

const isAllowed = (name: string): boolean =>
  name.startsWith(RESPONSES_PREFIX)
    ? ALLOWED_RESPONSES.has(name.slice(RESPONSES_PREFIX.length))
    : ALLOWED.has(name)

const areOwnTools = (tools: unknown): boolean =>
  !isGiven(tools) ||
  (Array.isArray(tools) && tools.every((tool) => isFields(tool) && OWN_TOOLS.has(tool['type'])))

const withoutPrefix = (name: string): string =>
  name.startsWith(RESPONSES_PREFIX) ? name.slice(RESPONSES_PREFIX.length) : name

/** In any spelling that an upstream may read as a file's name. */
const FILE_NAMES = names('fileid fileids')

/** @param value nested at most 256 deep, as a request that was read */
const namesFile = (value: unknown): boolean => {
  if (Array.isArray(value)) return value.some(namesFile)
  if (!isFields(value)) return false
  return Object.entries(value).some(
    ([name, member]) => (isGiven(member) && FILE_NAMES.has(squash(name))) || namesFile(member)
  )
}

/** The first member with a value for which this is not true, as its caller wrote it. */
const firstUnknown = (fields: object, isKnown: (name: string) => boolean): string | undefined => {
  for (const [name, value] of Object.entries(fields))
    if (isGiven(value) && !isKnown(name)) return withoutPrefix(name)
  return undefined
}

/** @returns the name of the first member that a key with limits may not send; null where all may be sent */
export const findUnlimitedMember = (request: ChatRequest): string | null => {
  const unknown = firstUnknown(request, isAllowed)
  if (unknown !== undefined) return unknown
  if (!areOwnTools(request.tools)) return 'tools'
  for (const message of request.messages) {
    const member = firstUnknown(message, (name) => ALLOWED_IN_MESSAGES.has(name))
    if (member !== undefined) return member
  }
  return namesFile(request.messages) ? 'file_id' : null
}
