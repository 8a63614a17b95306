/** LangChain for JavaScript, its chat model and its agents, with either API: `chat` or `responses`. */
import { argv } from 'node:process'
import { MemorySaver } from '@langchain/langgraph'
import { ChatOpenAI } from '@langchain/openai'
import { createAgent, HumanMessage, SystemMessage, tool } from 'langchain'
import { z } from 'zod'
import { FUNCTIONS, play } from './play.mjs'

const modelOf = ({ baseUrl: baseURL, apiKey, model }) =>
  new ChatOpenAI({
    model,
    apiKey,
    maxRetries: 0,
    useResponsesApi: argv[2] === 'responses',
    configuration: { baseURL },
  })

const agentOf = (c, options) =>
  createAgent({ model: modelOf(c), systemPrompt: c.prompt, ...options })

const firstMessages = ({ prompt, question }) => [
  new SystemMessage(prompt),
  new HumanMessage(question),
]

const asked = (content) => ({ messages: [{ role: 'user', content }] })

const PARAMETERS = {
  find_customer: z.object({ colour: z.string() }),
  check_stock: z.object({ colour: z.string(), tins: z.number() }),
}

const toolsOf = (c) =>
  Object.entries(FUNCTIONS).map(([name, description]) =>
    tool((input) => c[name](input), { name, description, schema: PARAMETERS[name] })
  )

await play({
  single: async (c) => [(await modelOf(c).invoke(firstMessages(c))).text],
  stream: async (c) => {
    let text = ''
    for await (const chunk of await modelOf(c).stream(firstMessages(c))) text += chunk.text
    return [text]
  },
  structured: async (c) => {
    const responseFormat = z.object({ colour: z.string(), tins: z.number() })
    const { structuredResponse } = await agentOf(c, { responseFormat }).invoke(asked(c.question))
    return [`${structuredResponse.colour} ${structuredResponse.tins}`]
  },
  tools: async (c) => {
    const { messages } = await agentOf(c, { tools: toolsOf(c) }).invoke(asked(c.question))
    return [...c.calls, messages.at(-1).text]
  },
  chat: async (c) => {
    const agent = agentOf(c, { checkpointer: new MemorySaver() })
    const said = []
    for (const question of c.questions) {
      const thread = { configurable: { thread_id: String(c.number) } }
      said.push((await agent.invoke(asked(question), thread)).messages.at(-1).text)
    }
    return said
  },
})
