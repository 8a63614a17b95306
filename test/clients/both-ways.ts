/**
 * One call of a client twice: straight to the upstream, and through the proxy. What the client gets
 * and what the upstream receives must be the same.
 */
import { expect } from 'vitest'
import type { Harness, UpstreamRequest } from '../proxy/harness.ts'

/**
 * Of one connection (RFC 9110 §7.6.1), and the upstream's own address; a length's value is compared,
 * not how its name is written.
 */
const NOT_COMPARED = new Set(['host', 'connection', 'keep-alive', 'content-length'])

interface SentRequest {
  line: string
  headers: [string, string][]
  length: string | undefined
  body: string
}

/** Every form has a random boundary, in its header and in its body. */
const sentRequest = ({ method, url, rawHeaders, headers, body }: UpstreamRequest): SentRequest => {
  const boundary = /boundary=([^;]+)/.exec(headers['content-type'] ?? '')?.[1]
  const plain = (text: string): string =>
    boundary === undefined ? text : text.replaceAll(boundary, 'boundary')
  return {
    line: `${method} ${url}`,
    headers: rawHeaders.flatMap((name, i): [string, string][] =>
      i % 2 === 1 || NOT_COMPARED.has(name.toLowerCase()) ? [] : [[name, plain(rawHeaders[i + 1]!)]]
    ),
    length: headers['content-length'],
    body: plain(body.toString('latin1')),
  }
}

interface Observed<Result> {
  result: Result
  requests: SentRequest[]
}

const observe = async <Result>(
  { upstream }: Harness,
  baseUrl: string,
  call: (baseUrl: string) => Promise<Result>
): Promise<Observed<Result>> => {
  upstream.requests.length = 0
  const result = await call(baseUrl)
  return { result, requests: upstream.requests.map(sentRequest) }
}

/** @returns what the client got, once it is the same both ways */
export const bothWays = async <Result>(
  harness: Harness,
  call: (baseUrl: string) => Promise<Result>
): Promise<Result> => {
  const direct = await observe(harness, `${harness.upstream.url}/v1`, call)
  const proxied = await observe(harness, harness.baseUrl, call)
  expect(direct.requests.length).toBeGreaterThan(0)
  expect(proxied.requests).toEqual(direct.requests)
  expect(proxied.result).toEqual(direct.result)
  return proxied.result
}

export const collect = async <Item>(items: AsyncIterable<Item>): Promise<Item[]> => {
  const all: Item[] = []
  for await (const item of items) all.push(item)
  return all
}
