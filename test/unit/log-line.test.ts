import { describe, expect, it } from 'vitest'
import { formed, jsonLine } from '../../src/process/log-line.ts'

const AT = Date.UTC(2026, 10, 28, 10, 0, 5)

describe('a log line', () => {
  it('is one of JSON for programs, with the keys of the logger', () => {
    const line = jsonLine('warn', AT, { part: 'engine', rows: 7 }, 'a \u009bmessage')
    expect(formed(line, 'json')).toBe(
      '{"level":40,"time":"2026-11-28T10:00:05.000Z","part":"engine","rows":7,"msg":"a \\u009bmessage"}\n'
    )
  })

  it('is time, level, part, message and fields for people', () => {
    const line = jsonLine(
      'info',
      AT,
      { part: 'worker', port: 8787, id: 'a b', host: '::1' },
      'ready'
    )
    expect(formed(line, 'text')).toBe('10:00:05Z info  worker: ready port=8787 id="a b" host=::1\n')
  })

  it('has the causes of a fault below it, in lines that no message can forge', () => {
    const causes = [
      {
        name: 'AppError',
        code: 'internal',
        message: 'it\n10:00:05Z info forged',
        stack: ['at f (a.ts:1)'],
      },
      { name: 'Error', code: null, message: 'refused', stack: [] },
    ]
    expect(formed(jsonLine('error', AT, { kind: 'engine', causes }, 'fault'), 'text')).toBe(
      [
        '10:00:05Z error fault kind=engine',
        String.raw`  AppError: it\n10:00:05Z info forged`,
        '    at f (a.ts:1)',
        '  Error: refused',
        '',
      ].join('\n')
    )
  })

  it('stays as it is where it is not of JSON', () => {
    expect(formed('a warning\n', 'text')).toBe('a warning\n')
  })
})
