/** The properties besides its text that a request must share with a template. */
import { createHash } from 'node:crypto'
import type { ChatRequest } from '../../openai/chat.ts'
import { isFields } from '../../openai/fields.ts'
import { canonicalJson, orderedJson } from '../json.ts'
import type { RequestKey, TemplateKey } from './template.ts'

const digest = (value: unknown): string =>
  createHash('sha256').update(canonicalJson(value)).digest('hex').slice(0, 32)

/**
 * The value with the JSON text of the schema in the given member: a model writes the properties in the order of the
 * schema, so "reason, label" and "label, reason" are different prompts.
 */
const withOrder = (value: unknown, member: string): unknown =>
  isFields(value) && value[member] !== undefined
    ? { ...value, [member]: orderedJson(value[member]) }
    : value

const toolOf = (tool: unknown): unknown =>
  isFields(tool) ? { ...tool, function: withOrder(tool['function'], 'parameters') } : tool

const inOrder = (field: string, value: unknown): unknown => {
  if (!Array.isArray(value)) return value
  if (field === 'tools') return value.map(toolOf)
  return field === 'functions' ? value.map((each) => withOrder(each, 'parameters')) : value
}

const formatOf = (format: unknown): unknown =>
  isFields(format) ? { ...format, json_schema: withOrder(format['json_schema'], 'schema') } : format

const isGiven = (value: unknown): boolean =>
  value !== undefined && value !== null && !(Array.isArray(value) && value.length === 0)

const TOOL_FIELDS = ['tools', 'tool_choice', 'parallel_tool_calls', 'functions', 'function_call']

/** Who sent a request. */
export interface Sender {
  /** keyed hash of the caller's credential, or the tenant of its issued key */
  tenant: string
  /** id of its issued key; absent without one */
  caller?: string | undefined
}

/**
 * @returns digests are 32 hex digits of SHA-256 over canonical JSON with schemas in their order, '' for absent fields
 */
export const templateKeyOf = (request: ChatRequest, { tenant, caller }: Sender): RequestKey => {
  const tools = TOOL_FIELDS.filter((field) => isGiven(request[field]))
  return {
    tenant,
    caller,
    model: request.model,
    tools:
      tools.length === 0
        ? ''
        : digest(tools.map((field) => [field, inOrder(field, request[field])])),
    responseFormat: isGiven(request.response_format)
      ? digest(formatOf(request.response_format))
      : '',
  }
}

/** The key as one string, for maps. */
export const keyText = ({ tenant, model, tools, responseFormat }: TemplateKey): string =>
  `${tenant}\n${tools}\n${responseFormat}\n${model}`
