/** `promptintern move` asks another model of the upstream, within a budget, and says how its answers differ. */
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { createProgram } from '../../src/cli/program.ts'
import { batchOf } from '../../src/core/log/exchange-batch.ts'
import { orderRecord } from '../kit/records/paint-orders.ts'
import { exampleTemplate } from '../kit/records/examples.ts'
import type { MoveView } from '../../src/cli/commands/template/move-text.ts'
import type { Template } from '../../src/core/template/template.ts'
import { openStore } from '../kit/store/local-store.ts'
import { sharedFolder } from '../kit/temporary-folder.ts'
import { endHere } from '../kit/whole/command-here.ts'

const ORDERS = 120
const RECORDS = Array.from({ length: ORDERS }, (_, i) => ({
  ...orderRecord(i),
  at: Date.now() - (ORDERS - i) * 60_000,
  durationMs: 400,
  usage: { prompt_tokens: 1_000, completion_tokens: 2, total_tokens: 1_002 },
}))

/** Of the paint orders of the records. */
const TEMPLATE: Template = {
  ...exampleTemplate('paint-orders'),
  messages: [
    {
      role: 'system',
      segments: [
        { kind: 'anchor', text: (JSON.parse(RECORDS[0]!.request) as Body).messages[0]!.content },
      ],
    },
    { role: 'user', segments: [{ kind: 'query' }] },
  ],
}

interface Body {
  model: string
  messages: { role: string; content: string }[]
}

/** What the upstream answers: a text, a status with a message, or null, a connection that is cut. */
type Answers = (body: Body, number: number) => string | { status: number; message: string } | null

const colourOf = (body: Body): string => {
  const asked = body.messages.at(-1)!.content
  return ['amber', 'blue', 'crimson', 'green', 'indigo', 'orange'].find((one) =>
    asked.includes(one)
  )!
}

const command = async (words: string[]): Promise<number> => {
  await (await createProgram(words)).parseAsync(words, { from: 'user' })
  return 0
}

describe('a move to another model', () => {
  const dataDir = sharedFolder()
  const asked: { model: string; authorization: string | undefined }[] = []
  let answers: Answers = colourOf
  let usage: object | undefined
  let server: Server

  const cli = async (...words: string[]): Promise<string> => {
    const env = {
      DATA_DIR: dataDir,
      UPSTREAM_BASE_URL: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
      UPSTREAM_API_KEY: 'sk-operator',
    }
    return (await endHere(command, env, words)).stdout
  }

  /** @returns what the terminal shows before it asks, which it cannot here */
  const questionAt = async (upstream: string, ...words: string[]): Promise<string> => {
    vi.stubEnv('DATA_DIR', dataDir)
    vi.stubEnv('UPSTREAM_BASE_URL', upstream)
    vi.stubEnv('UPSTREAM_API_KEY', 'sk-operator')
    const err = vi.spyOn(process.stderr, 'write').mockReturnValue(true)
    try {
      const all = ['move', 'paint-orders', '--to', 'gpt-6-luna', ...words]
      const run = (await createProgram(all)).parseAsync(all, { from: 'user' })
      await expect(run).rejects.toThrow('nobody can be asked here')
      return err.mock.calls.map(([text]) => text).join('')
    } finally {
      err.mockRestore()
      vi.unstubAllEnvs()
    }
  }

  const report = async (...words: string[]): Promise<MoveView> => {
    asked.length = 0
    const all = ['move', 'paint-orders', '--to', 'gpt-6-luna', '--yes', '--json', ...words]
    return JSON.parse(await cli(...all)) as MoveView
  }

  beforeAll(async () => {
    server = createServer((request, response) => {
      const parts: Buffer[] = []
      request.on('data', (part: Buffer) => parts.push(part))
      request.on('end', () => {
        const body = JSON.parse(Buffer.concat(parts).toString()) as Body
        asked.push({ model: body.model, authorization: request.headers.authorization })
        const given = answers(body, asked.length)
        if (given === null) return request.socket.destroy()
        response.setHeader('content-type', 'application/json')
        if (typeof given !== 'string') {
          response.statusCode = given.status
          return response.end(JSON.stringify({ error: { message: given.message } }))
        }
        const message = { role: 'assistant', content: given }
        const choices = [{ index: 0, message, finish_reason: 'stop' }]
        return response.end(JSON.stringify({ choices, ...(usage && { usage }) }))
      })
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const store = await openStore({ dataDir })
    await store.templates.upsert([
      { ...TEMPLATE, tenant: RECORDS[0]!.tenant, model: RECORDS[0]!.model },
    ])
    await store.records.append(batchOf(RECORDS))
    await store.records.tagTemplate(
      RECORDS.map(({ id }) => id),
      TEMPLATE.version
    )
    await store.close()
  })

  afterEach(() => {
    answers = colourOf
    usage = { prompt_tokens: 1_000, completion_tokens: 2, total_tokens: 1_002 }
  })

  afterAll(() => server.close())

  it('says before it buys answers that the terms keep them from training', async () => {
    const learned = 'small models learn from them'
    expect(await questionAt('https://api.x.ai/v1')).not.toContain('TRAINING_CONSENT')
    const forbidden = await questionAt('https://api.x.ai/v1', '--follow')
    expect(forbidden).toMatch(/nothing learns from them yet: .*set TRAINING_CONSENT=api\.x\.ai /)
    expect(forbidden).not.toContain(learned)
    // OpenAI allows labels and fields, and what these answers are is not known yet
    expect(await questionAt('https://api.openai.com/v1', '--follow')).toContain(learned)
    vi.stubEnv('TRAINING_CONSENT', 'api.x.ai')
    expect(await questionAt('https://api.x.ai/v1', '--follow')).toContain(learned)
  })

  it('sends each request once, with the new name and the own key', async () => {
    usage = { prompt_tokens: 1_000, completion_tokens: 2, total_tokens: 1_002 }
    const moved = await report('--requests', '50')
    expect(moved).toMatchObject({
      template: 'paint-orders',
      to: 'gpt-6-luna',
      requests: 50,
      agreement: 1,
      agreementUpper: 1,
      failed: 0,
      unsent: 0,
      differences: [],
    })
    expect(moved.agreementLower).toBeCloseTo(0.929, 2)
    expect(asked).toHaveLength(50)
    expect(new Set(asked.map(({ model }) => model))).toEqual(new Set(['gpt-6-luna']))
    expect(asked[0]!.authorization).toBe('Bearer sk-operator')
    // 1,000 × 0.10 + 2 × 0.50 USD a million
    expect(moved.new.usdPerMillion).toBeCloseTo(101)
    expect(moved.usd).toBeCloseTo(50 * 101e-6)
    expect(moved.old.ms).toBe(400)
  })

  it('says which labels differ, on one page', async () => {
    answers = (body) => (colourOf(body) === 'amber' ? 'orange' : colourOf(body))
    const moved = await report('--requests', '120')
    expect(moved.agreement).toBeCloseTo(5 / 6)
    expect(moved.differences).toEqual([
      { kind: 'label', old: 'amber', new: 'orange', requests: 20 },
    ])
    const text = await cli('move', 'paint-orders', '--to', 'gpt-6-luna', '--yes')
    expect(text.replace(/\s+/g, ' ')).toContain('in 83.3 % of 120 requests (95 % interval')
    expect(text).toMatch(/20 +another label +amber +orange/)
  })

  it('counts requests that the new model refuses, with the reason', async () => {
    answers = (body, number) =>
      number % 10 === 0 ? { status: 400, message: 'no temperature here' } : colourOf(body)
    const moved = await report('--requests', '100')
    expect(moved.agreement).toBeCloseTo(0.9)
    expect(moved.differences).toEqual([
      { kind: 'refused', old: 'text', new: '400: no temperature here', requests: 10 },
    ])
  })

  it('goes beyond its budget by one request at most', async () => {
    usage = { prompt_tokens: 100_000, completion_tokens: 2, total_tokens: 100_002 }
    const moved = await report('--requests', '120', '--budget-usd', '0.1')
    const one = 100_000 * 0.1e-6 + 2 * 0.5e-6
    expect(moved.usd).toBeGreaterThanOrEqual(0.1)
    expect(moved.usd).toBeLessThanOrEqual(0.1 + one)
    expect(moved.requests + moved.unsent).toBe(120)
  })

  it('counts what is lost on its way as paid, does not repeat it, and ends after ten', async () => {
    answers = (body, number) => (number === 1 ? colourOf(body) : null)
    const moved = await report('--requests', '120')
    expect(moved.requests).toBe(1)
    expect(moved.failed).toBeGreaterThanOrEqual(10)
    expect(moved.failed).toBeLessThan(14)
    expect(moved.unsent).toBe(119 - moved.failed)
    expect(asked).toHaveLength(1 + moved.failed)
    expect(moved.usd).toBeCloseTo(asked.length * 101e-6, 6)
  })

  it('says what it has paid where answers have no usage', async () => {
    usage = { prompt_tokens: 'NaN', completion_tokens: -5 }
    const moved = await report('--requests', '20', '--budget-usd', '0.001')
    expect(moved.usd).toBeGreaterThanOrEqual(0.001)
    expect(moved.usd).toBeLessThanOrEqual(0.001 + 101e-6)
    expect(moved.unsent).toBeGreaterThan(5)
  })

  it('ends at once where the model is not there', async () => {
    answers = () => ({ status: 404, message: 'The model does not exist' })
    await expect(report()).rejects.toThrow('does not answer with gpt-6-luna: 404: The model does')
    expect(asked).toHaveLength(1)
  })

  it('needs a price, a template, and somebody who says yes', async () => {
    const to = (model: string) => cli('move', 'paint-orders', '--to', model, '--yes')
    await expect(to('house-model')).rejects.toThrow('no price of house-model is known')
    await expect(cli('move', 'nothing', '--to', 'gpt-6-luna')).rejects.toThrow('no template')
    await expect(cli('move', 'paint-orders', '--to', 'gpt-6-luna')).rejects.toThrow('--yes')
  })
})
