/** OpenAI's package for Node, with either API: `chat` or `responses`. */
import OpenAI from 'openai'
import { FUNCTIONS, play } from './play.mjs'
import { SCENARIOS } from './openai-scenarios.mjs'

const variant = process.argv[2]
const clientOf = ({ baseUrl, apiKey }) => new OpenAI({ baseURL: baseUrl, apiKey, maxRetries: 0 })

await play(SCENARIOS(variant, clientOf, FUNCTIONS))
