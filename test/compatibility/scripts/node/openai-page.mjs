/** What the page of `openai-browser.mjs` does: OpenAI's package for JavaScript in a browser. */
import OpenAI from 'openai'
import { SCENARIOS } from './openai-scenarios.mjs'
import { FUNCTIONS, playPlan } from './play.mjs'

const clientOf = ({ baseUrl, apiKey }) =>
  new OpenAI({ baseURL: baseUrl, apiKey, maxRetries: 0, dangerouslyAllowBrowser: true })

globalThis.playInPage = ({ plan, variant }) =>
  playPlan(SCENARIOS(variant, clientOf, FUNCTIONS), plan, globalThis.tell)
