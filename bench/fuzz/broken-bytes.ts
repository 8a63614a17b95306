/** Random changes of bytes. */
import type { Dice } from './dice.ts'

/** Pieces of text that parsers often handle wrongly. The fuzz tests draw from them by place. */
export const PIECES = [
  '\r\n',
  '\n\n',
  '\r',
  '\0',
  ': ',
  'data: ',
  'data: [DONE]\n\n',
  'event: error\n',
  'Content-Length: 5\r\n',
  'Transfer-Encoding: chunked\r\n',
  '0\r\n\r\n',
  'ffffffff\r\n',
  ' HTTP/1.1',
  '"',
  '\\',
  '\\ud800',
  '{',
  '}',
  '[[[[[[[[',
  'null',
  '1e999',
  '"messages":',
  '"__proto__":{"x":1},',
  '"index":-1,',
  '"index":4294967296,',
  '\u00ff\u00fe',
  '\u00ef\u00bb\u00bf',
].map((text) => Buffer.from(text, 'latin1'))

const OWN_PIECES = [...PIECES, Buffer.from('"model":"routed",')]

const MOST_CHANGES = 6
const MOST_BYTES = 64

export const broken = (bytes: Buffer, dice: Dice): Buffer => {
  let result = bytes
  for (let changes = dice.below(MOST_CHANGES) + 1; changes > 0; changes--) {
    const from = dice.below(result.length + 1)
    const to = Math.min(result.length, from + dice.below(MOST_BYTES))
    const put = [
      dice.pick(OWN_PIECES),
      Buffer.alloc(0),
      result.subarray(from, to),
      Buffer.of(dice.below(256)),
    ][dice.below(4)]!
    const isEnd = dice.chance(0.1)
    result = Buffer.concat([
      result.subarray(0, from),
      put,
      isEnd ? Buffer.alloc(0) : result.subarray(to),
    ])
  }
  return result
}
