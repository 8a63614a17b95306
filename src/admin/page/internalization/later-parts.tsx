/** Parts of an internalization's page that take long to read. Each is loaded when its fold is opened, money at once. */
import type { Child } from 'hono/jsx'
import type { Internalization } from '../../../core/internalization/internalization.ts'
import { heldOutRows } from '../../../core/proof/decision-facts.ts'
import { coverageCurve } from '../../../core/gate/coverage-curve.ts'
import { AppError } from '../../../errors.ts'
import { readDecisionFacts } from '../../../lifecycle/proof-file.ts'
import { readEvidencePath } from '../../../lifecycle/read-evidence-path.ts'
import { readRolloutReport } from '../../../lifecycle/rollout-report.ts'
import type { AdminDeps } from '../../deps.ts'
import { readInternalization } from '../../../views/internalization.ts'
import { createRemembered } from './remembered.ts'
import type { AddView } from '../env.ts'
import { Fold } from '../parts/fold.tsx'
import { BackLink } from '../links.tsx'
import { Refreshed, Slow } from '../parts/slow.tsx'
import { internalizationPath } from '../address.ts'
import { show } from '../show.tsx'
import { Coverage } from './coverage.tsx'
import { Evidence } from './live/evidence.tsx'
import { loadReasons, Reasons } from './live/reasons.tsx'
import { hasMoney, loadMoney } from './load-internalization.ts'
import { Money, type MoneyProps } from './money.tsx'
import { itemAt } from '../../../core/lists.ts'

interface Part {
  /** last part of its address, and the id of its element */
  id: string
  /** of its fold, and its title as a view */
  name: string
  /** what its fold tells while it is closed */
  tells: string
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
  name: 'Newest requests',
  tells: 'outcomes with reasons',
  isFor: wasLive,
  load: async ({ store }, row) => {
    const reasons = await loadReasons(store, row)
    return reasons && <Reasons reasons={reasons} />
  },
}

/** Of fewer answers the band says nothing, and would set the scale of the plot. */
const LEAST_ANSWERED = 20

const CURVE: Part = {
  id: 'coverage',
  name: 'How much it could answer, and how well',
  tells: 'agreement by the share of the requests answered',
  isFor: ({ plan, verdict }) => plan !== null && verdict !== null && verdict.arms.length > 0,
  load: async ({ store }, row) => {
    const { verdict } = row
    const winner = verdict?.arms[verdict.arm]
    const kept = await readDecisionFacts(store, row.id)
    if (!verdict || !winner || kept === null) return null
    const { records, arms, burstMs } = kept.facts
    const rows = heldOutRows(records, itemAt(arms, verdict.arm))
    const traffic = rows.filter(({ isTraffic }) => isTraffic).length
    const points = coverageCurve(rows, winner.confidence, burstMs).filter(
      ({ coverage }) => coverage * traffic >= LEAST_ANSWERED
    )
    if (points.length === 0) return null
    const model = (await store.templates.get(row.templateVersion))?.model ?? 'the upstream'
    return <Coverage points={points} verdict={verdict} winner={winner} model={model} />
  },
}

const EVIDENCE: Part = {
  id: 'evidence',
  name: 'Evidence over time',
  tells: 'evidence for a rollback and for the next stage',
  isFor: wasLive,
  load: async ({ store }, row) => {
    const report = await readRolloutReport(store, row.id)
    const points = await readEvidencePath(store, row)
    if (report === null || points.length === 0) return null
    const history = await store.internalizations.history(row.id)
    return <Evidence points={points} report={report} history={history} />
  },
}

const MONEY: Part = {
  id: 'money',
  name: 'What it saves',
  tells: 'so far, and net a month',
  isFor: hasMoney,
  load: async (deps, row) => {
    const money = await loadMoney(deps, row, true)
    return money && <Money {...money} />
  },
}

/** Folds for the parts that an internalization may have. */
export const LaterParts = ({ row, parts }: { row: Internalization; parts: readonly Part[] }) => (
  <>
    {parts
      .filter(({ isFor }) => isFor(row))
      .map(({ id, name, tells }) => (
        <Fold name={name} tells={tells}>
          <section id={id}>
            <Slow
              id={id}
              address={`${internalizationPath(row.id)}/${id}`}
              verb="Load it"
              isInFold
            />
          </section>
        </Fold>
      ))}
  </>
)

/** @param money null: it is loaded behind the page */
export const MoneyPlace = ({ row, money }: { row: Internalization; money: MoneyProps | null }) => {
  const address = `${internalizationPath(row.id)}/${MONEY.id}`
  if (!MONEY.isFor(row)) return null
  return money === null ? (
    <section id={MONEY.id}>
      <Slow id={MONEY.id} address={address} verb="Calculate it now">
        The savings are calculated from the log.
      </Slow>
    </section>
  ) : (
    <Refreshed id={MONEY.id} address={address}>
      <Money {...money} />
    </Refreshed>
  )
}

export const PARTS_OF_LIVE = [EVIDENCE, TRAFFIC]
export const PARTS_OF_PROOF = [CURVE]

const REMEMBERED_MS = 30_000

export const addLaterParts: AddView = (app, deps) => {
  const remembered = createRemembered<Child | null>(REMEMBERED_MS, deps.now)
  for (const { id, name, isFor, load } of [MONEY, ...PARTS_OF_LIVE, ...PARTS_OF_PROOF])
    app.get(`/internalizations/:id/${id}`, async (context) => {
      const row = await readInternalization(deps.store, context.req.param('id'))
      if (!isFor(row)) throw new AppError('not-found', `internalization ${row.id} has no ${id}`)
      const path = internalizationPath(row.id)
      const key = `${id} ${row.id} ${row.revision}`
      const content = (
        <>
          <Refreshed id={id} address={`${path}/${id}`}>
            {await remembered(key, () => load(deps, row))}
          </Refreshed>
          <BackLink path={path} />
        </>
      )
      return show(context, { title: name, section: '/templates', content })
    })
}
