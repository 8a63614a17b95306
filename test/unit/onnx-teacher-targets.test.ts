import { describe, expect, it } from 'vitest'
import { trustedTargets } from '../../adapters/onnx/train/teacher-targets.ts'

const targets = {
  width: 2,
  ids: [5, 6, 7, 8, 9, 4, 3, 2],
  probabilities: [0.5, 0.49, 0.9, 0.05, 0.6, 0.3, 0.8, 0.1],
}

describe("a teacher's targets", () => {
  it('are kept where the teacher could have given the answer, the most probable one or one as good', () => {
    expect(trustedTargets(targets, [6, 7, 9, 3])).toEqual(targets)
  })

  it('are the answer itself from where the teacher would have gone on otherwise', () => {
    expect(trustedTargets(targets, [5, 8, 9, 3])).toEqual({
      width: 2,
      ids: targets.ids,
      probabilities: [0.5, 0.49, 0, 1, 1, 0, 1, 0],
    })
  })

  it('take in a token that the teacher does not name', () => {
    const { ids, probabilities } = trustedTargets(targets, [1, 7, 9, 3])
    expect(Array.from(ids).slice(0, 4)).toEqual([5, 1, 7, 8])
    expect(probabilities).toEqual([0, 1, 1, 0, 1, 0, 1, 0])
  })
})
