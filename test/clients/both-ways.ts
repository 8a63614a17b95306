/**
 * Makes one call of a client twice: directly to the upstream, and through the proxy. The client must get
 * the same result and the upstream the same requests.
 */
import { expect } from 'vitest'
import type { Harness, UpstreamRequest } from '../kit/proxy/harness.ts'

/**
 * Headers of one connection (RFC 9110 §7.6.1) and the upstream's address. The value of `content-length`
 * is compared, but not the case of its name.
 */
const NOT_COMPARED = new Set(['host', 'connection', 'keep-alive', 'content-length'])

interface SentRequest {
  line: string
  headers: [string, string][]
  length: string | undefined
  body: string
}

/** Replaces the random boundary of forms, which is in the header and in the body. */
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

/** @returns the client's result, after checking that it is the same both ways */
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
