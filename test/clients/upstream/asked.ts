/** What a request of either API asks of the model, and what the model says: the mock's speakers know no dialect. */

export interface Schema {
  type?: string | string[]
  enum?: unknown[]
  const?: unknown
  properties?: Record<string, Schema>
  items?: Schema
  $ref?: string
  $defs?: Record<string, Schema>
}

export interface Turn {
  /** `result` is the result of a function */
  role: 'system' | 'user' | 'assistant' | 'result'
  /** '' for calls */
  text: string
}

export interface Asked {
  turns: Turn[]
  tools: { name: string; parameters: Schema }[]
  /** of a structured answer */
  schema: Schema | null
}

export interface Call {
  name: string
  arguments: string
}

/** Calls, or a text where there are none. */
export interface Said {
  calls: Call[]
  text: string
}

export type Speaker = (asked: Asked) => Said

/** A value that the schema allows. */
export const instanceOf = ({ type, enum: values, properties = {}, items }: Schema): unknown => {
  if (values !== undefined) return values[0]
  if (type === 'array') return [instanceOf(items!)]
  if (type === 'boolean') return true
  if (type === 'integer') return 7
  if (type !== 'object') return 'Zürich – 苏黎世'
  const entries = Object.entries(properties)
  return Object.fromEntries(entries.map(([name, property]) => [name, instanceOf(property)]))
}

/** Calls every function, unless the last turn is the result of a call; a text repeats what was asked. */
export const echo: Speaker = ({ turns, tools, schema }) => {
  const calls =
    turns.at(-1)?.role === 'result'
      ? []
      : tools.map(({ name, parameters }) => ({
          name,
          arguments: JSON.stringify(instanceOf(parameters)),
        }))
  const repeated = turns.map(({ role, text }) => `${role}: ${text}`).join(' | ')
  const text = schema === null ? `回答 🙂 to ${repeated}` : JSON.stringify(instanceOf(schema))
  return { calls, text }
}

/** Words and marks with the blanks before them, about the tokens of the API; joined they give the text. */
export const tokensOf = (text: string): string[] =>
  text.match(/\s*[\p{L}\p{N}]+|\s*[^\s\p{L}\p{N}]+|\s+$/gu) ?? []

/** Arguments as they arrive in a stream. */
export const piecesOf = (text: string): string[] => text.match(/[^]{1,7}/gu) ?? []
