import { describe, expect, it } from 'vitest'
import { createPlainHeadReader, type PlainHead } from '../../src/http1/plain-head.ts'

const PATH = '/v1/chat/completions'
const START = `POST ${PATH} HTTP/1.1`
const PLAIN = ['Host: a', 'Content-Length: 2']

const readHead = createPlainHeadReader(PATH)
let latest: PlainHead['known'] = null
/** As a connection reads that gets all heads of this file, one after another. */
const read = (text: string) => {
  const found = readHead(Buffer.from(text, 'latin1'), latest)
  if (typeof found !== 'string') latest = found.known
  return found
}
const head = (...lines: string[]): string => [START, ...lines, '', ''].join('\r\n')

describe('a plain head', () => {
  it('is read with its fields in order, in their case, without the blanks around values', () => {
    const lines = ['hOST: a:80', 'Authorization:Bearer  x \t', 'X-Empty:', 'content-length: 12']
    expect(read(`${head(...lines)}{"a`)).toEqual({
      request: {
        method: 'POST',
        url: PATH,
        rawHeaders: 'hOST|a:80|Authorization|Bearer  x|X-Empty|'.split('|'),
        headers: { host: 'a:80', authorization: 'Bearer  x', 'x-empty': '' },
        recurs: true,
      },
      headBytes: head(...lines).length,
      bodyBytes: 12,
      isKept: true,
      known: expect.anything(),
    })
  })

  it.each([
    ['keep-alive', true],
    ['Keep-Alive', true],
    ['close', false],
    ['Close', false],
  ])('with `connection: %s` is followed by another: %s', (connection, isKept) => {
    expect(read(head(...PLAIN, `Connection: ${connection}`))).toMatchObject({ isKept })
  })

  it('is incomplete at every byte before its end', () => {
    const text = head(...PLAIN)
    for (let length = 0; length < text.length; length++)
      expect(read(text.slice(0, length))).toBe('incomplete')
    expect(read(text)).toMatchObject({ bodyBytes: 2 })
  })
})

const requestOf = (...lines: string[]) => {
  const found = read(head(...lines))
  return typeof found === 'string' ? found : found.request
}

const bodyBytesOf = (...lines: string[]) => {
  const found = read(head(...lines))
  return typeof found === 'string' ? found : found.bodyBytes
}

describe('a head that came before', () => {
  it('is recognized by its bytes where it is the one before, and by its text where it is not', () => {
    const lines = ['X-A: 1', 'Content-Length: 2', 'Host: a']
    const request = requestOf(...lines)
    for (const other of [lines, [...PLAIN, 'X-A: 2']]) {
      requestOf(...other)
      expect(requestOf(...lines)).toBe(request)
      expect(bodyBytesOf('X-A: 1', 'Content-Length: 34567', 'Host: a')).toBe(34567)
    }
  })

  it('is incomplete at every byte before its end, and has its end where it was', () => {
    const text = head(...PLAIN, 'X-A: 1')
    read(text)
    for (let length = 0; length < text.length; length++)
      expect(read(text.slice(0, length))).toBe('incomplete')
    expect(read(`${text}{}`)).toMatchObject({ headBytes: text.length })
    expect(read(`${text.replace(': 2', ': 22')}{}`)).toMatchObject({ headBytes: text.length + 1 })
  })

  it('is Node`s to refuse when a longer length makes it too long', () => {
    const room = 16_384 - head(...PLAIN, 'X-A: ').length
    const lines = [...PLAIN, `X-A: ${'x'.repeat(room)}`]
    expect(read(head(...lines))).toMatchObject({ bodyBytes: 2 })
    expect(read(head(...lines).replace(': 2', ': 22'))).toBe('other')
  })

  it.each(['Content-Length', 'content-length'])(
    'is the same but for its length, where that line is %s',
    (name) => {
      const two = requestOf('Host: a', `${name}: 2`)
      expect(requestOf('Host: a', `${name}: 20`)).toBe(two)
      expect(bodyBytesOf('Host: a', `${name}: 20`)).toBe(20)
    }
  )

  it('is another one with another value, name or order', () => {
    const one = requestOf(...PLAIN, 'X-A: 1')
    for (const lines of [
      [...PLAIN, 'X-A: 2'],
      [...PLAIN, 'x-a: 1'],
      ['X-A: 1', ...PLAIN],
      [...PLAIN, 'X-A: 1', 'X-B: 1'],
    ])
      expect(requestOf(...lines)).not.toEqual(one)
  })

  it('does not take digits elsewhere for the length', () => {
    for (const line of ['X-Content-Length: 7', 'X: Content-Length: 7', 'X: \tcontent-length: 7']) {
      const [name = '', value = ''] = line.split(/: (.*)/s)
      for (const digits of ['7', '8']) {
        const sent = value.replace('7', digits).trim()
        const lines = [...PLAIN, line.replace('7', digits)]
        expect(requestOf(...lines)).toMatchObject({ rawHeaders: ['Host', 'a', name, sent] })
        expect(bodyBytesOf(...lines)).toBe(2)
      }
    }
  })

  it.each(['', '0', '02', '2x', '-2', '99999999999'])(
    'needs a length that is one: %j',
    (length) => {
      expect(bodyBytesOf(...PLAIN)).toBe(2)
      expect(requestOf('Host: a', `Content-Length: ${length}`)).toBe('other')
    }
  )

  it('needs one length', () => {
    expect(bodyBytesOf('Host: a', 'content-length: 2')).toBe(2)
    expect(requestOf('Host: a', 'content-length: 2', 'Content-Length: 3')).toBe('other')
    expect(requestOf('Host: a', 'Content-Length: 3', 'content-length: 2')).toBe('other')
  })

  it('is read anew when thousands came in between', () => {
    const first = requestOf(...PLAIN)
    for (let i = 0; i < 5000; i++) read(head(...PLAIN, `X-A: ${i}${'x'.repeat(100)}`))
    expect(requestOf(...PLAIN)).toEqual(first)
    expect(requestOf(...PLAIN)).not.toBe(first)
  })
})

describe('a head that is Node`s to read', () => {
  it.each([
    ['another method', `GET ${PATH} HTTP/1.1\r\n`],
    ['another path', 'POST /v1/models HTTP/1.1\r\n'],
    ['a longer path', `POST ${PATH}/x HTTP/1.1\r\n`],
    ['a query', `POST ${PATH}?a=b HTTP/1.1\r\n`],
    ['a whole URL', `POST http://a${PATH} HTTP/1.1\r\n`],
    ['HTTP/1.0', `POST ${PATH} HTTP/1.0\r\n`],
    ['two blanks', `POST  ${PATH} HTTP/1.1\r\n`],
    ['a line feed alone', `${START}\nHost: a\n\n`],
    ['an empty line before', `\r\n${head(...PLAIN)}`],
    ['a TLS greeting', '\u0016\u0003\u0001'],
  ])('is known by its first line: %s', (_, text) => {
    expect(read(text)).toBe('other')
  })

  it.each([
    ['no host', ['Content-Length: 2']],
    ['two hosts', [...PLAIN, 'Host: b']],
    ['no length', ['Host: a']],
    ['nothing behind it', ['Host: a', 'Content-Length: 0']],
    ['a length with a sign', ['Host: a', 'Content-Length: +2']],
    ['a length with a zero before', ['Host: a', 'Content-Length: 02']],
    ['a length in hex', ['Host: a', 'Content-Length: 0x2']],
    ['a length beyond all sizes', ['Host: a', 'Content-Length: 99999999999']],
    ['two lengths', [...PLAIN, 'Content-Length: 2']],
    ['a list of lengths', ['Host: a', 'Content-Length: 2, 2']],
    ['both lengths', [...PLAIN, 'Transfer-Encoding: chunked']],
    ['a transfer coding', ['Host: a', 'Transfer-Encoding: chunked']],
    ['an expectation', [...PLAIN, 'Expect: 100-continue']],
    ['an upgrade', [...PLAIN, 'Connection: Upgrade', 'Upgrade: websocket']],
    ['a named hop', [...PLAIN, 'Connection: keep-alive, x-hop']],
    ['trailers to come', [...PLAIN, 'Trailer: x']],
    ['a name twice', [...PLAIN, 'X-A: 1', 'x-a: 2']],
    ['a name that objects have', [...PLAIN, '__proto__: x']],
    ['a blank before the colon', [...PLAIN, 'X-A : 1']],
    ['a blank before the name', [...PLAIN, ' X-A: 1']],
    ['a line that goes on', [...PLAIN, 'X-A: 1', '\tmore']],
    ['no name', [...PLAIN, ': 1']],
    ['no colon', [...PLAIN, 'nothing']],
    ['a bare line feed', [...PLAIN, 'X-A: 1\nX-B: 2']],
    ['a bare carriage return', [...PLAIN, 'X-A: 1\rX-B: 2']],
    ['a control character', [...PLAIN, 'X-A: 1\u0001']],
    ['a zero', [...PLAIN, 'X-A: 1\u0000']],
    ['bytes beyond ASCII in a value', [...PLAIN, 'X-A: \u00e9']],
    ['bytes beyond ASCII in a name', [...PLAIN, 'X-\u00e9: 1']],
  ])('is not guessed at: %s', (_, lines) => {
    expect(read(head(...lines))).toBe('other')
  })

  it.each([
    ['with its end', head(...PLAIN, `X-A: ${'x'.repeat(17_000)}`)],
    ['without an end', `${START}\r\nX-A: ${'x'.repeat(17_000)}`],
  ])('is not kept beyond the limit, %s', (_, text) => {
    expect(read(text)).toBe('other')
  })
})
