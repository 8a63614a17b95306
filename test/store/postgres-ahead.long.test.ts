/**
 * The tests of the store, over a database that a next version has migrated: proxies of this version go on
 * working while the others are upgraded.
 */
import { vi } from 'vitest'
import './feedback.test.ts'
import './forget-pairs.test.ts'
import './forget.test.ts'
import './kept-responses.test.ts'
import './log.test.ts'
import './promote.test.ts'
import './search.test.ts'
import './tables.test.ts'
import './traffic.test.ts'

vi.mock('../kit/store/stores.ts', async (load) => {
  const stores = await load<typeof import('../kit/store/stores.ts')>()
  return { ...stores, onEachStore: stores.onNewerPostgres }
})
