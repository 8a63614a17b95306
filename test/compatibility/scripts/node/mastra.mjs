/** Mastra's Agent with a model of the AI SDK's provider, by either API: `chat` or `responses`. */
import { argv } from 'node:process'
import { createOpenAI } from '@ai-sdk/openai'
import { Agent } from '@mastra/core/agent'
import { InMemoryStore } from '@mastra/core/storage'
import { createTool } from '@mastra/core/tools'
import { Memory } from '@mastra/memory'
import { z } from 'zod'
import { FUNCTIONS, play } from './play.mjs'

const agentOf = ({ baseUrl: baseURL, apiKey, model, prompt }, options = {}) => {
  const provider = createOpenAI({ baseURL, apiKey })
  return new Agent({
    id: 'clerk',
    name: 'Clerk',
    instructions: prompt,
    model: argv[2] === 'chat' ? provider.chat(model) : provider(model),
    maxRetries: 0,
    ...options,
  })
}

const PARAMETERS = {
  find_customer: z.object({ colour: z.string() }),
  check_stock: z.object({ colour: z.string(), tins: z.number() }),
}

const toolsOf = (c) =>
  Object.fromEntries(
    Object.entries(FUNCTIONS).map(([name, description]) => [
      name,
      createTool({
        id: name,
        description,
        inputSchema: PARAMETERS[name],
        execute: async (input) => c[name](input),
      }),
    ])
  )

await play({
  single: async (c) => [(await agentOf(c).generate(c.question)).text],
  stream: async (c) => {
    const output = await agentOf(c).stream(c.question)
    let text = ''
    for await (const chunk of output.fullStream) {
      if (chunk.type === 'error') throw chunk.payload.error
      if (chunk.type === 'text-delta') text += chunk.payload.text
    }
    return [text]
  },
  structured: async (c) => {
    const schema = z.object({ colour: z.string(), tins: z.number() })
    const { object } = await agentOf(c).generate(c.question, { structuredOutput: { schema } })
    return [`${object.colour} ${object.tins}`]
  },
  tools: async (c) => {
    const { text } = await agentOf(c, { tools: toolsOf(c) }).generate(c.question, { maxSteps: 5 })
    return [...c.calls, text]
  },
  chat: async (c) => {
    const memory = new Memory({ storage: new InMemoryStore(), options: { lastMessages: 10 } })
    const agent = agentOf(c, { memory })
    const said = []
    for (const question of c.questions) {
      const place = { thread: `order-${c.number}`, resource: 'caller' }
      said.push((await agent.generate(question, { memory: place })).text)
    }
    return said
  },
})
