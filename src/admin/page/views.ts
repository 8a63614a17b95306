/** All views, in the order of the navigation. */
import type { AdminDeps } from '../deps.ts'
import type { PageApp } from './env.ts'
import { addAnswers } from './answers/answers-view.tsx'
import { addInternalization } from './internalization/internalization-view.tsx'
import { addPairs } from './pairs/pairs-view.tsx'
import { addKeys } from './keys/keys-view.tsx'

export const addViews = (app: PageApp, deps: AdminDeps): void => {
  for (const add of [addInternalization, addAnswers, addPairs, addKeys]) add(app, deps)
}
