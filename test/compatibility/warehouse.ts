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

/** DSPy asks for fields, either between marks or in a JSON object. */
const FIELDS_ASKED =
  /Respond with (the corresponding output fields|a JSON object in the following order)/gu
const MARKED = /\[\[ ## (\w+) ## \]\]|`(\w+)`/gu

const fieldValue = (name: string, asked: Asked, order: Order): unknown => {
  const step = FUNCTIONS[countDone(asked)]
  if (name === 'next_thought') return step === undefined ? 'All is done.' : `Next is ${step}.`
  if (name === 'next_tool_name') return step ?? 'finish'
  if (name === 'next_tool_args') {
    if (step === undefined) return {}
    return step === FUNCTIONS[0] ? { colour: order.colour } : order
  }
  return name === 'tins' ? order.tins : order.colour
}

const markedField = ([name, value]: [string, unknown]): string =>
  name === 'completed'
    ? '[[ ## completed ## ]]'
    : `[[ ## ${name} ## ]]\n${typeof value === 'string' ? value : JSON.stringify(value)}`

/** The fields that the last turn asks for; null where it asks for none. */
const fieldsText = (asked: Asked, order: Order): string | null => {
  const last = asked.turns.at(-1)!.text
  const found = [...last.matchAll(FIELDS_ASKED)].at(-1)
  if (found === undefined) return null
  const fields = [...last.slice(found.index).matchAll(MARKED)]
    .map(([, marked, quoted]) => (marked ?? quoted)!)
    .map((name): [string, unknown] => [name, fieldValue(name, asked, order)])
  return found[1]!.startsWith('a JSON')
    ? JSON.stringify(Object.fromEntries(fields))
    : fields.map(markedField).join('\n\n')
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
      ? (fieldsText(asked, order) ?? order.colour)
      : JSON.stringify(filled(schema, order))
  return { calls: [], text }
}
