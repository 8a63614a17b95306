import { expect, it } from 'vitest'
import { ExamplePool } from '../../src/core/detect/sampling/example-pool.ts'

/** What one key sent twice, after so many other keys. */
const planted = (before: number, ...callers: string[]): ExamplePool => {
  const pool = new ExamplePool()
  for (let key = 0; key < before; key++)
    pool.add({ digests: [`own ${key}`], source: key, caller: `key ${key}` })
  callers.forEach((caller, at) => pool.add({ digests: ['planted'], source: 1000 + at, caller }))
  return pool
}

const merged = (...pools: ExamplePool[]): string[] => {
  const all = new ExamplePool()
  for (const pool of pools) all.merge(pool)
  return all.known(null)
}

it('takes one key for one, also where only one of two groups of requests has room for it', () => {
  const [numbered, other] = [planted(0, 'one', 'one'), planted(64, 'one', 'one')]
  expect(merged(numbered, other)).not.toContain('planted')
  expect(merged(other, numbered)).not.toContain('planted')
})

it('still knows what two keys sent', () => {
  expect(merged(planted(64, 'one'), planted(0, 'one', 'two'))).toContain('planted')
  expect(merged(planted(0, 'one', 'one'), planted(0, 'two', 'two'))).toContain('planted')
})
