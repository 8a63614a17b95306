/** Asks the server's own public path, as any client does: what is tried in the page goes the way of all requests. */
import type { AskProxy } from '../admin/deps.ts'

const TIMEOUT_MS = 120_000
const MAX_ANSWER_BYTES = 2 ** 20

/** Of the address that the server listens on, where a client on this machine reaches it. */
export const ownBaseUrl = (host: string, port: number): string => {
  const reached = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host
  return `http://${reached.includes(':') ? `[${reached}]` : reached}:${port}`
}

const textOf = async ({ body }: Response): Promise<string> => {
  const decoder = new TextDecoder()
  let text = ''
  let bytes = 0
  for await (const chunk of body ?? []) {
    bytes += chunk.length
    text += decoder.decode(chunk, { stream: true })
    // leaving the loop breaks the answer off
    if (bytes > MAX_ANSWER_BYTES) break
  }
  return text
}

/** @param baseUrl known once the server listens */
export const askOwn =
  (fetch: typeof globalThis.fetch, baseUrl: () => string): AskProxy =>
  async (body, headers) => {
    const response = await fetch(`${baseUrl()}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      // an upstream would choose which address of this network is asked, with the question
      redirect: 'manual',
      body,
      signal: AbortSignal.timeout(TIMEOUT_MS),
    })
    return {
      status: response.status,
      headers: Object.fromEntries(response.headers),
      text: await textOf(response),
    }
  }
