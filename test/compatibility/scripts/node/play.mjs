/**
 * Plays a plan with a client: reads it from stdin, writes one line of JSON for each conversation. A script gives
 * `play` a function for each scenario, which gets a `Conversation` and gives what was said, as texts. A browser
 * loads this file too.
 */
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
const playOne = async (scenarios, conversation) => {
  const { scenario, number } = conversation
  try {
    const said = await scenarios[scenario](conversation)
    return { scenario, number, said, error: null }
  } catch (error) {
    return { scenario, number, said: [], error: errorOf(error) }
  }
}

/** @param tell gets each outcome */
export const playPlan = async (scenarios, plan, tell) => {
  const waiting = plan.conversations.map((each) => new Conversation(plan, each))
  const work = async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift())
      tell(await playOne(scenarios, next))
  }
  await Promise.all(Array.from({ length: plan.concurrency }, work))
}

export const readPlan = async () => {
  let text = ''
  for await (const chunk of process.stdin.setEncoding('utf8')) text += chunk
  return JSON.parse(text)
}

export const tell = (outcome) => process.stdout.write(`${JSON.stringify(outcome)}\n`)

export const play = async (scenarios) => playPlan(scenarios, await readPlan(), tell)
