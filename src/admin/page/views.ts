/** All views, in the order of the navigation. */
import { Hono } from 'hono'
import type { RoleDeps } from '../deps.ts'
import type { PageApp, PageEnv } from './env.ts'
import { addApiReference } from './api/api-view.tsx'
import { addAnswers } from './answers/answers-view.tsx'
import { addInternalization } from './internalization/internalization-view.tsx'
import { addPairs } from './pairs/pairs-view.tsx'
import { addForget } from './forget/forget-view.tsx'
import { addJobs } from './jobs/jobs-view.tsx'
import { addKeys } from './keys/keys-view.tsx'
import { addOverview } from './overview/overview-view.tsx'
import { addRecords } from './records/records-view.tsx'
import { addSettings } from './settings/settings-view.tsx'
import { addTemplates } from './templates/templates-view.tsx'
import { addTry } from './try/try-view.tsx'

export const viewsOver = (deps: RoleDeps): PageApp => {
  const app: PageApp = new Hono<PageEnv>()
  const views = [
    addOverview,
    addTemplates,
    addInternalization,
    addAnswers,
    addPairs,
    addRecords,
    addTry,
    addJobs,
    addKeys,
    addForget,
    addSettings,
    addApiReference,
  ]
  for (const add of views) add(app, deps)
  return app
}
