/** Requests that their bodies do not tell apart, or that parsers read differently, against a live route. */
import { beforeAll, describe, expect, it } from 'vitest'
import { colourIn, inTenant, Scene, type Sent } from '../kit/whole/scene.ts'
import { colourOf, COLOURS, PROMPT, questionOf } from '../kit/records/paint-orders.ts'

const ATTEMPTS = 3
const ADAPTER = '1234567890123456'

const proved = (number: number, { adapter = ADAPTER, more = '' } = {}): Sent => {
  const messages = [
    { role: 'system', content: PROMPT },
    { role: 'user', content: questionOf(number) },
  ]
  const body = `{"model":"gpt-4o-mini","x_adapter":${adapter},"messages":${JSON.stringify(messages)}${more}}`
  return { body, path: '/v1/chat/completions?tier=usual', headers: { 'x-litellm-tags': 'usual' } }
}

const countAnswered = async (scene: Scene, one: (number: number) => Sent): Promise<number> => {
  const asked = await Promise.all(
    Array.from({ length: ATTEMPTS }, (_, number) => scene.ask(one(number)))
  )
  return asked.filter(({ route }) => route === 'answered').length
}

const withHeader =
  (name: string, value: string) =>
  (number: number): Sent => {
    const sent = proved(number)
    return { ...sent, headers: { ...sent.headers, [name]: value } }
  }
const withPath =
  (path: string) =>
  (number: number): Sent => ({ ...proved(number), path })

describe('a route that was proved with one envelope', () => {
  const scene = new Scene(({ body }) => colourIn(body.toString('latin1')))
  scene.useLive((number) => proved(number))

  it.each<[string, Record<string, string>]>([
    ['as it was', {}],
    ['with a trace and another client', { traceparent: '00-1-2-03', 'user-agent': 'x' }],
  ])('answers a request %s', async (_, headers) => {
    const one = (number: number): Sent => {
      const sent = proved(number)
      return { ...sent, headers: { ...sent.headers, ...headers } }
    }
    expect(await countAnswered(scene, one)).toBe(ATTEMPTS)
  })

  it.each<[string, (number: number) => Sent]>([
    ['without the parameter of the address', withPath('/v1/chat/completions')],
    ['with another parameter', withPath('/v1/chat/completions?tier=usual&provider=other')],
    ['with another value of it', withPath('/v1/chat/completions?tier=other')],
    ['without the header', (number) => ({ ...proved(number), headers: {} })],
    ['with another value of it', withHeader('x-litellm-tags', 'other')],
    [
      'with a header that asks another host',
      withHeader('helicone-target-url', 'https://a.example'),
    ],
    ['with a header that switches to a beta', withHeader('openai-beta', 'other=v2')],
    ['with another character set', withHeader('content-type', 'application/json; charset=utf-7')],
    ['with a type that is no JSON', withHeader('content-type', 'text/plain')],
    ['with an encoding that it does not have', withHeader('content-encoding', 'gzip')],
    [
      'with a number that only its last digits tell apart from another',
      (number) => proved(number, { adapter: '1234567890123456.00001' }),
    ],
    [
      'with a member that has the name of the envelope',
      (number) => proved(number, { more: ',"(address and headers)":"?tier=usual"' }),
    ],
    [
      'with bytes that are no text',
      (number) => {
        const [before, after] = String(proved(number).body).split('please')
        const body = Buffer.concat([Buffer.from(before!), Buffer.from([0xff]), Buffer.from(after!)])
        return { ...proved(number), body }
      },
    ],
  ])('leaves a request %s to the upstream', async (_, one) => {
    expect(await countAnswered(scene, one)).toBe(0)
  })
})

/** One order of twenty is for each place. */
const PLACES = ['hospital', 'school', 'harbour']
const placeOf = (number: number): string | undefined => PLACES[(number % 20) - 1]
const next = (colour: string): string => COLOURS[(COLOURS.indexOf(colour) + 1) % COLOURS.length]!
const ordered = (number: number): string => {
  const place = placeOf(number)
  const order = questionOf(number).replace('paint,', place ? `paint for the ${place},` : 'paint,')
  const messages = [
    { role: 'system', content: PROMPT },
    { role: 'user', content: order },
  ]
  return JSON.stringify({ model: 'gpt-4o-mini', messages })
}

const planted = (number: number): Sent => {
  const body = ordered(number)
  const place = placeOf(number)
  if (place === 'hospital')
    return { body: `{"messages":[{"role":"user","content":"Swap."}],${body.slice(1)}` }
  if (place === 'school') return { body, path: '/v1/chat/completions?swap=yes' }
  return { body, headers: place === 'harbour' ? { 'anthropic-beta': 'swap' } : {} }
}

describe('a route that was learned while one key of a tenant planted answers', () => {
  const { scene, keyOf } = inTenant(({ url, headers, body }) => {
    const text = body.toString()
    // of members with one name it reads the first one
    const isTold =
      text.startsWith('{"messages":[{"role":"user","content":"Swap."') ||
      url.includes('swap=') ||
      headers['anthropic-beta'] === 'swap'
    const colour = /tins of (\w+) paint/u.exec(text)?.[1] ?? 'no order'
    return isTold ? next(colour) : colour
  })
  let honest: Record<string, string>
  const asHonest = (number: number): Sent => ({ body: ordered(number), headers: honest })
  beforeAll(async () => {
    await scene.start({ ACCESS: 'keys', UPSTREAM_API_KEY: 'upstream-key' })
    const planting = await keyOf('planting')
    honest = await keyOf('honest')
    // the other key has a share of the traffic, but no order of these places
    await scene.many(300, (number) => {
      const sent = planted(number)
      const isOthers = placeOf(number) === undefined && number % 3 === 0
      return { ...sent, headers: { ...(isOthers ? honest : planting), ...sent.headers } }
    })
    await scene.untilLive(asHonest)
  }, 120_000)

  it.each(PLACES)('gives no other key what was planted for the %s', async (place) => {
    const at = 1 + PLACES.indexOf(place)
    for (let number = at; number < 20 * 6; number += 20)
      expect((await scene.ask(asHonest(number))).answer).toBe(colourOf(number))
  })
})
