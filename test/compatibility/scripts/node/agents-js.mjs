/** OpenAI's Agents SDK for JavaScript, with the model of either API: `chat` or `responses`. */
import { argv } from 'node:process'
import {
  Agent,
  MemorySession,
  OpenAIChatCompletionsModel,
  OpenAIResponsesModel,
  run,
  tool,
} from '@openai/agents'
import OpenAI from 'openai'
import { z } from 'zod'
import { FUNCTIONS, play } from './play.mjs'

const Model = argv[2] === 'chat' ? OpenAIChatCompletionsModel : OpenAIResponsesModel

const agentOf = (c, options = {}) => {
  const client = new OpenAI({ baseURL: c.baseUrl, apiKey: c.apiKey, maxRetries: 0 })
  return new Agent({
    name: 'Clerk',
    instructions: c.prompt,
    model: new Model(client, c.model),
    ...options,
  })
}

const PARAMETERS = {
  find_customer: z.object({ colour: z.string() }),
  check_stock: z.object({ colour: z.string(), tins: z.number() }),
}

const toolsOf = (c) =>
  Object.entries(FUNCTIONS).map(([name, description]) =>
    tool({
      name,
      description,
      parameters: PARAMETERS[name],
      execute: async (input) => c[name](input),
    })
  )

await play({
  single: async (c) => [(await run(agentOf(c), c.question)).finalOutput],
  stream: async (c) => {
    const result = await run(agentOf(c), c.question, { stream: true })
    let text = ''
    for await (const piece of result.toTextStream()) text += piece
    await result.completed
    return [text]
  },
  structured: async (c) => {
    const outputType = z.object({ colour: z.string(), tins: z.number() })
    const { finalOutput } = await run(agentOf(c, { outputType }), c.question)
    return [`${finalOutput.colour} ${finalOutput.tins}`]
  },
  tools: async (c) => {
    const { finalOutput } = await run(agentOf(c, { tools: toolsOf(c) }), c.question)
    return [...c.calls, finalOutput]
  },
  chat: async (c) => {
    const agent = agentOf(c)
    const session = new MemorySession()
    const said = []
    for (const question of c.questions)
      said.push((await run(agent, question, { session })).finalOutput)
    return said
  },
})
