import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { withoutCredentials } from '../../src/core/request/body-credentials.ts'
import { factorOfTenfold } from '../kit/linear.ts'

const without = (value: unknown): unknown =>
  JSON.parse(withoutCredentials(Buffer.from(JSON.stringify(value))).toString())

/** The value with all strings that are values replaced by one text. */
const shapeOf = (value: unknown): unknown => {
  if (typeof value === 'string') return 'text'
  if (Array.isArray(value)) return value.map(shapeOf)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, shapeOf(one)]))
}

const SECRET = 'the-secret'
const secretName = fc.constantFrom(
  'authorization',
  'Authorization',
  'api_key',
  'apiKey',
  'X-Api-Key',
  'aws_secret_access_key',
  'password',
  'headers',
  'extra_headers',
  'http_headers',
  'cookie',
  'authorization_token'
)
const place = fc.array(fc.constantFrom('tools', 'list', 'extra_body', 'server', 'a"b'), {
  maxLength: 6,
})

describe('a body without its credentials', () => {
  it('is valid JSON with the same members', () => {
    fc.assert(
      fc.property(fc.jsonValue(), secretName, (value, name) => {
        const body = { tools: [value], [name]: value }
        // JSON has no −0
        const sent: unknown = JSON.parse(JSON.stringify(body))
        expect(shapeOf(without(body))).toEqual(shapeOf(sent))
      })
    )
  })

  it('has none at any depth, in lists and in objects', () => {
    const value = fc.constantFrom<unknown>(SECRET, [SECRET], { a: SECRET }, { a: [{ b: SECRET }] })
    fc.assert(
      fc.property(place, secretName, value, fc.boolean(), (path, name, secret, isList) => {
        const inner: unknown = { [name]: secret, other: 1 }
        const body = path.reduceRight<unknown>(
          (rest, step) => ({ [step]: isList ? [rest] : rest }),
          inner
        )
        expect(JSON.stringify(without(body))).not.toContain(SECRET)
      })
    )
  })

  it('has none beyond the depth in which names are read', () => {
    const body = `${'{"a":'.repeat(400)}{"api_key":"${SECRET}"}${'}'.repeat(400)}`
    const written = withoutCredentials(Buffer.from(body)).toString()
    expect(written).not.toContain(SECRET)
    expect(written.length).toBeLessThan(body.length)
    expect(() => JSON.parse(written)).not.toThrow()
    const cut = withoutCredentials(Buffer.from(body.slice(0, -500))).toString()
    expect(cut).not.toContain(SECRET)
  })

  it('keeps the conversation, however deep', () => {
    const body = `{"messages":[${'{"a":'.repeat(400)}{"api_key":"text"}${'}'.repeat(400)}]}`
    expect(withoutCredentials(Buffer.from(body)).toString()).toBe(body)
  })

  it('keeps every byte of a body without any, and of bytes that are not JSON', () => {
    const text = fc.string({ unit: 'binary' })
    fc.assert(
      fc.property(text, fc.array(text), (content, list) => {
        const body = Buffer.from(JSON.stringify({ messages: [{ content }], list }, null, 2))
        expect(withoutCredentials(body).equals(body)).toBe(true)
      })
    )
    for (const broken of ['', '"', '{"a', '{"a":"\\', ']]}}', '{"api_key"', 'api_key: x', '[,,{'])
      expect(withoutCredentials(Buffer.from(broken)).toString()).toBe(broken)
    expect(withoutCredentials(Buffer.from('{"api_key":"cut')).toString()).not.toContain('cut')
  })
})

const SMALL_BYTES = 2 ** 17

/** Bodies of about so many bytes that could take longer than their length. */
const HOSTILE: [name: string, body: (bytes: number) => string][] = [
  ['openings', (bytes) => '['.repeat(bytes)],
  ['objects', (bytes) => '{"a":'.repeat(bytes / 5)],
  ['credentials', (bytes) => `{${'"key":"x",'.repeat(bytes / 10)}"a":1}`],
  ['quotes and backslashes', (bytes) => `{"key":"${String.raw`\"`.repeat(bytes / 2)}"}`],
  ['addresses', (bytes) => `{"url":"${'a://@?'.repeat(bytes / 6)}"}`],
  ['one long name', (bytes) => `{"${'aB'.repeat(bytes / 2)}":"x"}`],
  ['names with marks', (bytes) => `{"${'key-'.repeat(bytes / 4)}":"x"}`],
]

/** A quadratic search takes a hundred times as long; the collector adds to the large one alone. */
const MOST = 30

it.each(HOSTILE)('the search takes time in proportion to the bytes: %s', (_name, bodyOf) => {
  const factor = factorOfTenfold(
    {
      size: SMALL_BYTES,
      make: (bytes) => Buffer.from(bodyOf(bytes)),
      run: withoutCredentials,
    },
    MOST
  )
  expect(factor).toBeLessThan(MOST)
})
