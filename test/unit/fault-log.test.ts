import { describe, expect, it } from 'vitest'
import { AppError } from '../../src/errors.ts'
import { causesOf, createFaultLog, noFaults, type FaultLine } from '../../src/fault-log.ts'

const KINDS = ['upstream', 'engine'] as const

const openLog = () => {
  const clock = { now: 1_000_000 }
  const lines: FaultLine[] = []
  const counts = noFaults(KINDS)
  const fault = createFaultLog<(typeof KINDS)[number]>({
    write: (line) => lines.push(line),
    counts,
    now: () => clock.now,
  })
  return { clock, lines, counts, fault }
}

describe('the log of faults', () => {
  it('writes a line with kind, causes, stacks and the caller`s data', () => {
    const { lines, fault } = openLog()
    const refused = Object.assign(new Error('connect ECONNREFUSED 127.0.0.1:1'), {
      code: 'ECONNREFUSED',
    })
    const cause = new AppError('engine-unavailable', 'engine onnx failed', { cause: refused })
    fault('engine', cause, { lora: 'lora-1' })
    expect(lines).toMatchObject([
      {
        kind: 'engine',
        lora: 'lora-1',
        count: 1,
        suppressed: 0,
        causes: [
          { name: 'AppError', code: 'engine-unavailable', message: 'engine onnx failed' },
          { name: 'Error', code: 'ECONNREFUSED', message: 'connect ECONNREFUSED 127.0.0.1:1' },
        ],
      },
    ])
    for (const { stack } of lines[0]!.causes) expect(stack[0]).toContain('fault-log.test.ts')
  })

  it('writes five lines per second and kind, and counts the suppressed ones in the next line', () => {
    const { clock, lines, counts, fault } = openLog()
    for (let i = 0; i < 1000; i++) fault('upstream', new Error('away'))
    fault('engine', new Error('also away'))
    expect(lines.map(({ kind }) => kind)).toEqual([...Array<string>(5).fill('upstream'), 'engine'])
    clock.now += 1000
    for (let i = 0; i < 6; i++) fault('upstream', new Error('away'))
    expect(lines.slice(6).map(({ count, suppressed }) => [count, suppressed])).toEqual([
      [1001, 995],
      ...[1002, 1003, 1004, 1005].map((count) => [count, 0]),
    ])
    expect(counts).toEqual({ upstream: 1006, engine: 1 })
  })

  it('writes again when its clock is set back', () => {
    const { clock, lines, fault } = openLog()
    for (let i = 0; i < 9; i++) fault('upstream', new Error('away'))
    clock.now -= 86_400_000
    fault('upstream', new Error('away'))
    expect(lines).toHaveLength(6)
  })

  it('does not let the caller`s data replace its own fields', () => {
    const { lines, fault } = openLog()
    fault('engine', new Error('x'), { kind: 'none', count: 0 })
    expect(lines).toMatchObject([{ kind: 'engine', count: 1 }])
  })
})

const messageOf = (error: unknown): string => causesOf(error)[0]!.message

const thrownBy = (action: () => unknown): unknown => {
  try {
    action()
  } catch (error) {
    return error
  }
  throw new Error('nothing was thrown')
}

describe('the causes of a fault', () => {
  it.each<[string, unknown]>([
    ['a URL`s user', new Error('cannot reach https://user:pa55word@host/v1')],
    ['a URL`s query', new Error('GET https://host/v1?api-key=pa55word&x=1 failed')],
    ['a key', new Error('wrong key sk-proj-pa55wordpa55wordpa55word0123456789')],
    ['a bearer token', new Error('header Authorization: Bearer pa55word-0123')],
    ['a named token', new Error('{"token": "pa55word"}')],
    ['a named password', new Error('password: pa55word')],
    ['text that JSON.parse could not parse', thrownBy(() => JSON.parse('{"a": pa55word}'))],
    [
      'the same text, quoted by another error',
      new AppError('engine-unavailable', String(thrownBy(() => JSON.parse('{"a": pa55word}')))),
    ],
    [
      'an argument that Node rejects',
      thrownBy(() => Buffer.alloc('pa55word' as unknown as number)),
    ],
    ['a thrown value that is not an error', { secret: 'pa55word' }],
  ])('do not contain %s', (_, error) => {
    expect(JSON.stringify(causesOf(error))).not.toContain('pa55word')
  })

  it('are bounded: circular chains, long messages, deep stacks', () => {
    const first = new Error('first')
    first.cause = new Error('second', { cause: first })
    expect(causesOf(first)).toHaveLength(5)
    expect(messageOf(new Error('x'.repeat(1e6)))).toHaveLength(300)
    const deep = new Error('deep')
    deep.stack = `Error: deep\n${'    at f (file.ts:1:1)\n'.repeat(1000)}`
    expect(causesOf(deep)[0]!.stack).toHaveLength(12)
  })

  it('continue with the first of several errors, and with a stack that the store`s thread sends as text', () => {
    const several = new AggregateError([new Error('no route to ::1')], '')
    expect(causesOf(several).map(({ message }) => message)).toEqual(['', 'no route to ::1'])
    const stack = 'LibsqlError: SQLITE_FULL\n    at write (database.ts:1:1)'
    expect(causesOf(new AppError('store-unavailable', 'full', { cause: stack }))[1]).toEqual({
      name: 'Error',
      code: null,
      message: 'LibsqlError: SQLITE_FULL',
      stack: ['at write (database.ts:1:1)'],
    })
  })

  it('state that no error was thrown', () => {
    expect(causesOf(undefined)).toEqual([
      { name: 'undefined', code: null, message: 'no error was thrown', stack: [] },
    ])
  })
})
