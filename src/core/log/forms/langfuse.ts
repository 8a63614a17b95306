/**
 * Langfuse: observations of the type GENERATION, alone or within their trace.
 *
 * Defined by langfuse/langfuse: `packages/shared/src/server/repositories/observations_converters.ts` (table export and
 * API, camelCase), `fern/apis/server/definition/commons.yml` (traces), `packages/shared/src/server/ingestion/types.ts` and
 * `worker/src/constants/default-model-prices.json` (names of counts); by langfuse/langfuse-docs:
 * `blob-storage-export-fields.mdx` (blob storage, snake_case, payloads as JSON texts). The client writes `input` as a
 * list of messages, or as an object of messages and tools, and `output` as one message (langfuse-python, `openai.py`).
 */
import { completionOf, givenParameters, usageOf, type Tokens } from './chat.ts'
import {
  countOf,
  fieldsIn,
  isEmpty,
  unpacked,
  nameOf,
  foundExchange,
  readEach,
  type Found,
  type LogForm,
  momentOf,
} from './fields.ts'
import { isFields, type Fields } from '../../../openai/fields.ts'

/** Of `GET /api/public/v2/observations` and of the export to blob storage, which can leave groups out. */
const HOW = 'export it with the field groups core, basic, io, metadata, model and usage'

/** Its three names of a member: of the API and the table, of the newer API, and of blob storage. */
const member = (observation: Fields, ...names: string[]): unknown =>
  names.map((name) => observation[name]).find((value) => !isEmpty(value))

interface Asked {
  messages: unknown[]
  others: Fields
}

/** @returns why the input is not a chat request */
const askedIn = (observation: Fields): Asked | string => {
  const input = unpacked(observation['input'])
  if (isEmpty(input)) return `it has no input: ${HOW}`
  if (Array.isArray(input)) return { messages: input, others: {} }
  if (!isFields(input)) return 'its input is a text, not a list of messages'
  const { messages, ...others } = input
  return Array.isArray(messages)
    ? { messages, others }
    : 'its input has no messages: only the input of a chat model is read'
}

/** The client keeps the form of the answer with the metadata. */
const parametersOf = (observation: Fields): Fields => {
  const format = fieldsIn(fieldsIn(observation['metadata'])['response_format'])
  return {
    ...givenParameters(fieldsIn(member(observation, 'modelParameters', 'model_parameters'))),
    ...(typeof format['type'] === 'string' && { response_format: format }),
  }
}

const sumOf = (details: Fields, isPart: (name: string) => boolean): number | null => {
  const counts = Object.entries(details).flatMap(([name, value]) =>
    isPart(name) ? (countOf(value) ?? []) : []
  )
  return counts.length === 0 ? null : counts.reduce((sum, count) => sum + count, 0)
}

const CACHE_READS = new Set(['input_cached_tokens', 'input_cache_read', 'cache_read_input_tokens'])
const CACHE_WRITES = new Set([
  'input_cache_creation',
  'input_cache_creation_5m',
  'input_cache_creation_1h',
  'input_cache_write_tokens',
  'cache_creation_input_tokens',
])

/**
 * Langfuse subtracts the details of a provider's count from its `input` and `output`, so all parts are summed.
 * Anthropic's two names for the cache do not begin with `input`; counts that it does not know keep OpenAI's names.
 */
const detailTokens = (details: Fields): Tokens => ({
  input: sumOf(
    details,
    (name) =>
      name.startsWith('input') ||
      name === 'prompt_tokens' ||
      CACHE_READS.has(name) ||
      CACHE_WRITES.has(name)
  ),
  output: sumOf(details, (name) => name.startsWith('output') || name === 'completion_tokens'),
  cacheRead: sumOf(details, (name) => CACHE_READS.has(name)),
  cacheWrite: sumOf(details, (name) => CACHE_WRITES.has(name)),
})

/** The older `usage` has totals alone, by two pairs of names. */
const olderTokens = (usage: Fields): Tokens => ({
  input: countOf(usage['input'] ?? usage['promptTokens']),
  output: countOf(usage['output'] ?? usage['completionTokens']),
  cacheRead: null,
  cacheWrite: null,
})

const tokensOf = (observation: Fields): Tokens => {
  const details = fieldsIn(member(observation, 'usageDetails', 'usage_details'))
  return isEmpty(details) ? olderTokens(fieldsIn(observation['usage'])) : detailTokens(details)
}

/** A message or a whole completion, alone or as the last one of a list. */
const answerIn = (output: unknown): Fields | null => {
  const answer = Array.isArray(output) ? (output as unknown[]).at(-1) : output
  if (!isFields(answer)) return null
  const { content, tool_calls, choices, role } = answer
  const isMessage = role !== undefined && (typeof content === 'string' || Array.isArray(tool_calls))
  return isMessage || Array.isArray(choices) ? answer : null
}

/** A text may be the JSON of a message, or an answer that is JSON. */
const responseOf = (observation: Fields, model: string): Fields | null | 'wrong' => {
  const { output } = observation
  if (isEmpty(output)) return null
  const usage = usageOf(tokensOf(observation))
  const answer = answerIn(unpacked(output))
  if (answer === null && typeof output !== 'string') return 'wrong'
  const message = answer ?? { content: output as string }
  if (!Array.isArray(message['choices'])) return completionOf({ message, model, usage })
  return usage === null ? message : { ...message, usage }
}

const readGeneration = (observation: Fields): Found => {
  const name = `observation ${nameOf(observation['id'])}`
  const asked = askedIn(observation)
  if (typeof asked === 'string') return { reason: `${name}: ${asked}` }
  const model = member(observation, 'model', 'providedModelName', 'provided_model_name')
  if (typeof model !== 'string') return { reason: `${name}: it has no model: ${HOW}` }
  const response = responseOf(observation, model)
  if (response === 'wrong')
    return { reason: `${name}: its output is not an answer of a chat model` }
  const request = {
    ...parametersOf(observation),
    ...asked.others,
    model,
    messages: asked.messages,
  }
  const at = momentOf(member(observation, 'startTime', 'start_time'))
  return foundExchange(observation['id'], at, request, response)
}

const isObservation = (value: Fields): boolean =>
  typeof value['type'] === 'string' &&
  ('traceId' in value || 'trace_id' in value) &&
  ('startTime' in value || 'start_time' in value)

const readObservation = (value: Fields): Found[] | null => {
  if (!isObservation(value)) return null
  return value['type'] === 'GENERATION'
    ? [readGeneration(value)]
    : [{ reason: `it is an observation of type ${nameOf(value['type'])}, not GENERATION` }]
}

/** The exchanges of a trace: its other observations are steps of the program around them. */
const readTrace = (observations: unknown[]): Found[] => {
  const generations = observations.filter(
    (value) => isFields(value) && value['type'] === 'GENERATION'
  )
  if (generations.length > 0) return readEach(generations, readObservation)
  const seen = observations.some(isFields) ? 'none of the type GENERATION' : 'their ids alone'
  return [{ reason: `it is a trace with ${seen}: export the table of observations` }]
}

const isTrace = (value: Fields): boolean =>
  'timestamp' in value && ('bookmarked' in value || 'htmlPath' in value)

export const LANGFUSE: LogForm = {
  name: 'observations of Langfuse',
  read: (value) => {
    const { observations } = value
    const isAround = isTrace(value) || isFields(value['trace'])
    if (
      Array.isArray(observations) &&
      (isAround || observations.filter(isFields).some(isObservation))
    )
      return readTrace(observations as unknown[])
    return isTrace(value) && value['type'] === undefined ? readTrace([]) : readObservation(value)
  },
}
