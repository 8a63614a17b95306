/**
 * Plays a plan with a client: reads it from stdin, writes one line of JSON for each conversation. A script gives
 * `play` a function for each scenario, which gets a `Conversation` and gives what was said, as texts.
 */
import { stdin, stdout } from 'node:process'

export const FUNCTIONS = {
  find_customer: 'Finds the customer of an order by the colour of the paint.',
  check_stock: 'Checks whether there are enough tins of a colour.',
}

/** One conversation: where to ask, what to ask, and what the functions of the warehouse were asked. */
export class Conversation {
  calls = []

  constructor(plan, conversation) {
    const { baseUrl, apiKey, model } = plan
    Object.assign(this, { baseUrl, apiKey, model }, conversation)
    this.question = this.questions[0]
  }

  find_customer({ colour }) {
    this.calls.push(`find_customer ${colour}`)
    return `done find_customer, order ${this.number}, ${this.colour}, ${this.tins} tins`
  }

  check_stock({ colour, tins }) {
    this.calls.push(`check_stock ${colour} ${tins}`)
    return `done check_stock, order ${this.number}, ${this.colour}, ${this.tins} tins`
  }
}

const statusOf = (error) => {
  for (let at = error, depth = 0; at && depth < 5; at = at.cause ?? at.lastError, depth++) {
    const status = at.status ?? at.statusCode
    if (Number.isInteger(status)) return status
  }
  return null
}

const errorOf = (error) => ({
  name: error?.constructor?.name ?? typeof error,
  status: statusOf(error),
  message: String(error?.message ?? error).slice(0, 400),
})

/** The outcome of one conversation. */
export const playOne = async (scenarios, conversation) => {
  const { scenario, number } = conversation
  try {
    const said = await scenarios[scenario](conversation)
    return { scenario, number, said, error: null }
  } catch (error) {
    return { scenario, number, said: [], error: errorOf(error) }
  }
}

export const play = async (scenarios) => {
  let text = ''
  for await (const chunk of stdin.setEncoding('utf8')) text += chunk
  const plan = JSON.parse(text)
  const waiting = plan.conversations.map((each) => new Conversation(plan, each))
  const work = async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift())
      stdout.write(`${JSON.stringify(await playOne(scenarios, next))}\n`)
  }
  await Promise.all(Array.from({ length: plan.concurrency }, work))
}
