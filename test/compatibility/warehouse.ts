/** What the mock's model knows: it answers the conversations about paint orders, however a client words them. */
import type { Asked, Call, Said, Schema, Speaker } from '../clients/upstream/asked.ts'

interface Order {
  colour: string
  tins: number
}

/** The last order that the user asked for. */
const orderIn = ({ turns }: Asked): Order => {
  const text = turns.map((turn) => (turn.role === 'user' ? turn.text : '')).join('\n')
  const [, tins, colour] = [...text.matchAll(/(\d+) tins of (\w+) paint/gu)].at(-1) ?? []
  if (colour === undefined) throw new Error('no order in what the user says')
  return { colour, tins: Number(tins) }
}

const FUNCTIONS = ['find_customer', 'check_stock']

/** Results are turns of their own, or texts of the user, as agents without calls of the API write them. */
const countDone = ({ turns }: Asked): number =>
  FUNCTIONS.filter((name) =>
    turns.some(({ role, text }) => role !== 'system' && text.includes(`done ${name}`))
  ).length

const resolved = (schema: Schema, root: Schema): Schema =>
  schema.$ref === undefined ? schema : (root.$defs?.[schema.$ref.split('/').at(-1)!] ?? {})

/** A value of the order for each member that the schema names. */
const filled = (schema: Schema, order: Order, root = schema): unknown => {
  const { properties, type, enum: values, const: fixed } = resolved(schema, root)
  if (fixed !== undefined) return fixed
  if (properties !== undefined)
    return Object.fromEntries(
      Object.entries(properties).map(([name, one]) => [
        name,
        name in order ? order[name as keyof Order] : filled(one, order, root),
      ])
    )
  if (values !== undefined) return values[0]
  return type === 'integer' || type === 'number' ? order.tins : order.colour
}

const callOf = ({ name, parameters }: Asked['tools'][number], order: Order): Call => ({
  name,
  arguments: JSON.stringify(filled(parameters, order)),
})

/** DSPy asks for fields between marks. */
const MARKED = /\[\[ ## (\w+) ## \]\]/g

const markedValue = (name: string, asked: Asked, order: Order): string => {
  const done = countDone(asked)
  const step = FUNCTIONS[done]
  if (name === 'next_thought') return step === undefined ? 'All is done.' : `Next is ${step}.`
  if (name === 'next_tool_name') return step ?? 'finish'
  if (name === 'next_tool_args') {
    if (step === undefined) return '{}'
    return JSON.stringify(step === FUNCTIONS[0] ? { colour: order.colour } : order)
  }
  return name === 'tins' ? String(order.tins) : order.colour
}

/** The fields that the last turn asks for; none where it speaks of no marks. */
const markedText = (asked: Asked, order: Order): string | null => {
  const last = asked.turns.at(-1)!.text
  const begin = last.lastIndexOf('Respond with the corresponding output fields')
  if (begin < 0) return null
  const names = [...last.slice(begin).matchAll(MARKED)].map(([, name]) => name!)
  const parts = names.map((name) =>
    name === 'completed'
      ? '[[ ## completed ## ]]'
      : `[[ ## ${name} ## ]]\n${markedValue(name, asked, order)}`
  )
  return parts.join('\n\n')
}

/** Calls the functions in their order, then those with which a framework ends, if there is one. */
const nextCall = (asked: Asked, order: Order): Call | null => {
  const next = FUNCTIONS[countDone(asked)]
  const own = asked.tools.find(({ name }) => name === next)
  if (own !== undefined) return callOf(own, order)
  const last = asked.tools.find(({ name }) => !FUNCTIONS.includes(name))
  return last === undefined ? null : callOf(last, order)
}

export const warehouse: Speaker = (asked): Said => {
  const order = orderIn(asked)
  const call = nextCall(asked, order)
  if (call !== null) return { calls: [call], text: '' }
  const { schema } = asked
  const text =
    schema === null
      ? (markedText(asked, order) ?? order.colour)
      : JSON.stringify(filled(schema, order))
  return { calls: [], text }
}
