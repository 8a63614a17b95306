/**
 * Traffic of one application with answers that any model can learn, numbered so that no two requests
 * are the same.
 */
import type { ChatRequest } from '../../../src/openai/chat.ts'

const SHELVES = ['amber', 'blue', 'crimson', 'green', 'indigo', 'orange', 'violet', 'white']

const PROMPT = [
  'You sort paint orders for a warehouse. Read the order and name the shelf it goes to.',
  'Shelves are named after the colour that the customer asks for.',
  'Answer with the shelf alone: no punctuation, no explanation, lower case.',
  'An order that names two colours goes to the shelf of the first one.',
].join('\n')

/** The right answer to `orderOf(number)`. */
export const shelfOf = (number: number): string => SHELVES[number % SHELVES.length]!

export const orderOf = (number: number): ChatRequest => ({
  model: 'gpt-4o-mini',
  temperature: 0,
  messages: [
    { role: 'system', content: PROMPT },
    {
      role: 'user',
      // the tins tell nothing that the colour does not: the nearest question has the same colour
      content: `Order ${number}: ${(number % 4) + 1} tins of ${shelfOf(number)} paint, please.`,
    },
  ],
})
