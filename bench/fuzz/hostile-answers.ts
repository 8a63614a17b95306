/** Answers of an upstream that wants to break its client: each a status, headers and pieces of a body. */
import { broken } from './broken-bytes.ts'
import { Dice } from './dice.ts'

export interface HostileAnswer {
  status: number
  headers: Record<string, string>
  pieces: Buffer[]
  /** `break`: the connection ends without an end of the body */
  end: 'whole' | 'break'
  /** between two pieces, milliseconds */
  pauseMs: number
}

type Make = (dice: Dice) => string

const event = (value: unknown): string => `data: ${JSON.stringify(value)}\n\n`
const chunk = (delta: unknown, more: object = {}): string =>
  event({
    id: 'a',
    object: 'chat.completion.chunk',
    created: 1,
    model: 'routed',
    choices: [{ index: 0, delta, finish_reason: null }],
    ...more,
  })

const INDEXES = [0, 1, -1, 1.5, 2 ** 31, 2 ** 53, '0', null, '__proto__', {}]

const STREAMS: Record<string, Make> = {
  'many indexes of calls': (dice) =>
    Array.from({ length: dice.size(5000) }, (_, index) =>
      chunk({ tool_calls: [{ index, function: { arguments: 'a' } }] })
    ).join(''),
  'odd indexes of calls': (dice) =>
    Array.from({ length: dice.size(500) }, () =>
      chunk({
        tool_calls: [
          {
            index: dice.pick(INDEXES),
            id: dice.pick(INDEXES),
            function: dice.pick([null, {}, { name: 7 }, { arguments: {} }]),
          },
        ],
      })
    ).join(''),
  'new members in each delta': (dice) =>
    Array.from({ length: dice.size(5000) }, (_, i) => chunk({ [`member${i}`]: 'a' })).join(''),
  'one member that grows': (dice) =>
    Array.from({ length: dice.size(20_000) }, () => chunk({ reasoning: 'a' })).join(''),
  'many choices': (dice) =>
    Array.from({ length: dice.size(5000) }, (_, index) =>
      event({
        choices: [
          { index: dice.chance(0.9) ? index : dice.pick(INDEXES), delta: { content: 'a' } },
        ],
      })
    ).join(''),
  'a line that does not end': (dice) => `data: ${'a'.repeat(dice.size(1_000_000))}`,
  'lines of one event': (dice) => 'data: a\n'.repeat(dice.size(100_000)),
  'line breaks': (dice) => '\n'.repeat(dice.size(500_000)),
  'carriage returns': (dice) => 'data: {}\r'.repeat(dice.size(50_000)),
  comments: (dice) => ': a\n\n'.repeat(dice.size(100_000)),
  'ids and names': (dice) => 'id: a\nevent: b\nretry: 1e9\n\n'.repeat(dice.size(50_000)),
  'usage that is none': (dice) =>
    chunk(
      { content: 'a' },
      {
        usage: dice.pick([
          7,
          [],
          { prompt_tokens: -1 },
          { prompt_tokens: 1e308, completion_tokens: 'a' },
          { total_tokens: {} },
        ]),
      }
    ),
  'deep JSON': (dice) => `data: ${'[{"a":'.repeat(dice.size(100_000))}\n\n`,
  'responses events': (dice) =>
    Array.from({ length: dice.size(3000) }, (_, i) =>
      event({
        type: dice.pick([
          'response.output_text.delta',
          'response.completed',
          'response.output_item.added',
          'response.failed',
          'error',
          7,
        ]),
        output_index: dice.pick([i, ...INDEXES]),
        delta: 'a',
        response: dice.pick([null, {}, { output: [{}] }, { usage: 7 }]),
      })
    ).join(''),
}

const BODIES: Record<string, Make> = {
  'broken JSON': (dice) =>
    broken(
      Buffer.from(
        '{"id":"a","choices":[{"index":0,"message":{"role":"assistant","content":"blue"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}'
      ),
      dice
    ).toString('latin1'),
  'deep JSON': (dice) => '[{"a":'.repeat(dice.size(100_000)),
  'many choices': (dice) =>
    JSON.stringify({
      choices: Array.from({ length: dice.size(5000) }, (_, index) => ({
        index,
        message: { content: 'a' },
      })),
    }),
  'many members': (dice) =>
    JSON.stringify(
      Object.fromEntries(Array.from({ length: dice.size(20_000) }, (_, i) => [`m${i}`, i]))
    ),
  'other types': (dice) =>
    JSON.stringify(
      dice.pick([
        null,
        7,
        [],
        '',
        { choices: 7 },
        { choices: [null] },
        { choices: [{ message: 7 }] },
        { output: 7 },
        { output: [{ content: {} }] },
        { error: 7 },
        { usage: [] },
      ])
    ),
  'line breaks in a text': (dice) =>
    JSON.stringify({
      choices: [
        { index: 0, message: { role: 'assistant', content: '\n'.repeat(dice.size(200_000)) } },
      ],
    }),
  backslashes: (dice) => `{"a":"${'\\'.repeat(dice.size(200_000))}`,
  nothing: () => '',
}

const STATUSES = [
  200, 200, 200, 200, 200, 200, 201, 204, 206, 304, 400, 401, 402, 403, 404, 409, 413, 422, 429,
  500, 502, 503, 529, 599,
]
const NO_BODY = new Set([204, 304])

const HEADERS: [string, string][] = [
  ['content-encoding', 'gzip'],
  ['content-encoding', 'br'],
  ['content-encoding', 'x'],
  ['retry-after', '-1'],
  ['retry-after', '1e9'],
  ['x-promptintern-route', 'answered'],
  ['x-promptintern-record', 'forged'],
  ['set-cookie', 'a=b'],
  ['trailer', 'x-a'],
  ['connection', 'x-a, close'],
  ['x-a', 'ÿ'.repeat(3000)],
]

const piecesOf = (body: Buffer, dice: Dice): Buffer[] => {
  const count = dice.size(20)
  const length = Math.max(1, Math.ceil(body.length / count))
  return Array.from({ length: Math.ceil(body.length / length) }, (_, i) =>
    body.subarray(i * length, (i + 1) * length)
  )
}

/** @param seed of the case @param isStream whether events were asked for */
export const hostileAnswer = (seed: number, isStream: boolean): HostileAnswer => {
  const dice = new Dice(seed + 1)
  const isEvents = dice.chance(0.1) ? !isStream : isStream
  const make = dice.pick(Object.values<Make>(isEvents ? STREAMS : BODIES))
  const text = Buffer.from(make(dice))
  const end = isEvents && dice.chance(0.5) ? Buffer.from('data: [DONE]\n\n') : Buffer.alloc(0)
  const whole = Buffer.concat([text, end])
  const body = dice.chance(0.2) && whole.length < 100_000 ? broken(whole, dice) : whole
  const status = dice.pick(STATUSES)
  return {
    status,
    headers: {
      'content-type': isEvents
        ? 'text/event-stream'
        : dice.pick(['application/json', 'text/html', '', 'application/json; charset=utf-16']),
      ...Object.fromEntries(dice.some(HEADERS, dice.chance(0.3) ? 2 : 0)),
    },
    pieces: NO_BODY.has(status) ? [] : piecesOf(body, dice),
    end: dice.chance(0.15) ? 'break' : 'whole',
    pauseMs: dice.chance(0.2) ? dice.below(5) : 0,
  }
}
