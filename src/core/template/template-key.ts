/** The properties besides its text that a request must share with a template. */
import { createHash } from 'node:crypto'
import type { ChatRequest } from '../../openai/chat.ts'
import { canonicalJson } from '../json.ts'
import type { RequestKey, TemplateKey } from './template.ts'

const digest = (value: unknown): string =>
  createHash('sha256').update(canonicalJson(value)).digest('hex').slice(0, 32)

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
 * @returns digests are 32 hex digits of SHA-256 over canonical JSON, '' for absent fields
 */
export const templateKeyOf = (request: ChatRequest, { tenant, caller }: Sender): RequestKey => {
  const tools = TOOL_FIELDS.filter((field) => isGiven(request[field]))
  return {
    tenant,
    caller,
    model: request.model,
    tools: tools.length === 0 ? '' : digest(tools.map((field) => [field, request[field]])),
    responseFormat: isGiven(request.response_format) ? digest(request.response_format) : '',
  }
}

/** The key as one string, for maps. */
export const keyText = ({ tenant, model, tools, responseFormat }: TemplateKey): string =>
  `${tenant}\n${tools}\n${responseFormat}\n${model}`
