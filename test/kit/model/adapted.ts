/** The request to a template's lora in place of a client's request. */
import { compileMatcher } from '../../../src/core/match/match.ts'
import { templateKeyOf } from '../../../src/core/template/template-key.ts'
import { EMPTY_PROMPT, studentMessages } from '../../../src/core/template/prompt.ts'
import type { Match, Template } from '../../../src/core/template/template.ts'
import type { ChatMessage, ChatRequest } from '../../../src/openai/chat.ts'

export type Recognize = (request: ChatRequest) => Match | null

/** Recognizes requests by one template, which is compiled once. */
export const matching = (template: Template): Recognize => {
  const matcher = compileMatcher([template])
  return (request) => matcher.match(templateKeyOf(request, template), request.messages)
}

/** @throws Error when the template does not recognize the request */
export const matchOf = (recognize: Recognize, request: ChatRequest): Match => {
  const match = recognize(request)
  if (match === null) throw new Error('the template does not recognize the request')
  return match
}

export const adaptedMessages =
  (recognize: Recognize) =>
  (request: ChatRequest): ChatMessage[] =>
    studentMessages(matchOf(recognize, request), EMPTY_PROMPT)
