/**
 * A request as a field head reads it: its text, and each kept slot as a source of its own. The student's first message
 * begins with a line for each slot (`core/template/prompt.ts`), and where a line ends the message's own text begins.
 */
import { contentOf, ESCAPE, messagesText } from '../../openai/message-text.ts'
import type { ChatMessage } from '../../openai/chat.ts'
import type { Source } from '../form/words.ts'
import { parseJson } from '../../openai/fields.ts'

/** Name and value of a line. Slots are named with words of their prompt. */
const SLOT_LINE = /^([\p{L}\p{N}_]{1,40}): ([^\n]*)\n/u

interface SlotLine {
  name: string
  value: string
  /** the text behind it */
  rest: string
}

const firstLine = (text: string): SlotLine | null => {
  const found = SLOT_LINE.exec(text)
  return found && { name: found[1]!, value: found[2]!, rest: text.slice(found[0].length) }
}

/** Names of the slots with which all requests begin. A request has more lines than slots, so the last is no slot. */
export const slotNames = (requests: readonly (readonly ChatMessage[])[]): string[] => {
  const names: string[] = []
  let texts = requests.map(([first]) => (first === undefined ? '' : contentOf(first)))
  for (;;) {
    const lines = texts.flatMap((text) => firstLine(text) ?? [])
    const name = lines[0]?.name
    const isShared = lines.length === texts.length && lines.every((line) => line.name === name)
    if (name === undefined || !isShared) return names
    names.push(name)
    texts = lines.map(({ rest }) => rest)
  }
}

/** A value with a line break, or one that begins with a quote, is written as a JSON string. */
const valueOf = (written: string): string => {
  const value = written.startsWith('"') ? parseJson(written) : null
  return typeof value === 'string' ? value : written
}

/**
 * The text of the messages, then the slots.
 * @param names of the slots that the head has learned; a request that does not begin with them is one text
 */
export const requestSources = (
  messages: readonly ChatMessage[],
  names: readonly string[]
): Source[] => {
  const slots: Source[] = []
  const [first, ...others] = messages
  let rest = first === undefined ? '' : contentOf(first)
  for (const name of names) {
    const line = firstLine(rest)
    if (line?.name !== name) return requestSources(messages, [])
    slots.push({ name, text: valueOf(line.value) })
    rest = line.rest
  }
  const read = first && slots.length > 0 ? [{ ...first, content: rest }, ...others] : messages
  return [{ name: 'query', text: messagesText(read), escape: ESCAPE }, ...slots]
}
