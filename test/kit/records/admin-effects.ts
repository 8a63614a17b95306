/** Effects of the page that most tests do not need. */
import { randomBytes } from 'node:crypto'
import type { AdminDeps } from '../../../src/admin/deps.ts'

export const ADMIN_EFFECTS: Pick<AdminDeps, 'askProxy' | 'randomBytes' | 'neededRequests'> = {
  askProxy: () => Promise.reject(new Error('no proxy is there to be asked')),
  randomBytes,
  neededRequests: 1000,
}
