/** Random changes of bytes. */
import { PIECES } from '../../test/kit/traffic/broken-pieces.ts'
import type { Dice } from './dice.ts'

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
