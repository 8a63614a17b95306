/**
 * Continues a response that the provider does not know: the conversation before it is put into the request in
 * place of its id. All other bytes of the request stay as they are.
 */
import { inserted, orNull, replaced, Scanner, UNSURE, type Found } from '../json-edit.ts'

export interface Exchanged {
  /** body of a request, JSON, with its whole input */
  request: string
  /** body of a lora's answer to it, JSON */
  response: string
}

export const find = (body: Buffer, name: string): Found => {
  const scanner = new Scanner(body)
  const found = scanner.find(name, scanner.space(0))
  if (scanner.space(found.end) !== body.length) throw UNSURE
  return found
}

/** JSON of a member; null where there is none. */
const jsonOf = (body: Buffer, { value }: Found): string | null =>
  value && body.toString('utf8', value.from, value.to)

const PREVIOUS = 'previous_response_id'

/** @returns the id that a request continues; null for none, or where the bytes are not clear about it */
export const previousIdIn = (body: Buffer): string | null =>
  orNull(() => {
    const json = jsonOf(body, find(body, PREVIOUS))
    // an id has no characters that JSON escapes
    return /^"([\w-]+)"$/.exec(json ?? '')?.[1] ?? null
  })

/** @returns the model of a request; null for none, or where the bytes are not clear about it */
export const modelIn = (body: Buffer): string | null =>
  orNull(() => {
    const json = jsonOf(body, find(body, 'model'))
    // any other value may be of any size
    return json?.startsWith('"') ? (JSON.parse(json) as string) : null
  })

/** The items of an input without the brackets of their list. A text is a message of the user. */
const itemsIn = (json: string | null): string => {
  if (json === null || json === 'null') return ''
  if (json.startsWith('"')) return `{"role":"user","content":${json}}`
  if (json.startsWith('[')) return json.slice(1, -1).trim()
  throw UNSURE
}

const inputOf = (body: Buffer): string => itemsIn(jsonOf(body, find(body, 'input')))

export type OutputItem =
  | { type: 'message'; content: { text: string }[] }
  | { type: 'function_call'; call_id: string; name: string; arguments: string }

/** Without an id: only the provider's own mean something to it. */
export const inputItemOf = (item: OutputItem): object => {
  if (item.type === 'message')
    return { role: 'assistant', content: item.content.map(({ text }) => text).join('') }
  const { type, call_id, name, arguments: given } = item
  return { type, call_id, name, arguments: given }
}

const answerOf = (response: string): string => {
  const { output } = JSON.parse(response) as { output: OutputItem[] }
  return JSON.stringify(output.map(inputItemOf)).slice(1, -1)
}

/**
 * The request with the conversation in it, and without the id.
 * @returns null where the bytes are not clear about its members
 */
export const continued = (body: Buffer, { request, response }: Exchanged): Buffer | null =>
  orNull(() => {
    const { value: id } = find(body, PREVIOUS)
    if (id === null) return null
    const withoutId = replaced(body, id, 'null')
    const input = find(withoutId, 'input')
    const parts = [inputOf(Buffer.from(request)), answerOf(response), inputOf(withoutId)]
    const items = `[${parts.filter((part) => part !== '').join(',')}]`
    return input.value === null
      ? inserted(withoutId, input, `"input":${items}`)
      : replaced(withoutId, input.value, items)
  })
