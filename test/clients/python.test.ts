/** The Python client's usual calls. Skipped unless `PYTHON`, by default `python3`, has the package. */
import { execFile, spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { bothWays } from './both-ways.ts'
import { ANSWER, PROMPT, QUESTION, useLiveLora } from './live-lora.ts'
import { API_KEY } from './openai-upstream.ts'

const PYTHON = process.env.PYTHON ?? 'python3'
const SCRIPT = fileURLToPath(new URL('usual_calls.py', import.meta.url))

const { status } = spawnSync(PYTHON, ['-c', 'import openai'])
const why = status === 0 ? '' : ` (skipped: ${PYTHON} has no package openai)`

type Results = Record<string, unknown>

const run = async (
  baseUrl: string,
  which: 'all' | 'answered',
  prompt: string
): Promise<Results> => {
  const options = { env: { ...process.env, NO_PROXY: '*' }, maxBuffer: 2 ** 26 }
  const rest = [baseUrl, API_KEY, which, prompt, QUESTION]
  const { stdout } = await promisify(execFile)(PYTHON, [SCRIPT, ...rest], options)
  return JSON.parse(stdout) as Results
}

interface Completion {
  model: string
  choices: { message: { content: string } }[]
  usage: unknown
}

interface Responded {
  model: string
  output: { content: { text: string }[] }[]
}

interface Chunk {
  choices: { delta: { content: string | null } }[]
  usage: unknown
}

const textOf = (chunks: Chunk[]): string =>
  chunks.map(({ choices }) => choices[0]?.delta.content ?? '').join('')

describe.skipIf(status !== 0)(`the Python client${why}`, () => {
  const harness = useLiveLora()

  it('gets the same answers, and sends the same bytes, as without the proxy', async () => {
    const results = await bothWays(harness, (baseUrl) => run(baseUrl, 'all', 'Be short.'))
    expect(Object.keys(results).length).toBeGreaterThan(13)
  })

  it('reads the answers of a lora', async () => {
    harness.upstream.requests.length = 0
    const results = await run(harness.baseUrl, 'answered', PROMPT)
    const { chat, chat_stream, chat_helper, chat_async } = results
    const usage = { prompt_tokens: 12, completion_tokens: 3, total_tokens: 15 }
    for (const completion of [chat, chat_helper] as Completion[]) {
      expect(completion.model).toBe(harness.lora)
      expect(completion.choices[0]!.message.content).toBe(ANSWER)
    }
    expect((chat as Completion).usage).toMatchObject(usage)
    expect(textOf(chat_stream as Chunk[])).toBe(ANSWER)
    expect((chat_stream as Chunk[]).at(-1)!.usage).toMatchObject(usage)
    expect(textOf(chat_async as Chunk[])).toBe(ANSWER)
    const { response, response_stream, response_helper, kept_response } = results
    const events = response_stream as { type: string; response: Responded }[]
    const [made, again, items] = kept_response as [Responded, Responded, unknown[]]
    for (const one of [response, response_helper, events.at(-1)!.response, made] as Responded[]) {
      expect(one.model).toBe(harness.lora)
      expect(one.output[0]!.content[0]!.text).toBe(ANSWER)
    }
    expect([again, items.length]).toEqual([made, 1])
    // the Agents SDK is a package of its own
    if ('agent' in results) expect(results['agent']).toBe(ANSWER)
    expect(harness.upstream.requests).toEqual([])
  })
})
