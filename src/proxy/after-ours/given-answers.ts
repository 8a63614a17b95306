/**
 * The answers of loras that this process has given lately, so that a request that continues one is told from
 * others. Keeps digests of a question and its answer, no texts. What another process gave is not known here.
 */
import { hash } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import { callLine, isCallText, parseCalls } from '../../core/answer/calls.ts'
import { messageText } from '../../core/request/request-scan.ts'
import type { RouteOutcome } from '../../core/log/record.ts'
import type { ChatMessage } from '../../openai/chat.ts'

/** Whose answer it was. */
export interface GivenBy extends Pick<RouteOutcome, 'templateVersion' | 'lora'> {
  /** that the request asked for */
  model: string
}

interface Given extends GivenBy {
  /** conversations that have it and whose refusal was not counted yet: each counts once */
  uncounted: number
}

export interface GivenAnswers {
  /** @param messages of the request, with calls as texts @param content of the answer */
  add(tenant: string, messages: readonly ChatMessage[], content: string, by: GivenBy): void
  /** The last of them in a history, which the refusal is about; null where there is none. */
  lastIn(tenant: string, messages: readonly ChatMessage[]): GivenBy | null
  /** @returns whether a refusal after this answer counts: as often as the answer was given */
  count(by: GivenBy): boolean
}

/** One takes some 300 bytes. */
const MAX_GIVEN = 10_000

/** @returns null where one of both is no text */
const keyOf = (
  tenant: string,
  question: ChatMessage | undefined,
  answer: string
): string | null => {
  const asked = question === undefined ? null : messageText(question)
  return asked === null ? null : hash('sha256', JSON.stringify([tenant, asked, answer]))
}

/** Calls as a history has them. */
const answerText = (content: string): string =>
  (isCallText(content) ? parseCalls(content)?.map(callLine).join('\n') : null) ?? content

export const createGivenAnswers = (): GivenAnswers => {
  const given = new LRUCache<string, Given>({ max: MAX_GIVEN })
  return {
    add: (tenant, messages, content, { templateVersion, lora, model }) => {
      const key = keyOf(tenant, messages.at(-1), answerText(content))
      if (key === null) return
      const before = given.get(key)
      const uncounted = before?.lora === lora ? before.uncounted + 1 : 1
      given.set(key, { templateVersion, lora, model, uncounted })
    },
    lastIn: (tenant, messages) => {
      for (let at = messages.length - 1; at > 0; at--) {
        const message = messages[at]
        const text = message?.role === 'assistant' ? messageText(message) : null
        const key = text === null ? null : keyOf(tenant, messages[at - 1], text)
        const known = key === null ? undefined : given.get(key)
        if (known !== undefined) return known
      }
      return null
    },
    count: (by) => {
      const known = by as Given
      if (known.uncounted === 0) return false
      known.uncounted--
      return true
    },
  }
}
