import { describe, expect, it } from 'vitest'
import { findVersions } from '../detect/found.ts'
import { promptStream } from '../detect/prompts/stream.ts'
import { versionName } from '../../test/kit/traffic/score.ts'
import { Detector } from '../../src/core/detect/detect.ts'

const LEARNING_ENDS = Date.UTC(2026, 9, 17)

describe('the generated stream of 21 prompts', () => {
  const stream = promptStream(3)

  it('is the same for the same seed', () => {
    expect(promptStream(3)).toEqual(stream)
    expect(promptStream(4).learning[0]!.messages).not.toEqual(stream.learning[0]!.messages)
  })

  it('has 23 versions, learns in one month and is asked in others', () => {
    const names = new Set(stream.later.map(versionName))
    expect(names.size).toBe(23)
    expect(new Set(stream.learning.map(versionName))).toEqual(new Set([...names, null]))
    expect(Math.max(...stream.learning.map(({ at }) => at))).toBeLessThan(LEARNING_ENDS + 9e5)
    expect(Math.min(...stream.later.map(({ at }) => at))).toBeGreaterThanOrEqual(LEARNING_ENDS)
    expect(new Set(stream.later.map(({ at }) => new Date(at).getUTCMonth())).size).toBe(3)
  })

  it('gives a template for each version, no other one, and all match the next two months', () => {
    const report = findVersions(new Detector(), stream, Infinity, () => {})
    expect(report.versions.filter(({ after, matched }) => after === null || matched < 1)).toEqual(
      []
    )
    expect(report).toMatchObject({ templates: 23, right: 23, mixed: [] })
  })
})
