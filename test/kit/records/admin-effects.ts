/** Effects of the page that most tests do not need. */
import { randomBytes } from 'node:crypto'
import type { AdminDeps } from '../../../src/admin/deps.ts'
import { OWN_TERMS } from '../upstream/own-terms.ts'

export const ADMIN_EFFECTS: Pick<
  AdminDeps,
  'askProxy' | 'hasOwnUpstream' | 'randomBytes' | 'neededRequests' | 'terms'
> = {
  askProxy: () => Promise.reject(new Error('no proxy is there to be asked')),
  hasOwnUpstream: () => false,
  randomBytes,
  neededRequests: 1000,
  terms: OWN_TERMS,
}
