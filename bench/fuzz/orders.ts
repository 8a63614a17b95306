/**
 * The application whose prompt the route of the fuzzer is made of. A request has a constant prompt, a date, examples
 * from a pool, and the user's order: text is removed at three places. All requests have the same parameters.
 */
import type { Dice } from './dice.ts'

export const MODEL = 'routed'
const COLOURS = ['amber', 'blue', 'crimson', 'green', 'indigo', 'orange']

export interface Message {
  role: string
  content: unknown
  [member: string]: unknown
}

export interface ChatBody {
  model: unknown
  messages: Message[]
  [member: string]: unknown
}

const colourOf = (number: number): string => COLOURS[number % COLOURS.length]!
const orderOf = (number: number): string =>
  `Order ${number}: ${(number % 7) + 1} tins of ${colourOf(number)} paint, please.`

/** All that may stand in the examples; each is in the log many times. */
export const POOL = Array.from({ length: 12 }, (_, i) => {
  const number = 7000 + 13 * i
  return `Q: ${orderOf(number)}\nA: ${colourOf(number)}`
})

export const RULES = [
  'You sort paint orders for a warehouse. Read the order and name the shelf it goes to.',
  'Shelves are named after the colour that the customer asks for.',
  'Answer with the shelf alone: no punctuation, no explanation, lower case.',
].join('\n')

const dateOf = (day: number): string => `2026-10-${String(1 + (day % 28)).padStart(2, '0')}`

export const promptOf = (date: string, examples: readonly string[]): string =>
  `${RULES}\nToday is ${date}.\n\nExamples:\n${examples.join('\n\n')}\n\nEnd of the examples.`

/** A request as the application sends it. */
export const requestOf = (dice: Dice): ChatBody => ({
  model: MODEL,
  temperature: 0,
  max_tokens: 20,
  messages: [
    { role: 'system', content: promptOf(dateOf(dice.below(28)), dice.some(POOL, 3)) },
    { role: 'user', content: orderOf(dice.below(100_000)) },
  ],
})

/** What the upstream answers to a text: the colour of the order that it ends with. */
export const answerTo = (text: string): string => {
  const found = text.match(/tins of (\w+) paint/g)?.at(-1)
  return found?.split(' ')[2] ?? 'no order'
}
