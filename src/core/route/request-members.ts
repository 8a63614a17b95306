/**
 * What each member of a request means for a route: nothing, a part of the template, a part of the kind of the
 * request, or that only the upstream can answer. docs/parameters.md says why; a test holds it to this table.
 * Knows nothing of messages.
 */
import type { ChatRequest } from '../../openai/chat.ts'
import { isFields } from '../../openai/fields.ts'
import type { TemplateKey } from '../template/template.ts'

/** Reason why a lora cannot answer a request that matched a live template. */
export type Ineligibility =
  | 'several-choices'
  | 'logprobs'
  | 'tools'
  | 'modality'
  | 'sampling'
  | 'unsupported-field'
  | 'invalid-field'

/**
 * `irrelevant`: the value changes no answer, or the API treats it as an absent one. `template`: it must be that
 * of the template (`template-key.ts`, `match.ts`). `kind`: the proof must contain the value.
 */
export type Effect = 'irrelevant' | 'template' | 'kind' | Ineligibility

/** What a member is read beside. */
interface Beside {
  request: ChatRequest
  template: Pick<TemplateKey, 'tools'>
}

type Member = (value: unknown, beside: Beside) => Effect

type Check = (value: unknown) => boolean

const isText: Check = (value) => typeof value === 'string'
const isBoolean: Check = (value) => typeof value === 'boolean'
const isNumber =
  (least: number, most: number): Check =>
  (value) =>
    typeof value === 'number' && value >= least && value <= most
/** Also one that a double cannot hold exactly. */
const isInteger =
  (least: number, most = Number.MAX_VALUE): Check =>
  (value) =>
    Number.isInteger(value) && (value as number) >= least && (value as number) <= most
const isList =
  (isItem: Check, most = Infinity): Check =>
  (value) =>
    Array.isArray(value) && value.length > 0 && value.length <= most && value.every(isItem)
const isFieldsOf =
  (isValue: Check): Check =>
  (value) =>
    isFields(value) && Object.values(value).every(isValue)

/** A value that the API does not take goes to the upstream, which refuses it. */
const checked =
  (isValid: Check, effect: Effect | Member): Member =>
  (value, beside) => {
    if (!isValid(value)) return 'invalid-field'
    return typeof effect === 'string' ? effect : effect(value, beside)
  }

/** The API documents null as the default. Elsewhere null is a value like any other. */
const nullable =
  (member: Member): Member =>
  (value, beside) =>
    value === null ? 'irrelevant' : member(value, beside)

const required =
  (member: Member): Member =>
  (value, beside) =>
    value === null ? 'kind' : member(value, beside)

/** Values that the API documents, and others, which an upstream may take. */
const oneOf = (documented: readonly string[], effect: Effect): Member =>
  checked(isText, (value) => (documented.includes(value as string) ? effect : 'kind'))

/** OpenAI's default is 1; above it the caller asks for variety, and a lora answers greedily. */
const MAX_TEMPERATURE = 1

const temperature = checked(isNumber(0, 2), (value) =>
  (value as number) > MAX_TEMPERATURE ? 'sampling' : 'kind'
)
const penalty = checked(isNumber(-2, 2), (value) => (value === 0 ? 'irrelevant' : 'sampling'))
const bias = checked(isFieldsOf(isNumber(-100, 100)), (value) =>
  Object.keys(value as object).length === 0 ? 'irrelevant' : 'sampling'
)
/** A switch that only the upstream can serve. */
const switched = (reason: Ineligibility): Member =>
  checked(isBoolean, (value) => (value === true ? reason : 'irrelevant'))

const STREAM_OPTIONS = new Set([
  'include_usage',
  'include_obfuscation',
  // of vLLM
  'continuous_usage_stats',
])
/** OpenAI refuses them beside an answer that is not streamed. */
const streamOptions = checked(isFieldsOf(isBoolean), (value, { request: { stream } }) =>
  stream === true && Object.keys(value as object).every((name) => STREAM_OPTIONS.has(name))
    ? 'irrelevant'
    : 'kind'
)

/** OpenAI takes texts alone; some gateways choose a model by other values. */
const metadata = checked(isFields, (value) => (isFieldsOf(isText)(value) ? 'irrelevant' : 'kind'))

const isChoice =
  (...words: string[]): Check =>
  (value) =>
    isFields(value) || words.includes(value as string)

const limit = nullable(checked(isInteger(1), 'kind'))
const text = required(checked(isText, 'irrelevant'))
const onlyUpstream = nullable(() => 'unsupported-field')

const MEMBERS: ReadonlyMap<string, Member> = new Map<string, Member>([
  ['model', () => 'template'],
  ['messages', () => 'template'],
  [
    'tools',
    required(
      checked(isList(isFields), (_, { template }) => (template.tools === '' ? 'tools' : 'template'))
    ),
  ],
  ['tool_choice', required(checked(isChoice('none', 'auto', 'required'), 'template'))],
  ['parallel_tool_calls', required(checked(isBoolean, 'template'))],
  ['functions', required(checked(isList(isFields), 'tools'))],
  ['function_call', required(checked(isChoice('none', 'auto'), 'template'))],
  ['response_format', required(checked(isFields, 'template'))],
  ['stream', nullable(checked(isBoolean, 'irrelevant'))],
  ['stream_options', nullable(streamOptions)],
  ['max_tokens', limit],
  ['max_completion_tokens', limit],
  ['temperature', nullable(temperature)],
  ['top_p', nullable(checked(isNumber(0, 1), 'kind'))],
  ['seed', nullable(checked(isInteger(-Number.MAX_VALUE), 'irrelevant'))],
  [
    'n',
    nullable(checked(isInteger(1), (value) => (value === 1 ? 'irrelevant' : 'several-choices'))),
  ],
  ['stop', nullable(checked((value) => isText(value) || isList(isText, 4)(value), 'kind'))],
  ['logprobs', nullable(checked(isBoolean, (value) => (value === true ? 'kind' : 'irrelevant')))],
  // OpenAI refuses it alone
  [
    'top_logprobs',
    nullable(
      checked(isInteger(0, 20), (_, { request: { logprobs } }) =>
        logprobs === true ? 'kind' : 'logprobs'
      )
    ),
  ],
  [
    'modalities',
    nullable(
      checked(isList(isText), (value) =>
        (value as string[]).every((each) => each === 'text') ? 'irrelevant' : 'modality'
      )
    ),
  ],
  ['presence_penalty', nullable(penalty)],
  ['frequency_penalty', nullable(penalty)],
  ['logit_bias', nullable(bias)],
  ['reasoning_effort', nullable(checked(isText, 'kind'))],
  ['verbosity', nullable(checked(isText, 'kind'))],
  ['user', text],
  ['safety_identifier', text],
  ['prompt_cache_key', text],
  ['prompt_cache_retention', nullable(oneOf(['in-memory', 'in_memory', '24h'], 'irrelevant'))],
  ['metadata', nullable(metadata)],
  ['service_tier', nullable(oneOf(['auto', 'default', 'flex', 'scale', 'priority'], 'irrelevant'))],
  ['store', nullable(switched('unsupported-field'))],
  ['audio', onlyUpstream],
  ['prediction', onlyUpstream],
  ['web_search_options', onlyUpstream],
  // of the Responses API, where a chat request has nothing alike (`responses/read-request.ts`); whether the
  // caller may ask for the answer again is decided by the router
  ['responses.store', nullable(checked(isBoolean, 'irrelevant'))],
  ['responses.truncation', nullable(oneOf(['auto', 'disabled'], 'irrelevant'))],
  ['responses.max_tool_calls', nullable(checked(isInteger(1), 'irrelevant'))],
  ['responses.background', nullable(switched('unsupported-field'))],
  ['responses.hosted_tools', switched('unsupported-field')],
  ['responses.include', onlyUpstream],
  ['responses.conversation', onlyUpstream],
  ['responses.previous_response_id', onlyUpstream],
  ['responses.prompt', onlyUpstream],
  ['responses.text', () => 'invalid-field'],
  ['responses.reasoning', () => 'invalid-field'],
  // a summary would be an item of the answer
  ['responses.reasoning.summary', onlyUpstream],
  ['responses.reasoning.generate_summary', onlyUpstream],
])

/**
 * Names of the members that are told apart from unknown ones.
 * @public for the test of docs/parameters.md
 */
export const KNOWN_MEMBERS: readonly string[] = [...MEMBERS.keys()]

export interface ReadMember {
  name: string
  value: unknown
  effect: Effect
}

/**
 * What each member of a request means, in the order of the request. One that is not known may change an answer,
 * so its value is part of the kind.
 */
export const readMembers = (
  request: ChatRequest,
  template: Pick<TemplateKey, 'tools'>
): ReadMember[] =>
  Object.entries(request)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => ({
      name,
      value,
      effect: MEMBERS.get(name)?.(value, { request, template }) ?? 'kind',
    }))

/** @returns why only the upstream can answer such a request, or null */
export const ineligibilityOf = (
  request: ChatRequest,
  template: Pick<TemplateKey, 'tools'>
): Ineligibility | null => {
  for (const { effect } of readMembers(request, template))
    if (effect !== 'irrelevant' && effect !== 'template' && effect !== 'kind') return effect
  return null
}
