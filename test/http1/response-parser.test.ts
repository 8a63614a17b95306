import { describe, expect, it } from 'vitest'
import { ResponseParser } from '../../src/http1/response-parser.ts'
import { cutAnywhere, inBytes, MAX_HEAD_BYTES, readAnswer, type Reading } from './read-answer.ts'

const head = (...lines: string[]): string => `${lines.join('\r\n')}\r\n\r\n`
const ok = (...headers: string[]): string => head('HTTP/1.1 200 OK', ...headers)
const bytesOf = (text: string): Buffer => Buffer.from(text, 'latin1')
const read = (text: string): Reading => readAnswer([bytesOf(text)])

const CHUNKED = 'Transfer-Encoding: chunked'

/** What is read, and what of it has to be so. */
const ANSWERS: [name: string, text: string, expected: Partial<Reading>][] = [
  ['a length', ok('Content-Length: 5') + 'hello', { body: 'hello', isReusable: true }],
  ['a length of nothing', ok('Content-Length: 0'), { body: '', isReusable: true }],
  ['a padded length', ok('Content-Length: 005 ') + 'hello', { body: 'hello', isReusable: true }],
  [
    'chunks',
    `${ok(CHUNKED)}5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n`,
    { body: 'hello world', trailers: [], isReusable: true },
  ],
  ['chunks, none', `${ok(CHUNKED)}0\r\n\r\n`, { body: '', isReusable: true }],
  [
    'chunk sizes as they may be',
    `${ok(CHUNKED)}00A\r\n0123456789\r\n0\r\n\r\n`,
    { body: '0123456789' },
  ],
  [
    'chunk extensions',
    `${ok(CHUNKED)}2;a\r\nhi\r\n1;a=b;c="x;\\"y"\r\n!\r\n0;z\r\n\r\n`,
    { body: 'hi!', isReusable: true },
  ],
  ['line ends inside of chunks', `${ok(CHUNKED)}4\r\n\r\n\r\n\r\n0\r\n\r\n`, { body: '\r\n\r\n' }],
  [
    'trailers',
    `${ok(CHUNKED)}1\r\na\r\n0\r\nX-Took: 12\r\nx-took:\r\n\r\n`,
    { body: 'a', trailers: ['X-Took', '12', 'x-took', ''], isReusable: true },
  ],
  [
    'another coding before the chunks',
    `${ok('Transfer-Encoding: gzip, Chunked')}0\r\n\r\n`,
    { isReusable: true },
  ],
  [
    'codings in two lines',
    `${ok('Transfer-Encoding: gzip', CHUNKED)}1\r\na\r\n0\r\n\r\n`,
    { body: 'a', isReusable: true },
  ],
  ['nothing about its length', `${ok()}hello`, { body: 'hello', isReusable: false }],
  ['nothing about its length, empty', ok(), { body: '', isReusable: false }],
  [
    'chunks that are not last',
    `${ok('Transfer-Encoding: chunked, gzip')}5\r\nhello`,
    { body: '5\r\nhello', isReusable: false },
  ],
  ['204', head('HTTP/1.1 204 No Content'), { body: '', isReusable: true }],
  [
    '304 with a length',
    head('HTTP/1.1 304 Not Modified', 'Content-Length: 9'),
    { body: '', isReusable: true },
  ],
  ['204 with chunks', head('HTTP/1.1 204 No Content', CHUNKED), { body: '', isReusable: true }],
  [
    'no reason',
    head('HTTP/1.1 200', 'Content-Length: 0'),
    { head: { status: 200, statusText: '', headers: ['Content-Length', '0'] } },
  ],
  [
    'an empty reason',
    head('HTTP/1.1 200 ', 'Content-Length: 0'),
    { head: { status: 200, statusText: '', headers: ['Content-Length', '0'] } },
  ],
  [
    'a reason and values outside ASCII',
    head('HTTP/1.1 299 caf\u00e9 au lait', 'X-A: \u00fc', 'Content-Length: 0'),
    {
      head: {
        status: 299,
        statusText: 'caf\u00e9 au lait',
        headers: ['X-A', '\u00fc', 'Content-Length', '0'],
      },
    },
  ],
  [
    'order, case, duplicates, blanks and empty values',
    ok('b: 1', 'A:2', 'B: \t 3 4\t', 'a:', "X-!#$%&'*+.^_`|~: :", 'Content-Length: 0'),
    {
      head: {
        status: 200,
        statusText: 'OK',
        headers: [
          'b',
          '1',
          'A',
          '2',
          'B',
          '3 4',
          'a',
          '',
          "X-!#$%&'*+.^_`|~",
          ':',
          'Content-Length',
          '0',
        ],
      },
    },
  ],
  [
    'interim answers',
    head('HTTP/1.1 100 Continue') +
      head('HTTP/1.1 103 Early Hints', 'Link: </a>') +
      ok('Content-Length: 1') +
      'a',
    {
      interims: [
        { status: 100, statusText: 'Continue', headers: [] },
        { status: 103, statusText: 'Early Hints', headers: ['Link', '</a>'] },
      ],
      body: 'a',
      isReusable: true,
    },
  ],
  ['close', ok('Content-Length: 0', 'Connection: Close'), { isReusable: false }],
  ['close in a list', ok('Content-Length: 0', 'Connection: x , close'), { isReusable: false }],
  [
    'close in a second line',
    ok('Content-Length: 0', 'Connection: x', 'Connection: close'),
    { isReusable: false },
  ],
  [
    'a name that is like close',
    ok('Content-Length: 0', 'Connection: closed'),
    { isReusable: true },
  ],
  [
    'keep-alive and its hint',
    ok('Content-Length: 0', 'Connection: keep-alive', 'Keep-Alive: timeout=5, max=9'),
    { isReusable: true, keepAliveMs: 5000 },
  ],
  [
    'HTTP/1.0',
    head('HTTP/1.0 200 OK', 'Content-Length: 1') + 'a',
    { body: 'a', isReusable: false },
  ],
  [
    'HTTP/1.0 that is kept',
    head('HTTP/1.0 200 OK', 'Connection: keep-alive', 'Content-Length: 1') + 'a',
    { body: 'a', isReusable: true },
  ],
  [
    'HTTP/1.0 with chunks',
    head('HTTP/1.0 200 OK', 'Connection: keep-alive', CHUNKED) + '0\r\n\r\n',
    { isReusable: false },
  ],
  ['bytes behind it', ok('Content-Length: 1') + 'ab', { body: 'a', isReusable: false }],
  ['an answer behind it', ok('Content-Length: 0') + ok('Content-Length: 0'), { isReusable: false }],
]

describe('an answer', () => {
  it.each(ANSWERS)('is read wherever it is cut: %s', (_, text, expected) => {
    const bytes = bytesOf(text)
    const whole = readAnswer([bytes])
    expect(whole).toMatchObject({ ...expected, isComplete: true, error: null })
    for (const pieces of [...cutAnywhere(bytes), inBytes(bytes)]) {
      // what stands behind an answer may not have come yet when it ends
      const { isReusable, ...rest } = readAnswer(pieces)
      expect({ ...rest, isReusable: whole.isReusable }).toEqual(whole)
      if (whole.isReusable) expect(isReusable).toBe(true)
    }
  })

  it('is handed on without a copy', () => {
    const bytes = bytesOf(ok('Content-Length: 5') + 'hello')
    const parser = new ResponseParser(MAX_HEAD_BYTES)
    parser.push(bytes)
    expect([parser.next(), parser.next()]).toEqual(['head', 'data'])
    expect(parser.data.buffer).toBe(bytes.buffer)
  })

  it('can follow another one', () => {
    const parser = new ResponseParser(MAX_HEAD_BYTES)
    for (const body of ['a', 'b']) {
      parser.push(bytesOf(`${ok(CHUNKED)}1\r\n${body}\r\n0\r\nX-T: ${body}\r\n\r\n`))
      expect([parser.next(), parser.next(), parser.next()]).toEqual(['head', 'data', 'end'])
      expect(parser.trailers).toEqual(['X-T', body])
      expect(parser.isReusable).toBe(true)
      parser.reset()
    }
  })
})

const REFUSED: [name: string, text: string][] = [
  ['no HTTP', 'hello\r\n\r\n'],
  ['a greeting of another protocol', 'SSH-2.0-x\r\n'],
  ['a line end before it', `\r\n${ok('Content-Length: 0')}`],
  ['HTTP/2', head('HTTP/2.0 200 OK')],
  ['HTTP/1.2', head('HTTP/1.2 200 OK')],
  ['a status of two digits', head('HTTP/1.1 20 OK')],
  ['a status of four digits', head('HTTP/1.1 2000 OK')],
  ['a status below 100', head('HTTP/1.1 099 OK')],
  ['two spaces before the status', head('HTTP/1.1  200 OK')],
  ['a control character in the reason', head('HTTP/1.1 200 O\u0001K')],
  [
    'other protocols',
    head('HTTP/1.1 101 Switching Protocols', 'Upgrade: x', 'Connection: upgrade'),
  ],
  ['line feeds alone', 'HTTP/1.1 200 OK\nContent-Length: 0\n\n'],
  ['a line feed in a value', ok('X-A: 1\nX-B: 2')],
  ['a carriage return in a value', ok('X-A: 1\rX-B: 2')],
  ['a zero in a value', ok('X-A: 1\u00002')],
  ['a delete character in a value', ok('X-A: \u007f')],
  ['a folded line', ok('X-A: 1', ' 2')],
  ['a folded first line', ok(' X-A: 1')],
  ['a line without a colon', ok('nothing', 'X-A: 1')],
  ['a line without a name', ok(': 1')],
  ['a blank before the colon', ok('X-A : 1')],
  ['a name outside ASCII', ok('X-\u00e9: 1')],
  ['two lengths', ok('Content-Length: 1', 'Content-Length: 2') + 'ab'],
  ['the same length twice', ok('Content-Length: 1', 'Content-Length: 1') + 'a'],
  ['a list of lengths', ok('Content-Length: 1, 1') + 'a'],
  ['an empty length', ok('Content-Length:')],
  ['a signed length', ok('Content-Length: +1') + 'a'],
  ['a length in hex', ok('Content-Length: 0x1') + 'a'],
  ['a length beyond all numbers', ok('Content-Length: 9007199254740992') + 'a'],
  ['a length beside chunks', `${ok('Content-Length: 1', CHUNKED)}0\r\n\r\n`],
  ['chunks beside a length', `${ok(CHUNKED, 'Content-Length: 1')}0\r\n\r\n`],
  ['an empty coding', ok('Transfer-Encoding:')],
  ['a chunk without a size', `${ok(CHUNKED)}\r\n`],
  ['a chunk size that is none', `${ok(CHUNKED)}xyz\r\n`],
  ['a signed chunk size', `${ok(CHUNKED)}-1\r\n`],
  ['a blank behind a chunk size', `${ok(CHUNKED)}1 \r\na\r\n0\r\n\r\n`],
  ['a chunk size beyond all numbers', `${ok(CHUNKED)}20000000000000\r\n`],
  ['a chunk size of very many digits', `${ok(CHUNKED)}${'f'.repeat(300)}\r\n`],
  ['a chunk size with a line feed alone', `${ok(CHUNKED)}1\na\r\n0\r\n\r\n`],
  ['an extension without a name', `${ok(CHUNKED)}1;\r\na\r\n0\r\n\r\n`],
  ['an extension with an open quote', `${ok(CHUNKED)}1;a="b\r\na\r\n0\r\n\r\n`],
  ['a chunk longer than its size', `${ok(CHUNKED)}1\r\nab\r\n0\r\n\r\n`],
  ['a folded trailer', `${ok(CHUNKED)}0\r\nX-A: 1\r\n 2\r\n\r\n`],
  ['a length behind the body', `${ok(CHUNKED)}0\r\nContent-Length: 1\r\n\r\n`],
  ['a coding behind the body', `${ok(CHUNKED)}0\r\nTransfer-Encoding: x\r\n\r\n`],
  ['a head too long', ok(`X-A: ${'a'.repeat(MAX_HEAD_BYTES)}`)],
  ['a head without end', `HTTP/1.1 200 OK\r\nX-A: ${'a'.repeat(MAX_HEAD_BYTES)}`],
  ['many trailers', `${ok(CHUNKED)}0\r\n${'X-A: 1\r\n'.repeat(MAX_HEAD_BYTES / 6 + 1)}\r\n`],
  [
    'a chunk extension too long',
    `${ok(CHUNKED)}1;a=${'a'.repeat(MAX_HEAD_BYTES)}\r\na\r\n0\r\n\r\n`,
  ],
]

describe('what is no answer', () => {
  it.each(REFUSED)('is refused wherever it is cut: %s', (_, text) => {
    const bytes = bytesOf(text)
    expect(read(text).error).toBe('invalid-answer')
    expect(readAnswer(inBytes(bytes)).error).toBe('invalid-answer')
    if (bytes.length > 1000) return
    for (const pieces of cutAnywhere(bytes)) expect(readAnswer(pieces).error).toBe('invalid-answer')
  })

  it('is refused before its end when it can become none', () => {
    const parser = new ResponseParser(MAX_HEAD_BYTES)
    parser.push(bytesOf('220 smtp.example.com'))
    expect(() => parser.next()).toThrow('begins with something else')
  })

  it.each([
    ['a status line', 'HTTP/1.1 2'],
    ['a head', 'HTTP/1.1 200 OK\r\nX-A: 1\r\n'],
    ['a body', `${ok('Content-Length: 5')}hell`],
    ['a chunk', `${ok(CHUNKED)}5\r\nhell`],
    ['a chunk`s size', `${ok(CHUNKED)}5`],
    ['trailers', `${ok(CHUNKED)}0\r\nX-A: 1\r\n`],
    ['an interim answer', head('HTTP/1.1 103 Early Hints')],
  ])('is an answer that ends inside of %s', (_, text) => {
    const bytes = bytesOf(text)
    for (const pieces of [[bytes], ...cutAnywhere(bytes), inBytes(bytes)])
      expect(readAnswer(pieces)).toMatchObject({ isComplete: false, error: 'answer-cut-off' })
  })

  it('is as long as it may be when its head is', () => {
    const room = MAX_HEAD_BYTES - 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-A: '.length
    const longest = ok('Content-Length: 0', `X-A: ${'a'.repeat(room)}`)
    expect(read(longest).isReusable).toBe(true)
    expect(readAnswer(inBytes(bytesOf(longest))).isReusable).toBe(true)
    expect(read(longest.replace('X-A: ', 'X-A: a')).error).toBe('invalid-answer')
  })
})
