/** Traffic that a template is found in, and that the fake engine learns. */
import type { ExchangeRecord } from '../../../src/core/log/record.ts'
import { answerBody } from './completion.ts'

export const COLOURS = ['amber', 'blue', 'crimson', 'green', 'indigo', 'orange']
export const PROMPT = [
  'You sort paint orders for a warehouse. Read the order and name the shelf it goes to.',
  'Shelves are named after the colour that the customer asks for.',
  'Answer with the shelf alone: no punctuation, no explanation, lower case.',
].join('\n')
const ROWS = 260

export const colourOf = (number: number): string => COLOURS[number % COLOURS.length]!
/** Every colour is among the questions that are learned, so the lora is as sure of a new one of each. */
export const questionOf = (number: number): string =>
  `Order ${100 + number}: tins of ${colourOf(number)} paint, please.`

export const orderRecord = (number: number, answer = colourOf(number)): ExchangeRecord => ({
  id: `record-${number}`,
  // each in a burst of its own
  at: 1_700_000_000_000 + number * 360_000,
  tenant: 'tenant-a',
  model: 'gpt-4o-mini',
  path: '/v1/chat/completions',
  streamed: false,
  status: 200,
  firstByteMs: 1,
  durationMs: 2,
  request: JSON.stringify({
    model: 'gpt-4o-mini',
    messages: [
      { role: 'system', content: PROMPT },
      {
        role: 'user',
        // the tins tell nothing that the colour does not: the nearest question has the same colour
        content: `Order ${number}: ${(number % 3) + 1} tins of ${COLOURS[number % 6]} paint, please.`,
      },
    ],
  }),
  response: answerBody(answer, { system_fingerprint: 'fp_upstream' }),
  usage: null,
  route: null,
})

export const ORDERS = Array.from({ length: ROWS }, (_, number) => orderRecord(number))

export const WAREHOUSES = ['north', 'east', 'south', 'west'] as const

/** Two warehouses have the same colours, which the value tells, so that the prompt's slot is kept. */
export const warehouseOf = (number: number): string => WAREHOUSES[Math.floor((number % 12) / 3)]!

export const inWarehouse = (number: number): ExchangeRecord => {
  const record = orderRecord(number)
  const prompt = JSON.stringify(`${PROMPT}\nWarehouse: ${warehouseOf(number)}`)
  return { ...record, request: record.request!.replace(JSON.stringify(PROMPT), prompt) }
}

export const WAREHOUSE_ORDERS = ORDERS.slice(0, 156).map((_, number) => inWarehouse(number))
