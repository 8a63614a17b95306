/** Ids are long: people write the start of one, as they do with git. */
import { describe, expect } from 'vitest'
import { findInternalization, findTemplate, templateNames } from '../../src/lifecycle/find.ts'
import { newInternalization } from '../../src/core/internalization/internalization.ts'
import { exampleTemplate } from '../kit/records/examples.ts'
import { it as base } from '../kit/store/local-store.ts'

const ONE = '9a172f796c2b0000000000000000abcd'
const OTHER = '9a17ffff000000000000000000000000'

const templateOf = (version: string) => ({ ...exampleTemplate(), version })

const it = base.extend<{ filled: void }>({
  filled: [
    async ({ store }, use) => {
      await store.templates.upsert([templateOf(ONE), templateOf(OTHER)])
      const created = newInternalization('c0ffee00-1111-4222-8333-444444444444', templateOf(ONE), 1)
      await store.internalizations.create(created, 'cli')
      await use()
    },
    { auto: true },
  ],
})

describe('the start of an id', () => {
  it.for(['9a172', '9A172F79', ONE])(
    '%s is the template that begins so',
    async (start, { store }) => {
      expect((await findTemplate(store, start))?.version).toBe(ONE)
    }
  )

  it('that two begin with is refused, and both are named', async ({ store }) => {
    await expect(findTemplate(store, '9a17')).rejects.toMatchObject({
      code: 'conflict',
      message: `2 ids begin with 9a17: ${ONE}, ${OTHER}; give more characters of the id`,
    })
  })

  it.for(['9a1', '9b17', 'a172', `${ONE}0`])('%s is none', async (start, { store }) => {
    expect(await findTemplate(store, start)).toBeNull()
  })

  it('finds an internalization, with its plan', async ({ store }) => {
    const found = await findInternalization(store, 'c0ff')
    expect(found).toEqual(await store.internalizations.get('c0ffee00-1111-4222-8333-444444444444'))
    expect(await findInternalization(store, 'c0fa')).toBeNull()
  })
})

it('names templates by their labels, else by their prompts', async ({ store }) => {
  await store.templates.label(OTHER, 'the other')
  expect(await templateNames(store)).toEqual(
    new Map([
      [ONE, 'assistant of a bank'],
      [OTHER, 'the other'],
    ])
  )
})
