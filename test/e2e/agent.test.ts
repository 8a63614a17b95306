/**
 * An agent of ten functions and five turns: the real server with its worker and the fake engine. Each turn
 * calls a function by what its first question says, and the last turn answers with text.
 */
import type OpenAI from 'openai'
import { describe, expect, it } from 'vitest'
import type { ChatMessage } from '../../src/openai/chat.ts'
import { startChatUpstream } from '../kit/upstream/chat-upstream.ts'
import { untilState } from '../kit/process/internalizations.ts'
import { loopSettings } from '../kit/process/loop-settings.ts'
import { COLOURS, colourOf } from '../kit/records/paint-orders.ts'
import { inTens } from '../kit/traffic/lanes.ts'
import { useServer } from '../kit/whole/use-server.ts'

const STEPS = ['find_customer', 'check_stock', 'reserve_tins', 'book_van']
const NAMES = [...STEPS, 'cancel', 'refund', 'call_back', 'print_label', 'open_gate', 'log_damage']
const PROMPT = [
  'You are the clerk of a paint warehouse. Work through an order with the functions that you have.',
  'Find the customer first, then check the stock, reserve the tins and book the van, in this order.',
  'Then say which shelf the tins come from. Never skip a function, and never call one twice.',
].join('\n')

const TOOLS = NAMES.map((name): OpenAI.ChatCompletionFunctionTool => ({
  type: 'function',
  function: {
    name,
    description: `Does what its name says: ${name}.`,
    parameters: {
      type: 'object',
      properties: { colour: { type: 'string', enum: COLOURS } },
      required: ['colour'],
      additionalProperties: false,
    },
  },
}))

type Message = OpenAI.ChatCompletionMessageParam

const questionOf = (number: number): string =>
  `Order ${100 + number}: ${(number % 7) + 1} tins of ${colourOf(number)} paint, please.`

/** What the upstream says at a turn, from 0 on. */
const answerAt = (turn: number, number: number): object => {
  const name = STEPS[turn]
  if (name === undefined)
    return { message: { role: 'assistant', content: colourOf(number) }, finish_reason: 'stop' }
  const json = JSON.stringify({ colour: colourOf(number) })
  const call = { id: `call_up_${turn}`, type: 'function', function: { name, arguments: json } }
  return {
    message: { role: 'assistant', content: null, tool_calls: [call] },
    finish_reason: 'tool_calls',
  }
}

const answerTo = (messages: ChatMessage[]): object => {
  const turn = messages.filter(({ role }) => role === 'tool').length
  return answerAt(turn, Number(/\d+/.exec(String(messages[1]!.content))![0]) - 100)
}

interface Step {
  route: string | null
  reason: string | null
  message: OpenAI.ChatCompletionMessage
}

describe('an agent', () => {
  const server = useServer(
    () => startChatUpstream(answerTo),
    ({ baseUrl }) => ({
      ...loopSettings({ promotes: true, trainRows: 400 }),
      UPSTREAM_BASE_URL: baseUrl,
    })
  )

  /** One order from its question to its shelf, as an agent's loop does it. */
  const work = async (number: number): Promise<Step[]> => {
    const messages: Message[] = [
      { role: 'system', content: PROMPT },
      { role: 'user', content: questionOf(number) },
    ]
    const steps: Step[] = []
    for (;;) {
      const { data, response } = await server.client.chat.completions
        .create({ model: 'gpt-4o-mini', tools: TOOLS, messages })
        .withResponse()
      const { message } = data.choices[0]!
      steps.push({
        message,
        route: response.headers.get('x-promptintern-route'),
        reason: response.headers.get('x-promptintern-reason'),
      })
      const [call] = message.tool_calls ?? []
      if (call === undefined || steps.length > STEPS.length) return steps
      // the fake engine reads the last message of the user alone
      const content = JSON.stringify({ done: STEPS[steps.length - 1], colour: colourOf(number) })
      messages.push(message, { role: 'tool', tool_call_id: call.id, content })
    }
  }

  const workMany = (from: number, count: number) => inTens(count, work, from)

  it('is answered at every turn, with the functions and the text of the upstream', async () => {
    await workMany(0, 300)
    await untilState(server.proxy, 'live')
    // the lora may be unsure of a single question
    for (let number = 301; (await work(number))[0]!.route !== 'answered'; number++)
      await new Promise((resolve) => setTimeout(resolve, 100))
    const orders = await workMany(310, 40)
    const answered = [0, 0, 0, 0, 0]
    let wrong = 0
    for (const [i, steps] of orders.entries()) {
      expect(steps).toHaveLength(5)
      for (const [turn, { message, route }] of steps.entries()) {
        const called = message.tool_calls?.map((call) =>
          call.type === 'function' ? [call.function.name, JSON.parse(call.function.arguments)] : []
        )
        const [colour, isLast] = [colourOf(310 + i), turn === STEPS.length]
        expect(called?.map(([name]) => name as string)).toEqual(isLast ? undefined : [STEPS[turn]])
        const given = isLast ? message.content : (called![0]![1] as { colour: string }).colour
        expect(COLOURS).toContain(given)
        if (given !== colour) wrong++
        if (route === 'answered') answered[turn]!++
      }
    }
    // the gate allows one in twenty
    expect(wrong).toBeLessThanOrEqual(10)
    for (const count of answered) expect(count).toBeGreaterThan(20)
  })
})
