/** Parts of an internalization's page that take long to read. Each is loaded behind the page. */
import type { Child } from 'hono/jsx'
import type { Internalization } from '../../../core/lifecycle/internalization.ts'
import { AppError } from '../../../errors.ts'
import { loadRecentTraffic } from '../../../savings/control-group.ts'
import type { AdminDeps } from '../../deps.ts'
import { readInternalization } from '../../reading/read-internalization.ts'
import { createRemembered } from '../../reading/remembered.ts'
import type { AddView } from '../env.ts'
import { Later, Loaded } from '../parts/later.tsx'
import { internalizationPath } from '../parts/paths.ts'
import { show } from '../show.tsx'
import { EconomicsPart } from './economics.tsx'
import { Traffic } from './live/traffic.tsx'

interface Part {
  /** last part of its address, and the id of its element */
  id: string
  /** of the link to it, and its title as a view */
  name: string
  /** whether its data may exist */
  isFor: (row: Internalization) => boolean
  /** null: its data do not exist */
  load: (deps: AdminDeps, row: Internalization) => Promise<Child | null>
}

/** It is live, or was. */
const wasLive = ({ state }: Internalization): boolean =>
  state.name === 'live' || state.name === 'retired'

const TRAFFIC: Part = {
  id: 'traffic',
  name: 'Newest requests, costs and latencies',
  isFor: wasLive,
  load: async ({ store, prices }, row) => {
    const traffic = await loadRecentTraffic(store, row, prices)
    return traffic && <Traffic {...traffic} />
  },
}

const ECONOMICS: Part = {
  id: 'economics',
  name: 'Costs and savings of the template',
  isFor: ({ plan }) => plan !== null,
  load: async ({ store, economics }, { templateVersion }) => {
    const template = await store.templates.get(templateVersion)
    if (template === null) return null
    const figures = (await economics.assess([template])).get(templateVersion)
    return figures === undefined ? null : <EconomicsPart {...figures} />
  },
}

/** Places for the parts that an internalization may have. */
export const LaterParts = ({ row, parts }: { row: Internalization; parts: readonly Part[] }) => (
  <>
    {parts
      .filter(({ isFor }) => isFor(row))
      .map(({ id, name }) => (
        <Later id={id} name={name} path={`${internalizationPath(row.id)}/${id}`} />
      ))}
  </>
)

export const PARTS_OF_LIVE = [TRAFFIC]
export const OTHER_PARTS = [ECONOMICS]

const REMEMBERED_MS = 30_000

export const addLaterParts: AddView = (app, deps) => {
  const remembered = createRemembered<Child | null>(REMEMBERED_MS, deps.now)
  for (const { id, name, isFor, load } of [...PARTS_OF_LIVE, ...OTHER_PARTS])
    app.get(`/internalizations/:id/${id}`, async (context) => {
      const row = await readInternalization(deps.store, context.req.param('id'))
      if (!isFor(row)) throw new AppError('not-found', `internalization ${row.id} has no ${id}`)
      const path = internalizationPath(row.id)
      const key = `${id} ${row.id} ${row.revision}`
      const content = (
        <>
          <Loaded id={id} path={`${path}/${id}`}>
            {await remembered(key, () => load(deps, row))}
          </Loaded>
          <p>
            <a href={path}>Back to the internalization</a>
          </p>
        </>
      )
      return show(context, { title: name, section: '/templates', content })
    })
}
