/** One internalization, as a candidate and as a live route: each section appears with its data. */
import type { AddView } from '../env.ts'
import { Live } from '../layout.tsx'
import { show } from '../show.tsx'
import { Head } from './head.tsx'
import { History } from './history.tsx'
import { loadInternalization } from './load-internalization.ts'
import { Proof } from './proof.tsx'
import { LearningCurve, Training } from './training.tsx'

const ID_CHARS = 8

export const addInternalization: AddView = (app, deps) => {
  app.get('/internalizations/:id', async (context) => {
    const facts = await loadInternalization(deps, context.req.param('id'))
    const { row, model, curve, history } = facts
    const { verdict, plan } = row
    const content = (
      <>
        <Head facts={facts} rollout={deps.rollout} />
        <Live id="proof">{verdict !== null && <Proof verdict={verdict} model={model} />}</Live>
        <Live id="curve">
          {curve !== null && <LearningCurve curve={curve} verdict={verdict} />}
        </Live>
        <Live id="training">{plan !== null && <Training plan={plan} />}</Live>
        <Live id="history">
          <History history={history} plan={plan} />
        </Live>
      </>
    )
    const title = `Internalization ${row.id.slice(0, ID_CHARS)}`
    return show(context, { title, section: '/templates', content })
  })
}
