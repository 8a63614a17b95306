/** What the causes of cache misses take of time and memory, whatever a log has. */
import { describe, expect, it } from 'vitest'
import { CacheScan } from '../../src/core/cache/cache-scan.ts'
import type { CacheFinding } from '../../src/core/cache/finding.ts'
import type { ExchangeRecord } from '../../src/core/log/record.ts'
import type { Match, Template } from '../../src/core/template/template.ts'
import type { ChatRequest } from '../../src/openai/chat.ts'
import { keptBy } from '../kit/store/kept-memory.ts'
import { createDice, type Dice } from '../kit/traffic/applications.ts'
import { cpuMsOf } from '../kit/linear.ts'

const MIB = 2 ** 20
const LARGE = 16 * MIB
const START = Date.UTC(2026, 9, 1)
const STEP_MS = 20_000
const RULES = { lifeOf: () => 300_000, minimumOf: () => 1024 }
const MODELS = 1200

const recordOf = (number: number, model: string): ExchangeRecord => ({
  id: String(number),
  at: START + number * STEP_MS,
  tenant: 'tenant',
  model,
  path: '/v1/chat/completions',
  streamed: false,
  status: 200,
  firstByteMs: null,
  durationMs: 0,
  request: '',
  response: null,
  usage: null,
  route: null,
})

const promptOf = (dice: Dice): string =>
  Array.from({ length: 90 }, () => `${dice.sentence()} ${dice.id()} ${dice.sentence()}`).join('\n')

const templateOf = (number: number, text: string): Template => ({
  version: `v${number}`,
  tenant: 'tenant',
  model: `model-${number}`,
  tools: '',
  responseFormat: '',
  maxTurnsAfter: 0,
  messages: [
    { role: 'system', segments: [{ kind: 'anchor', text }] },
    { role: 'user', segments: [{ kind: 'query' }] },
  ],
})

const matchOf = (template: Template, query: string): Match => ({
  template,
  slots: {},
  examples: {},
  query,
  turns: [],
})

/** Of so many templates, each with some requests. */
const manyTemplates = (prompts: (number: number) => string, queryOf: (n: number) => string) => {
  const templates = Array.from({ length: MODELS }, (_, number) =>
    templateOf(number, prompts(number))
  )
  const scan = new CacheScan(templates, true, null)
  for (let number = 0; number < 24_000; number++) {
    const template = templates[(number * 7919) % MODELS]!
    const request: ChatRequest = { model: template.model, messages: [] }
    scan.add(recordOf(number, template.model), request, matchOf(template, queryOf(number)))
  }
  return scan
}

const findingsOf = (scan: CacheScan): CacheFinding[] => [...scan.findings(RULES)].flat()

describe('the time for the causes', () => {
  it.each<[string, (dice: Dice) => (number: number) => string]>([
    [
      'one prompt',
      (dice) => {
        const prompt = promptOf(dice)
        return () => prompt
      },
    ],
    ['a prompt each', (dice) => () => promptOf(dice)],
    [
      'prompts that share half',
      (dice) => {
        const half = promptOf(dice)
        return () => `${half}\n${promptOf(dice)}`
      },
    ],
  ])('is below 1.5 seconds for 1,200 models with %s', (_name, promptsOf) => {
    const scan = manyTemplates(promptsOf(createDice(2)), (number) => `message ${number}`)
    // before there was an index of lines, and one judging for all models of a prompt, three to six seconds
    expect(cpuMsOf(() => findingsOf(scan))).toBeLessThan(1500)
  })
})

describe('the memory for the causes', () => {
  const line = 'a line of a large request, '
  const shapes: [string, () => Partial<ChatRequest>][] = [
    ['a text', () => ({ messages: [{ role: 'user', content: line.repeat(LARGE / line.length) }] })],
    [
      'lines',
      () => {
        const lines = Array.from({ length: LARGE / 20 }, (_, number) => `${line}${number}`)
        return { messages: [{ role: 'user', content: lines.join('\n').slice(0, LARGE) }] }
      },
    ],
    [
      'messages',
      () => ({
        messages: Array.from({ length: LARGE / 40 }, (_, number) => ({
          role: 'user' as const,
          content: String(number),
        })),
      }),
    ],
    [
      'tools',
      () => ({
        messages: [{ role: 'user', content: 'a' }],
        tools: Array.from({ length: LARGE / 60 }, (_, number) => ({
          type: 'function' as const,
          function: { name: `f${number}` },
        })),
      }),
    ],
    [
      'a name of a tool',
      () => ({
        messages: [{ role: 'user', content: 'a' }],
        tools: [{ type: 'function', function: { name: 'f'.repeat(LARGE) } }],
      }),
    ],
  ]

  it.each(shapes)('is small for a request of 16 MB that is %s', async (_name, makeRequest) => {
    const scanned = (): CacheScan => {
      const scan = new CacheScan([], true, null)
      for (let number = 0; number < 3; number++)
        scan.add(recordOf(number, 'm'), { model: 'm', ...makeRequest() } as ChatRequest, null)
      return scan
    }
    // of the first one the compiled code stays
    scanned()
    const { keptBytes } = await keptBy(scanned)
    expect(keptBytes / MIB).toBeLessThan(4)
  })

  it('is bounded for all templates together', async () => {
    const dice = createDice(3)
    manyTemplates(() => 'one', String)
    const { result, keptBytes } = await keptBy(() =>
      manyTemplates(
        () => promptOf(dice),
        (number) => `${number} ${line.repeat(20)}`
      )
    )
    // 48 MiB of requests, and the constant text of the templates
    expect(keptBytes / MIB).toBeLessThan(180)
    expect([...result.findings(RULES)].length).toBeGreaterThan(0)
  })

  it('takes a kilobyte or two for a finding, however many models a client writes', () => {
    const scan = new CacheScan([], true, null)
    const content = promptOf(createDice(5)).slice(0, 2400)
    for (let number = 0; number < 400; number++) {
      const model = `model-${number % 200}-${'x'.repeat(180)}`
      const messages = [
        { role: 'system', content },
        { role: 'user', content: `Question ${number}` },
      ]
      scan.add({ ...recordOf(number, model), at: START + 1000 * number }, { model, messages }, null)
    }
    const findings = [...scan.findings(RULES)].flat()
    expect(findings.length).toBeGreaterThan(100)
    expect(JSON.stringify(findings).length / findings.length).toBeLessThan(2000)
  })
})
