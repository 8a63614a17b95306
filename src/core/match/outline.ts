/**
 * The outline of a chat request's bytes: its model and where its messages' texts begin, without decoding
 * them. Parsing 8 KB of JSON takes longer than everything else that the proxy does with a request of no
 * template. Knows nothing of templates.
 */
import { orNull, Scanner, UNSURE } from '../../openai/json-edit.ts'

const QUOTE = 0x22

export interface Outline {
  /** '' when there is none */
  model: string
  streamed: boolean
  /** by message: offset of its text's first byte, behind the quote; null when content is not a string */
  contents: (number | null)[]
}

/** With more of them, parsing takes no longer. */
const MAX_QUOTES = 256

/** A string without escapes: an escaped one has to be parsed. @param from of its quote @param to behind its other one */
const plainString = (bytes: Buffer, from: number, to: number): string => {
  const text = bytes.toString('utf8', from + 1, to - 1)
  if (bytes[from] !== QUOTE || text.includes('\\')) throw UNSURE
  return text
}

/** @returns the offset of a message's text, and the one behind the message */
const readMessage = (scanner: Scanner, bytes: Buffer, open: number): [number | null, number] => {
  let content: number | null | undefined
  const end = scanner.members(open, (name, from) => {
    if (name === 'content') {
      if (content !== undefined) throw UNSURE
      content = bytes[from] === QUOTE ? from + 1 : null
    }
    return scanner.value(from)
  })
  return [content ?? null, end]
}

const readOutline = (bytes: Buffer): Outline => {
  const outline: Outline = { model: '', streamed: false, contents: [] }
  const seen = new Set<string>()
  const scanner = new Scanner(bytes, MAX_QUOTES)
  const end = scanner.members(0, (name, from) => {
    // parsers disagree on equal names
    if (seen.has(name)) throw UNSURE
    seen.add(name)
    if (name === 'messages')
      return scanner.elements(from, (open) => {
        const [content, to] = readMessage(scanner, bytes, open)
        outline.contents.push(content)
        return to
      })
    const to = scanner.value(from)
    if (name === 'model') outline.model = plainString(bytes, from, to)
    else if (name === 'stream') outline.streamed = bytes.toString('latin1', from, to) === 'true'
    return to
  })
  if (scanner.space(end) !== bytes.length) throw UNSURE
  return outline
}

/**
 * The values that `JSON.parse` would find, where reading them is cheap.
 * @returns null when the bytes must be parsed: not a JSON object, equal or escaped names, messages that
 * are not a list of objects, or too many strings
 */
export const outlineOf = (bytes: Buffer): Outline | null => orNull(() => readOutline(bytes))
