/**
 * The conversations that every client has: about paint orders, so that a lora can learn their answers. A client gets
 * them as a plan in JSON on stdin and writes what it was told, one line of JSON for each conversation.
 */

export const SCENARIOS = ['single', 'stream', 'structured', 'tools', 'chat'] as const
export type Scenario = (typeof SCENARIOS)[number]

export const COLOURS = ['amber', 'blue', 'crimson', 'green', 'indigo', 'orange']
export const MODEL = 'gpt-4o-mini'

const SHELVES = [
  'You sort paint orders for a warehouse. Read the order and name the shelf that it goes to.',
  'Shelves are named after the colour that the customer asks for.',
  'Answer with the shelf alone: no punctuation, no explanation, lower case.',
].join('\n')

/** System prompt of each scenario; a stream asks what a single call asks. */
const PROMPTS: Record<Scenario, string> = {
  single: SHELVES,
  stream: SHELVES,
  structured: [
    'You read paint orders for the accounts of a warehouse.',
    'Extract the colour and the number of tins as the customer writes them.',
    'Never round, never translate a colour, and never add a field.',
  ].join('\n'),
  tools: [
    'You are the clerk of a paint warehouse. Work through an order with the functions that you have.',
    'Find the customer first, then check the stock. Never call a function twice.',
    'Then answer with the shelf that the tins come from, in lower case.',
  ].join('\n'),
  chat: [
    'You answer the telephone of a paint warehouse. Callers have several orders, one after another.',
    'For each order name the shelf of its colour, and nothing else.',
    'Lower case, no punctuation, no greeting.',
  ].join('\n'),
}

export interface Conversation {
  scenario: Scenario
  number: number
  prompt: string
  /** of the user, one for each turn of a chat */
  questions: string[]
  colour: string
  tins: number
}

const colourOf = (number: number): string => COLOURS[number % COLOURS.length]!
/** Twelve different orders: the fake engine answers what it has seen. */
const tinsOf = (number: number): number => (number % 4) + 1

/** The order's number stands in each turn, so that the front can tell conversations apart. */
const questionOf = (number: number, turn: number): string => {
  const order = number + turn * 5
  return `Order ${number}: ${tinsOf(order)} tins of ${colourOf(order)} paint, please.`
}

export const conversationOf = (scenario: Scenario, number: number): Conversation => ({
  scenario,
  number,
  prompt: PROMPTS[scenario],
  questions: Array.from({ length: scenario === 'chat' ? 4 : 1 }, (_, turn) =>
    questionOf(number, turn)
  ),
  colour: colourOf(number),
  tins: tinsOf(number),
})

/** What the client must say at the end. */
export const expectedOf = ({ scenario, number, colour, tins }: Conversation): string[] => {
  if (scenario === 'structured') return [`${colour} ${tins}`]
  if (scenario === 'tools')
    return [`find_customer ${colour}`, `check_stock ${colour} ${tins}`, colour]
  if (scenario === 'chat') return [0, 1, 2, 3].map((turn) => colourOf(number + turn * 5))
  return [colour]
}

/** What a client is to do. */
export interface Plan {
  baseUrl: string
  apiKey: string
  model: string
  /** conversations at once */
  concurrency: number
  conversations: Conversation[]
}

/** What came of a conversation: what was said, or the client's error. */
export interface Outcome {
  scenario: Scenario
  number: number
  said: string[]
  error: { name: string; status: number | null; message: string } | null
}

/** @throws Error for a line that is no outcome */
export const readOutcome = (line: string): Outcome => {
  const { scenario, number, said, error } = JSON.parse(line) as Partial<Outcome>
  if (scenario === undefined || number === undefined || !Array.isArray(said) || error === undefined)
    throw new Error(`no outcome: ${line}`)
  return { scenario, number, said, error }
}
