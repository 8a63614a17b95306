/** One internalization, as a candidate and as a live route: each section appears with its data. */
import { rolloutProgress } from '../../../lifecycle/rollout-report.ts'
import type { AdminDeps } from '../../deps.ts'
import { isFull, type AddView } from '../env.ts'
import { Live } from '../layout.tsx'
import { internalizationPath, templatePath, withQuery } from '../address.ts'
import { NO_TEXTS } from '../parts/text.tsx'
import { visibleText } from '../parts/visible-text.ts'
import { show } from '../show.tsx'
import { Actions } from './decisions/actions.tsx'
import { addDecisions } from './decisions/decide.ts'
import { Head } from './head.tsx'
import { History } from './history.tsx'
import { addLaterParts, LaterParts, PARTS_OF_LIVE, PARTS_OF_PROOF } from './later-parts.tsx'
import { LiveRoute } from './live/live-route.tsx'
import { Mistakes } from './live/mistakes.tsx'
import { loadInternalization, type InternalizationFacts } from './load-internalization.ts'
import { Proof } from './proof.tsx'
import { Economics } from '../templates/template-economics.tsx'
import { LearningCurve, Training } from './training.tsx'

interface PartProps {
  facts: InternalizationFacts
  rollout: AdminDeps['rollout']
}

const LiveParts = ({ facts, rollout }: PartProps) => {
  const { row, model, report, feedback, mistakes } = facts
  return (
    <>
      <Live id="mistakes">
        {mistakes !== null && (
          <Mistakes pairs={mistakes} path={internalizationPath(row.id)} model={model} />
        )}
      </Live>
      <Live id="live-route">
        {report !== null && (
          <LiveRoute
            report={report}
            feedback={feedback}
            rollout={rollout}
            progress={rolloutProgress(row, report, rollout)}
          />
        )}
      </Live>
      <LaterParts row={row} parts={PARTS_OF_LIVE} />
    </>
  )
}

const Download = ({ row }: Pick<InternalizationFacts, 'row'>) =>
  row.verdict === null ? null : (
    <p>
      <a href={`${internalizationPath(row.id)}/proof.json`} download hx-boost="false">
        Proof file
      </a>
      : all figures, and no text, with which <code>promptintern verify</code> computes the decision
      again.
    </p>
  )

/** Where the texts are, or why they are not shown. */
const Texts = ({
  row,
  isFullRole,
}: Pick<InternalizationFacts, 'row'> & { isFullRole: boolean }) => {
  if (row.plan === null) return null
  if (!isFullRole) return <p class="empty">{NO_TEXTS}</p>
  return (
    <p>
      <a href={`${internalizationPath(row.id)}/answers`}>
        Held-out answers beside those of the upstream, mistakes first
      </a>
    </p>
  )
}

const CandidateParts = ({ facts }: Pick<PartProps, 'facts'>) => {
  const { row, template, model, curve, history } = facts
  const { verdict, plan } = row
  return (
    <>
      <LaterParts row={row} parts={PARTS_OF_PROOF} />
      <Live id="proof">
        {verdict !== null && <Proof verdict={verdict} plan={plan} model={model} />}
      </Live>
      {plan !== null && template !== null && (
        <Economics
          economics={null}
          address={withQuery(templatePath(template.version), { economics: 1 })}
        />
      )}
      <Live id="learning-curve">
        {curve !== null && <LearningCurve curve={curve} verdict={verdict} />}
      </Live>
      <Live id="training">{plan !== null && <Training plan={plan} />}</Live>
      <Live id="history">
        <History history={history} plan={plan} />
      </Live>
    </>
  )
}

export const addInternalization: AddView = (app, deps) => {
  const { rollout } = deps
  app.get('/internalizations/:id', async (context) => {
    const isFullRole = isFull(context)
    const facts = await loadInternalization(deps, context.req.param('id'), isFullRole)
    const { row } = facts
    const content = (
      <>
        <Head facts={facts} rollout={rollout} />
        <Live id="decisions">
          {isFullRole && (
            <Actions {...facts} rollout={rollout} formToken={context.get('formToken')} />
          )}
        </Live>
        <Live id="texts">
          <Texts row={row} isFullRole={isFullRole} />
          <Download row={row} />
        </Live>
        <LiveParts facts={facts} rollout={rollout} />
        <CandidateParts facts={facts} />
      </>
    )
    const title = `Internalization of ${visibleText(facts.name)}`
    return show(context, { title, section: '/templates', content })
  })
  app.get('/internalizations/:id/proof.json', async (context) => {
    const { row, file } = await deps.proofOf(context.req.param('id'))
    const name = `proof-${row.id.replace(/[^\w-]/g, '_')}.json`
    context.header('content-disposition', `attachment; filename="${name}"`)
    return context.json(file)
  })
  addLaterParts(app, deps)
  addDecisions(app, deps)
}
