import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { reasonText } from '../../src/admin/page/parts/reason-text.ts'
import { packageFolder } from '../../src/package-folder.ts'

const documented = (): string[] => {
  const page = readFileSync(join(packageFolder(), 'docs/reasons.md'), 'utf8')
  const reasons = page.slice(page.indexOf('## Reasons'), page.indexOf('## Faults'))
  return [...reasons.matchAll(/^\| `([a-z-]+)` \|/gm)].map(([, reason]) => reason!)
}

it('has words for every reason that the documents list', () => {
  const reasons = documented()
  expect(reasons.length).toBeGreaterThan(25)
  expect(reasons.filter((reason) => reasonText(reason) === reason)).toEqual([])
  expect(reasonText('of another version')).toBe('of another version')
})
