import { describe, expect, it } from 'vitest'
import { findUpstream, standInsOf } from '../../src/core/upstream-choice.ts'
import { parseUpstreams } from '../../src/config/upstreams-file.ts'

const EAST = {
  name: 'east',
  baseUrl: 'https://east.example/v1/',
  apiKeyEnv: 'EAST_KEY',
  models: ['gpt-4o', 'gpt-4o-*'],
  fallback: ['west'],
}
const WEST = { name: 'west', baseUrl: 'http://west', apiKeyEnv: 'WEST_KEY', models: ['w*'] }
const ENV = { EAST_KEY: 'sk-east', WEST_KEY: 'sk-west' }

const parse = (entries: unknown[], env: Record<string, string> = ENV) =>
  parseUpstreams(JSON.stringify(entries), env)

describe('the upstreams file', () => {
  it('is read with its keys', () => {
    const { apiKeyEnv: _, ...east } = EAST
    expect(parse([EAST, WEST])).toEqual([
      { ...east, baseUrl: 'https://east.example/v1', apiKey: 'sk-east' },
      { name: 'west', baseUrl: 'http://west', apiKey: 'sk-west', models: ['w*'], fallback: [] },
    ])
  })

  it('may forward the client`s own credential', () => {
    expect(parse([{ name: 'a', baseUrl: 'http://a', models: ['*'] }])[0]?.apiKey).toBeNull()
  })

  it.each<[string, unknown[], RegExp]>([
    [
      'a stand-in that would receive keys of another upstream',
      [EAST, { ...WEST, apiKeyEnv: undefined }],
      /west needs an apiKeyEnv/,
    ],
    ['an unknown stand-in', [EAST], /west is not an entry/],
    ['an entry that stands in for itself', [{ ...WEST, fallback: ['west'] }], /the entry itself/],
    ['a name twice', [WEST, WEST], /an earlier entry has the same name/],
    ['the name of the default', [{ ...WEST, name: 'default' }], /UPSTREAM_BASE_URL/],
    [
      'a name that is invalid in a header',
      [{ ...WEST, name: 'a b' }],
      /entry 0.name: must be 1 to 64 letters/,
    ],
    ['a missing key', [{ ...WEST, apiKeyEnv: 'NONE' }], /NONE must be set/],
    ['a pattern with a star in the middle', [{ ...WEST, models: ['a*b'] }], /one \* at its end/],
    ['an empty pattern', [{ ...WEST, models: [''] }], /entry 0.models.0/],
    ['no pattern', [{ ...WEST, models: [] }], /entry 0.models/],
    ['an invalid URL', [{ ...WEST, baseUrl: 'ftp://a' }], /http or https/],
    ['a password', [{ ...WEST, baseUrl: 'https://u:p@a' }], /no user, password, query/],
    ['an unknown field', [{ ...WEST, model: 'x' }], /model/],
  ])('is refused with %s', (_, entries, message) => {
    expect(() => parse(entries)).toThrow(message)
  })

  it('is refused with all its mistakes at once', () => {
    expect(() => parse([{ ...EAST, baseUrl: 'x', models: [] }, { name: '' }])).toThrow(
      /entry 0.baseUrl[^]*entry 0.models[^]*entry 1.name/
    )
    expect(() => parse([EAST, { ...WEST, fallback: ['x', 'y'] }], {})).toThrow(
      /EAST_KEY[^]*WEST_KEY[^]*x is not an entry[^]*y is not an entry/
    )
  })

  it('is refused when it is not a list or not JSON, and the message shows no key', () => {
    expect(() => parseUpstreams('{}', ENV)).toThrow(/the file/)
    expect(() => parseUpstreams('[', ENV)).toThrow(/not JSON/)
    expect(() => parse([{ ...WEST, fallback: ['x'] }])).not.toThrow(/sk-west/)
    expect(() => parse([WEST], { WEST_KEY: 'two\nlines' })).toThrow(/printable ASCII/)
  })
})

describe('the upstream of a model', () => {
  const entries = parse([EAST, WEST, { ...WEST, name: 'all', models: ['*'] }])
  const nameFor = (model: string) => findUpstream(entries, model)?.name

  it('is the first with a pattern that matches, exactly or by prefix', () => {
    expect(['gpt-4o', 'gpt-4o-mini', 'w', 'gpt-4', 'GPT-4o'].map(nameFor)).toEqual([
      'east',
      'east',
      'west',
      'all',
      'all',
    ])
  })

  it('is null for a request without a model', () => {
    expect(findUpstream(entries, '')).toBeNull()
  })

  it('has no stand-in without a key of its own', () => {
    const keyless = entries.map((entry) =>
      entry.name === 'west' ? { ...entry, apiKey: null } : entry
    )
    expect(standInsOf(entries, entries[0]!).map(({ name }) => name)).toEqual(['west'])
    expect(standInsOf(keyless, entries[0]!)).toEqual([])
  })
})
