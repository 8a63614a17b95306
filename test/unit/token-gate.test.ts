import { describe, expect, it } from 'vitest'
import { createTokenGate } from '../../src/admin/access/token-gate.ts'
import { networkOf } from '../../src/core/network-of.ts'
import { AppError } from '../../src/errors.ts'

const TOKEN = 'the-right-token'

const open = () => {
  const clock = { now: 1_000_000 }
  const gate = createTokenGate({ full: TOKEN, read: 'look' }, () => clock.now)
  /** `wait 2`: seconds */
  const judge = (token: string | null, address: string): string | null => {
    try {
      return gate.judge(token, address)
    } catch (error) {
      return `wait ${(error as AppError).retryAfterSeconds}`
    }
  }
  const guess = (address: string, times = 1): (string | null)[] =>
    Array.from({ length: times }, () => judge('guess', address))
  return { clock, judge, guess }
}

describe('the gate of the admin tokens', () => {
  it('keeps guesses of one address from delaying another', () => {
    const { judge, guess } = open()
    guess('192.0.2.1', 100)
    expect(judge(TOKEN, '192.0.2.1')).toBe('wait 1')
    expect(judge(TOKEN, '192.0.2.2')).toBe('full')
    expect(judge('look', '192.0.2.3')).toBe('read')
  })

  it('judges one guess a second after the fifth, however many come', () => {
    const { clock, guess } = open()
    let judged = 0
    for (let at = 0; at < 600; at++) {
      judged += guess('192.0.2.1', 10).filter((answer) => answer === null).length
      clock.now += 100
    }
    expect(judged).toBeGreaterThanOrEqual(60)
    expect(judged).toBeLessThanOrEqual(65)
  })

  it('gives each address one guess while many guess at once, and then one in two seconds', () => {
    const { clock, judge, guess } = open()
    for (let host = 0; host < 50; host++) expect(guess(`198.51.100.${host}`)).toEqual([null])
    expect(guess('192.0.2.1', 2)).toEqual([null, 'wait 2'])
    expect(judge(TOKEN, '192.0.2.2')).toBe('full')
    clock.now += 2_000
    expect(judge(TOKEN, '192.0.2.1')).toBe('full')
    clock.now += 120_000
    expect(guess('192.0.2.9', 6)).toEqual([null, null, null, null, null, 'wait 1'])
  })

  it('forgets wrong tokens with a right one, and with time', () => {
    const { clock, judge, guess } = open()
    guess('192.0.2.1', 4)
    expect(judge(TOKEN, '192.0.2.1')).toBe('full')
    expect(guess('192.0.2.1', 6).at(-1)).toBe('wait 1')
    clock.now += 15 * 60_000 + 1
    expect(guess('192.0.2.1', 5).at(-1)).toBeNull()
  })

  it('does not count requests without a token', () => {
    const { judge } = open()
    for (let at = 0; at < 100; at++) expect(judge(null, '192.0.2.1')).toBeNull()
    expect(judge(TOKEN, '192.0.2.1')).toBe('full')
  })

  it.each([
    ['2001:db8:1:2::1', '2001:db8:1:2'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2'],
    ['2001:db8::1', '2001:db8:0:0'],
    ['::1', '0:0:0:0'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['192.0.2.1', '192.0.2.1'],
    ['unknown', 'unknown'],
  ])('counts what one host may choose from together: %s', (address, network) => {
    expect(networkOf(address)).toBe(network)
  })
})
