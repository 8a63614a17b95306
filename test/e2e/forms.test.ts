/**
 * Values, schemas and parts in another form than a route was proved with: the real server with its worker and the fake
 * engine, and an upstream that reads every byte.
 */
import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../src/random.ts'
import { colourIn, reading, Scene, type Sent } from '../kit/whole/scene.ts'
import { COLOURS, PROMPT, questionOf } from '../kit/records/paint-orders.ts'

const itemOf = (number: number, paint: string): string =>
  `${number}. shelf\nOrder: ${paint}, usual size`

const parametersOf = (...properties: string[]): string =>
  `{"type":"object","properties":{${properties.join(',')}},"required":["colour"]}`

const functionOf = (parameters: string, more = ',"strict":true'): string =>
  `{"type":"function","function":{"name":"sort","description":"Sorts an order."${more},"parameters":${parameters}}}`

describe('a route that was proved on numbered examples', () => {
  const PAINTS = COLOURS.flatMap((colour) => [`${colour} gloss`, `${colour} matt`])
  const numberOf = (paint: string): number => 11 + 7 * PAINTS.indexOf(paint)
  const RULES = [
    'You find shelves in a warehouse. Each shelf has a number, and holds one paint.',
    'Read the order of the customer, and say the number of the shelf that holds its paint.',
    'Answer with the number alone: no punctuation, no explanation. With more than 500 customers, say: closed.',
  ].join('\n')
  const random = seededRandom(11)
  const drawn = (count: number, without?: string): string[] => {
    const left = PAINTS.filter((paint) => paint !== without)
    return Array.from(
      { length: count },
      () => left.splice(Math.floor(random() * left.length), 1)[0]!
    )
  }
  const paintOf = (number: number): string => PAINTS[number % PAINTS.length]!
  const sentOf = (
    number: number,
    { items = drawn(3).map((paint) => itemOf(numberOf(paint), paint)), queue = '' } = {}
  ): Sent => ({
    body: JSON.stringify({
      model: 'gpt-4o-mini',
      messages: [
        {
          role: 'system',
          content: `${RULES}\nThere are ${queue || 100 + Math.floor(random() * 400)} customers in the queue today.`,
        },
        {
          role: 'user',
          content: `Some shelves:\n${items.join('\n\n')}\n\nFind the shelf of this order now.\nOrder: ${(number % 7) + 1} tins of ${paintOf(number)} for house ${number}`,
        },
      ],
    }),
  })
  /** Says what the shelves in the request say, else what it knows. */
  const scene = new Scene(({ body }) => {
    const [system, user] = reading(body).messages.map(({ content }) => content)
    const [, queue] = /There are (\S+) customers/u.exec(system!)!
    if (!(Number(queue) <= 500)) return 'closed'
    const paint = /tins of (\w+ \w+) for/u.exec(user!)![1]!
    const [, told] = new RegExp(`(\\d+)\\. shelf\nOrder: ${paint},`, 'u').exec(user!) ?? []
    return told ?? String(numberOf(paint))
  })
  scene.useLive((number) => sentOf(number), { ARMS: 'query-only' })

  it('answers with known ones', async () => {
    const { lora, answers } = await scene.answered((number) => sentOf(number))
    expect(lora).toBeGreaterThan(6)
    expect(answers).toEqual(answers.map((_, number) => String(numberOf(paintOf(number)))))
  })

  it('leaves a known example with another number to the upstream', async () => {
    const { answers } = await scene.answered((number) => {
      const paint = paintOf(number)
      const others = drawn(2, paint).map((other) => itemOf(numberOf(other), other))
      return sentOf(number, { items: [itemOf(500 + number, paint), ...others] })
    })
    expect(answers).toEqual(answers.map((_, number) => String(500 + number)))
  })

  it.each([
    ['an angle', '12°30°45'],
    ['a number beyond those of the proof', '900'],
  ])('leaves %s in the place of a number to the upstream', async (_, queue) => {
    expect((await scene.answered((number) => sentOf(number, { queue }))).lora).toBe(0)
  })
})

describe('a route that was proved with strict functions by chat completions', () => {
  const COLOUR = '"colour":{"type":"string"}'
  const NOTE = '"note":{"type":"string"}'
  const PROVED = functionOf(parametersOf(COLOUR, NOTE))
  const sentOf = (number: number, tools = PROVED, more = ''): Sent => ({
    body: `{"model":"gpt-4o-mini","tools":[${tools}]${more},"messages":${JSON.stringify([
      { role: 'system', content: PROMPT },
      { role: 'user', content: questionOf(number) },
    ])}}`,
  })
  const inResponses = (number: number, { type = 'input_text', more = {} } = {}): Sent => ({
    path: '/v1/responses',
    body: JSON.stringify({
      model: 'gpt-4o-mini',
      store: false,
      tools: [
        {
          type: 'function',
          name: 'sort',
          description: 'Sorts an order.',
          parameters: JSON.parse(parametersOf(COLOUR, NOTE)) as object,
          ...more,
        },
      ],
      instructions: PROMPT,
      input: [{ role: 'user', content: [{ type, text: questionOf(number) }] }],
    }),
  })
  let isPaid = true
  const scene = new Scene(({ body }) =>
    isPaid
      ? {
          message: {
            role: 'assistant',
            content: null,
            tool_calls: [
              {
                id: 'call_1',
                type: 'function',
                function: {
                  name: 'sort',
                  arguments: JSON.stringify({ colour: colourIn(body.toString()) }),
                },
              },
            ],
          },
          finish_reason: 'tool_calls',
        }
      : { error: { code: 'insufficient_quota', type: 'insufficient_quota', message: 'no money' } }
  )
  scene.useLive((number) => sentOf(number))

  it('answers the same', async () => {
    expect((await scene.answered((number) => sentOf(number))).lora).toBeGreaterThan(6)
  })

  it('answers a response with the same, whose functions are strict by default', async () => {
    expect((await scene.answered((number) => inResponses(number))).lora).toBeGreaterThan(6)
  })

  it.each<[string, (number: number) => Sent]>([
    [
      'functions that are not strict',
      (number) => sentOf(number, functionOf(parametersOf(COLOUR, NOTE), '')),
    ],
    [
      'functions of a response that are not strict',
      (number) => inResponses(number, { more: { strict: false } }),
    ],
    ['a part of a chat completion', (number) => inResponses(number, { type: 'text' })],
    [
      'a part of an answer as the question',
      (number) => inResponses(number, { type: 'output_text' }),
    ],
    [
      'properties in another order',
      (number) => sentOf(number, functionOf(parametersOf(NOTE, COLOUR))),
    ],
  ])('leaves a request with %s to the upstream', async (_, one) => {
    expect((await scene.answered(one)).lora).toBe(0)
  })

  it('answers no account that has no money', async () => {
    isPaid = false
    expect((await scene.ask(sentOf(1, PROVED, ',"top_p":0.5'))).status).toBe(429)
    expect((await scene.answered((number) => sentOf(number))).lora).toBe(0)
  })
})
