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
  /** whether a request that continues it was refused: its conversation counts once */
  isRefused: boolean
}

export interface GivenAnswers {
  /** @param messages of the request, with calls as texts @param content of the answer */
  add(
    tenant: string,
    messages: readonly ChatMessage[],
    content: string,
    route: Pick<RouteOutcome, 'templateVersion' | 'lora'>
  ): void
  /** The first of them in a history; null where there is none. */
  firstIn(tenant: string, messages: readonly ChatMessage[]): GivenBy | null
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
  const given = new LRUCache<string, GivenBy>({ max: MAX_GIVEN })
  return {
    add: (tenant, messages, content, { templateVersion, lora }) => {
      const key = keyOf(tenant, messages.at(-1), answerText(content))
      if (key !== null) given.set(key, { templateVersion, lora, isRefused: false })
    },
    firstIn: (tenant, messages) => {
      for (const [at, message] of messages.entries()) {
        const text = message.role === 'assistant' ? messageText(message) : null
        const key = text === null ? null : keyOf(tenant, messages[at - 1], text)
        const known = key === null ? undefined : given.get(key)
        if (known !== undefined) return known
      }
      return null
    },
  }
}
