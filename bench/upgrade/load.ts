/** Clients that send requests without a pause, half of them for streams. A failed request is not repeated. */

export interface Load {
  /** requests that were sent */
  asked: number
  /** another status than 200, or a connection that ended before the answer's head */
  failed: string[]
  /** answers that ended before their end */
  cut: string[]
  /** until the head of the answer, milliseconds */
  headMs: number[]
}

interface Client {
  baseUrl: string
  load: Load
  isOver: () => boolean
}

const PROMPT = `Say which shelf the order is for.\n${'Tins stand on shelves by colour. '.repeat(120)}`

const describe = (error: unknown): string =>
  error instanceof Error ? `${error.message} ${String(error.cause ?? '')}` : String(error)

const post = (baseUrl: string, id: string, stream: boolean): Promise<Response> =>
  fetch(`${baseUrl}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: 'Bearer key-of-the-client' },
    body: JSON.stringify({
      model: 'gpt-4o-mini',
      stream,
      messages: [
        { role: 'system', content: PROMPT },
        { role: 'user', content: id },
      ],
    }),
  })

const ask = async ({ baseUrl, load }: Client, stream: boolean): Promise<void> => {
  const id = `order ${load.asked++}`
  const begun = performance.now()
  let response: Response
  try {
    response = await post(baseUrl, id, stream)
  } catch (error) {
    load.failed.push(`${id}: ${describe(error)}`)
    return
  }
  load.headMs.push(performance.now() - begun)
  try {
    const text = await response.text()
    if (response.status !== 200) load.failed.push(`${id}: ${response.status} ${text.slice(0, 200)}`)
    else if (!text.includes(stream ? 'data: [DONE]' : '"usage"')) load.cut.push(id)
  } catch (error) {
    load.cut.push(`${id}: ${describe(error)}`)
  }
}

/** @returns what happened, which grows; and a function that ends the load and waits for its last answers */
export const startLoad = (baseUrl: string, clients: number): [Load, () => Promise<void>] => {
  const load: Load = { asked: 0, failed: [], cut: [], headMs: [] }
  let isOver = false
  const client = { baseUrl, load, isOver: () => isOver }
  const lane = async (stream: boolean): Promise<void> => {
    while (!client.isOver()) await ask(client, stream)
  }
  const lanes = Array.from({ length: clients }, (_, index) => lane(index % 2 === 1))
  return [
    load,
    async () => {
      isOver = true
      await Promise.all(lanes)
    },
  ]
}
