/** The decisions that the forms send. Each one calls what the JSON API calls. */
import { saidBy, type Reason } from '../../../../core/reason.ts'
import type { BodyData } from 'hono/utils/body'
import {
  newInternalization,
  type Internalization,
} from '../../../../core/internalization/internalization.ts'
import { firstShare } from '../../../../core/rollout/stages.ts'
import { AppError } from '../../../../errors.ts'
import { approve } from '../../../../lifecycle/approve.ts'
import { pause, resume } from '../../../../lifecycle/pause.ts'
import { takeBack, type PromotionContext } from '../../../../lifecycle/promote.ts'
import type { AdminDeps } from '../../../deps.ts'
import { readInternalization } from '../../../../views/internalization.ts'
import { readTemplate } from '../../../../views/template.ts'
import { internalizationPath } from '../../address.ts'
import { causeOf, type AddView } from '../../env.ts'
import { formText, noteOf } from '../../form-text.ts'
import { NOTHING_COMPARED } from './actions.tsx'
import { shareIn } from './share-fields.tsx'

interface Decided {
  deps: AdminDeps
  row: Internalization
  form: BodyData
  context: PromotionContext
}

/** @returns the id of the internalization whose page shows what was decided */
type Decide = (decided: Decided) => Promise<string>

const requiredReason = (form: BodyData): Reason => {
  const note = noteOf(form)
  if (note === undefined) throw new AppError('invalid-request', 'give a reason')
  return saidBy(note)
}

const approveIt: Decide = async ({ deps: { store }, row, form, context }) => {
  const { share, isForced } = shareIn(form)
  if (share === null) throw new AppError('invalid-request', 'choose a share of the requests')
  const usual = row.state.name === 'live' ? null : firstShare(context.rollout)
  if (usual !== null && share > usual && !isForced)
    throw new AppError('invalid-state', `confirm the larger share: ${NOTHING_COMPARED}`)
  // a first stage may be a shadow, which is entered without a share
  const approval = share === 0 && usual === 0 ? { isForced } : { isForced, share }
  await approve(store, row, approval, context)
  return row.id
}

/** What a page that is out of date shows as live may have ended: then it is refused. */
const takeItBack: Decide = async ({ deps: { store }, row, form, context }) => {
  const keepPreviousRetired = formText(form, 'keep') === 'yes'
  await takeBack(store, row, { reason: requiredReason(form), keepPreviousRetired }, context)
  return row.id
}

const internalizeAgain: Decide = async ({ deps, row, form, context: { by, now } }) => {
  const template = await readTemplate(deps.store, row.templateVersion)
  const created = newInternalization(deps.newId(), template, now)
  await deps.store.internalizations.create(created, by, noteOf(form))
  return created.id
}

const DECISIONS: Record<string, Decide> = {
  approve: approveIt,
  'roll-back': takeItBack,
  internalize: internalizeAgain,
  pause: async ({ deps: { store }, row, context }) => (await pause(store, row, context)).id,
  resume: async ({ deps: { store }, row, context }) => (await resume(store, row, context)).id,
}

export const addDecisions: AddView = (app, deps) => {
  for (const [name, decide] of Object.entries(DECISIONS))
    app.post(`/internalizations/:id/${name}`, async (context) => {
      const row = await readInternalization(deps.store, context.req.param('id'))
      const form = await context.req.parseBody()
      // of what is taken back, the reason stands in the state itself
      const note = name === 'roll-back' ? undefined : noteOf(form)
      const id = await decide({
        deps,
        row,
        form,
        context: {
          by: causeOf(context),
          now: deps.now(),
          rollout: deps.rollout,
          ...(note !== undefined && { note }),
        },
      })
      await deps.refreshRoutes()
      return context.redirect(internalizationPath(id), 303)
    })
}
