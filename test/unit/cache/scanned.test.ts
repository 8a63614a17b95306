/** Single logs: what is compared with what, and input that no provider sends. */
import { describe, expect, it } from 'vitest'
import type { ExchangeRecord } from '../../../src/core/log/record.ts'
import type { ChatMessage, ChatRequest } from '../../../src/openai/chat.ts'
import { CACHE_MODELS, makeCacheLog } from '../../kit/cache/cache-logs.ts'
import { tokenizer } from '../../kit/cache/provider-cache.ts'
import { scanCache, type FoundCache } from '../../kit/cache/judge-cache.ts'
import { system, user } from '../../kit/traffic/prompts.ts'

const START = Date.UTC(2026, 9, 1)
const MINUTE = 60_000
const DAY = 1440 * MINUTE
const RULES = Array.from(
  { length: 90 },
  (_, number) => `Rule ${number * 37}: keep what the ${'customer wrote'} in part ${number * 91}.`
).join('\n')

const recordOf = (
  request: Partial<ChatRequest> & { messages: ChatMessage[] },
  number: number,
  changed: Partial<ExchangeRecord> = {}
): ExchangeRecord => ({
  id: String(number),
  at: START + number * MINUTE,
  tenant: 'tenant',
  model: CACHE_MODELS[0]!,
  path: '/v1/chat/completions',
  streamed: false,
  status: 200,
  firstByteMs: null,
  durationMs: 0,
  request: JSON.stringify({ model: changed.model ?? CACHE_MODELS[0]!, ...request }),
  response: JSON.stringify({
    id: 'x',
    object: 'chat.completion',
    created: 0,
    model: 'model-a',
    choices: [{ index: 0, message: { role: 'assistant', content: 'yes' }, finish_reason: 'stop' }],
  }),
  usage: null,
  route: null,
  ...changed,
})

const query = (number: number): string => `message ${(number * 7919) % 1013} on matter ${number}`

const log = (
  rows: number,
  messagesOf: (number: number) => ChatMessage[],
  changed: (number: number) => Partial<ExchangeRecord> = () => ({})
): ExchangeRecord[] =>
  Array.from({ length: rows }, (_, number) =>
    recordOf({ messages: messagesOf(number) }, number, changed(number))
  )

const scan = (records: ExchangeRecord[]): FoundCache[] =>
  scanCache({ records, countTokens: tokenizer(4) })

const clean = (number: number): ChatMessage[] => [system(RULES), user(query(number))]

const timed = (number: number): ChatMessage[] => [
  system(`Now it is ${new Date(START + number * MINUTE).toISOString()}.\n${RULES}`),
  user(query(number)),
]

const alternating = (number: number) => ({ model: CACHE_MODELS[number % 2]! })

const jumped = (number: number) => ({
  at: START + number * MINUTE - (number % 50 > 25 ? DAY : 0),
})

const turns = (number: number): ChatMessage[] =>
  Array.from({ length: 2 * (number % 4) + 1 }, (_, turn) => ({
    role: turn % 2 === 0 ? 'user' : 'assistant',
    content: `${query(Math.floor(number / 4))} turn ${turn}`,
  }))

const causesOf = (found: FoundCache[]): string[] =>
  found.map(({ report }) => report.causes[0]?.cause ?? 'none')

describe('what is none', () => {
  it.each<[string, ExchangeRecord[]]>([
    [
      'a date that changes once a day',
      log(200, (number) => [
        system(
          `Today is ${new Date(START + 11 * 60 * MINUTE + number * MINUTE).toISOString().slice(0, 10)}.\n${RULES}`
        ),
        user(query(number)),
      ]),
    ],
    ['identical requests', log(100, () => clean(1))],
    ['one request', log(1, clean)],
    [
      'a long text of the user behind a short prompt',
      log(100, (number) => [system('Say what it is.'), user(`${query(number)} `.repeat(300))]),
    ],
    [
      'calls of a lora, which no provider reads',
      log(100, timed, () => ({
        route: {
          templateVersion: 'x',
          lora: 'y',
          outcome: 'answered',
          reason: null,
          confidence: 1,
          promptTokensSaved: 0,
        },
      })),
    ],
    ['requests that the provider refused', log(100, timed, () => ({ status: 429 }))],
    [
      'what the provider reports as read',
      log(100, timed, () => ({
        usage: {
          prompt_tokens: 1500,
          completion_tokens: 1,
          total_tokens: 1501,
          prompt_tokens_details: { cached_tokens: 1408 },
        },
      })),
    ],
  ])('%s', (_name, records) => {
    for (const { report } of scan(records))
      expect(report).toMatchObject({
        causes: [],
        usdPerMonth: report.usdUnknown === null ? 0 : null,
      })
  })

  it('a conversation, whose turns stand behind all that the turns before had', () => {
    expect(
      new Set(causesOf(scan(log(240, (number) => [system(RULES), ...turns(number)]))))
    ).toEqual(new Set(['none']))
  })
})

describe('a found cause', () => {
  it('has its place without any text of the log', () => {
    const [found] = scan(log(100, timed))
    expect(found!.report).toMatchObject({
      causes: [
        {
          cause: 'time',
          firstDifference: 'the time in line 1 of message 1 (system)',
          mend: 'Move the time behind the constant text, or leave it out.',
        },
      ],
      providerMinimumTokens: 1024,
      cachedShare: null,
      priceAsOf: '2026-11-01',
    })
    expect(found!.report.stablePrefixTokens).toBeLessThan(20)
  })

  it('has tokens without a time span, and says why it has no dollars', () => {
    const [{ report }] = scan(log(100, timed)) as [FoundCache]
    expect(report.usdPerMonth).toBeNull()
    expect(report.usdUnknown).toContain('less than a day')
  })

  it('is found in requests without a template', () => {
    const found = scan(log(25, timed))
    expect(found).toMatchObject([
      { version: null, requests: 25, report: { causes: [{ cause: 'time' }] } },
    ])
  })

  it('is not several models where each of them is asked often enough', () => {
    expect(new Set(causesOf(scan(log(200, clean, alternating))))).toEqual(new Set(['none']))
  })

  it('is the tools where requests with and without them alternate more slowly than the cache forgets', () => {
    const tools = [{ type: 'function', function: { name: 'find', parameters: {} } }]
    const records = Array.from({ length: 160 }, (_, number) =>
      recordOf({ messages: clean(number), ...(number % 2 === 0 && { tools }) }, number, {
        at: START + number * 4 * MINUTE,
      })
    )
    expect(new Set(causesOf(scan(records)))).toEqual(new Set(['tools-change']))
  })
})

describe('input that no provider sends', () => {
  it('of a clock that jumps a day back is compared in the order of time', () => {
    expect(causesOf(scan(log(200, clean, jumped)))).toEqual(['none'])
    expect(causesOf(scan(log(200, timed, jumped)))).toEqual(['time'])
  })

  it.each<[string, ChatMessage[]]>([
    ['empty messages', [system(''), user('')]],
    ['no content', [{ role: 'user', content: null }]],
    ['a part that is no text', [{ role: 'user', content: [{ type: 'image_url', image_url: {} }] }]],
  ])('%s', (_name, messages) => {
    const found = scan(log(60, (number) => (number % 2 === 0 ? messages : clean(number))))
    // a prompt of some words is below every minimum, and filling it up saves nothing
    for (const { report } of found) expect(report.usdPerMonth ?? 0).toBe(0)
    expect(causesOf(found).every((cause) => ['none', 'below-minimum'].includes(cause))).toBe(true)
  })

  it('of a megabyte takes no more than its share of memory and time', () => {
    const long = `${RULES}\n${'word '.repeat(200_000)}`
    const started = performance.now()
    const found = scan(log(40, (number) => [system(long), user(query(number))]))
    for (const { report } of found) expect(report.causes).toEqual([])
    expect(performance.now() - started).toBeLessThan(30_000)
  })
})

describe('the two causes of a log', () => {
  it('save together what all mends save', () => {
    const { records, countTokens } = makeCacheLog({
      seed: 4,
      planted: ['date', 'name'],
      isCounted: true,
    })
    const [{ report }] = scanCache({ records, countTokens }) as [FoundCache]
    expect(report.causes.map(({ cause }) => cause)).toEqual(['date', 'name'])
    const sum = report.causes.reduce((all, { usdPerMonth }) => all + usdPerMonth!, 0)
    expect(report.usdPerMonth).toBeCloseTo(sum, 9)
    expect(report.cachedShare).toBeLessThan(0.1)
  })
})
