/**
 * Two proxies on one store, and an upstream that bills every request with the most that it can cost. So a
 * budget is exactly so many requests, and each one beyond it is counted.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { hashOfSecret, secretOf, type IssuedKey } from '../../../src/core/keys/issued-key.ts'
import type { ChatMessage } from '../../../src/openai/chat.ts'
import type { ProxyProcess } from './proxy-process.ts'
import { countsOf } from '../../../src/core/counts.ts'

const ANSWER_TOKENS = 6
/** A token of a prompt is 1 cent, one of an answer is 2. */
export const PRICE = {
  model: 'm',
  asOf: '2026-11-01',
  input: 10_000,
  cachedInput: 5_000,
  output: 20_000,
}

const MESSAGES: ChatMessage[] = [{ role: 'user', content: 'hi' }]
const BODY = JSON.stringify({ model: PRICE.model, messages: MESSAGES, max_tokens: ANSWER_TOKENS })

/** The request and its answer, for another upstream: at four characters a token, which is the most it can cost. */
export const BILLED = {
  messages: MESSAGES,
  answer: 'hi'.repeat(2 * ANSWER_TOKENS),
  promptTokens: BODY.length,
}

/** What one request may cost: a token for each byte of its body, and the longest answer. */
export const REQUEST_USD = BODY.length * 0.01 + ANSWER_TOKENS * 0.02

const ANSWER_MS = 30
const WAIT_MS = 60_000

const ANSWER = JSON.stringify({
  id: 'chatcmpl-1',
  object: 'chat.completion',
  created: 1,
  model: PRICE.model,
  choices: [
    {
      index: 0,
      message: { role: 'assistant', content: 'hi' },
      logprobs: null,
      finish_reason: 'stop',
    },
  ],
  usage: {
    prompt_tokens: BODY.length,
    completion_tokens: ANSWER_TOKENS,
    total_tokens: BODY.length + ANSWER_TOKENS,
  },
})

export interface BillingUpstream {
  baseUrl: string
  /** requests that it has received, and bills for */
  billed(): number
  close(): void
}

export const startBillingUpstream = async (): Promise<BillingUpstream> => {
  let billed = 0
  const server = createServer((incoming, response) => {
    if (incoming.method === 'POST') billed++
    incoming.resume().on('end', () =>
      setTimeout(() => {
        response.setHeader('content-type', 'application/json')
        response.end(incoming.method === 'POST' ? ANSWER : '{"object":"list","data":[]}')
      }, ANSWER_MS)
    )
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    baseUrl: `http://127.0.0.1:${port}/v1`,
    billed: () => billed,
    close: () => void server.close(),
  }
}

/** @param folder for the price file */
export const fleetEnvironment = (
  folder: string,
  { baseUrl }: Pick<BillingUpstream, 'baseUrl'>
): Record<string, string> => {
  mkdirSync(folder, { recursive: true })
  const prices = join(folder, 'prices.json')
  writeFileSync(prices, JSON.stringify([PRICE]))
  return {
    ACCESS: 'keys',
    UPSTREAM_API_KEY: 'sk-of-the-operator',
    UPSTREAM_BASE_URL: baseUrl,
    PRICES_FILE: prices,
    TENANT_SECRET: 'a-secret-that-all-proxies-have-in-common',
  }
}

/** A key with a budget of so many requests. @param bytes random ones of a secret */
export const keyOfRequests = (
  id: string,
  requests: number,
  bytes: Uint8Array
): { key: IssuedKey; secret: string } => {
  const secret = secretOf(bytes)
  const budget = { usd: requests * REQUEST_USD, period: 'total' } as const
  const limits = { models: null, requestsPerMinute: null, tokensPerMinute: null, budget }
  const key: IssuedKey = {
    id,
    name: id,
    hash: hashOfSecret(secret),
    tenant: `issued:${id}`,
    limits,
    createdAt: Date.now(),
    revokedAt: null,
  }
  return { key, secret }
}

const headersOf = (secret: string): Record<string, string> => ({
  authorization: `Bearer ${secret}`,
  'content-type': 'application/json',
})

/** @returns the status; 0 where the proxy ended before it answered */
export const ask = async ({ baseUrl }: ProxyProcess, secret: string): Promise<number> => {
  try {
    const options = { method: 'POST', headers: headersOf(secret), body: BODY }
    const response = await fetch(`${baseUrl}/v1/chat/completions`, options)
    await response.arrayBuffer()
    return response.status
  } catch {
    return 0
  }
}

/**
 * Polls until a request that costs nothing has the status. @returns milliseconds that it took
 * @throws Error after a minute
 */
export const statusBecomes = async (
  { baseUrl }: ProxyProcess,
  secret: string,
  status: number
): Promise<number> => {
  const begun = performance.now()
  for (;;) {
    const response = await fetch(`${baseUrl}/v1/models`, { headers: headersOf(secret) })
    await response.arrayBuffer()
    const tookMs = performance.now() - begun
    if (response.status === status) return tookMs
    if (tookMs > WAIT_MS) throw new Error(`the proxy still answers ${response.status}`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

/** Asks all proxies in turn, in parallel. @returns how often each status came */
export const askMany = async (
  proxies: ProxyProcess[],
  secret: string,
  count: number
): Promise<Map<number, number>> => {
  const statuses = await Promise.all(
    Array.from({ length: count }, (_, index) => ask(proxies[index % proxies.length]!, secret))
  )
  return countsOf(statuses)
}
