/** One internalization, as a candidate and as a live route: each section appears with its data. */
import { capitalText } from '../../../core/rollout/evidence-text.ts'
import type { Verdict } from '../../../core/gate/gate.ts'
import {
  withheldBy,
  type InternalizationPlan,
} from '../../../core/internalization/internalization.ts'
import { changeText, rolloutProgress, routeSteps } from '../../../lifecycle/rollout-report.ts'
import type { AdminDeps } from '../../deps.ts'
import { internalizationPath, templatePath, withQuery } from '../address.ts'
import type { AddView } from '../env.ts'
import { Live } from '../layout.tsx'
import { Fold } from '../parts/fold.tsx'
import { counted, percent, whole } from '../../../core/figure-text.ts'
import { Line } from '../parts/text.tsx'
import { visibleText } from '../parts/visible-text.ts'
import { show } from '../show.tsx'
import { Economics } from '../templates/template-economics.tsx'
import { Actions } from './decisions/actions.tsx'
import { addDecisions } from './decisions/decide.ts'
import { Head, PromiseFigures } from './head.tsx'
import { History } from './history.tsx'
import { JudgeFigures, JudgePromise } from './judge.tsx'
import {
  addLaterParts,
  LaterParts,
  MoneyPlace,
  PARTS_OF_LIVE,
  PARTS_OF_PROOF,
} from './later-parts.tsx'
import { LiveRoute } from './live/live-route.tsx'
import { loadInternalization, type InternalizationFacts } from './load-internalization.ts'
import { Mistakes } from './mistakes.tsx'
import { Proof } from './proof.tsx'
import { Training } from './training.tsx'

interface PartProps {
  facts: InternalizationFacts
  rollout: AdminDeps['rollout']
}

interface CardProps extends PartProps {
  formToken: string
  /** name of the decision whose form is open at once; null: none */
  open: string | null
}

/** What a person decides by, and the decisions: all of it on one screen. */
const Card = ({ facts, rollout, formToken, open }: CardProps) => {
  const { row, model, mistakes, money, judged } = facts
  return (
    <div class="card">
      <Live id="head">
        <Head facts={facts} rollout={rollout} />
      </Live>
      <div class="promise">
        <Live id="promise">
          <PromiseFigures facts={facts} rollout={rollout} />
        </Live>
        <MoneyPlace row={row} money={money} />
      </div>
      <Live id="judge">{judged !== null && <JudgePromise judged={judged} />}</Live>
      <Live id="decisions">
        <Actions {...facts} rollout={rollout} formToken={formToken} open={open} />
      </Live>
      <Live id="mistakes">
        {mistakes !== null && (
          <Mistakes
            mistakes={mistakes}
            path={internalizationPath(row.id)}
            model={model}
            isLive={row.state.name !== 'approval'}
          />
        )}
      </Live>
    </div>
  )
}

const LiveParts = ({ facts, rollout }: PartProps) => {
  const { row, model, report, feedback, history } = facts
  if (report === null) return <LaterParts row={row} parts={PARTS_OF_LIVE} />
  const { evidence, rollbackCapital } = report
  return (
    <>
      <Live id="live-route">
        <Fold
          name="Live route"
          tells={`${counted(evidence.pairs, 'conversation')} compared; evidence for a rollback ${capitalText(evidence.rollback)} of ${whole(rollbackCapital)}`}
        >
          <LiveRoute
            report={report}
            feedback={feedback}
            rollout={rollout}
            model={model}
            progress={rolloutProgress(row, report, rollout)}
            withheld={withheldBy(row.state)}
            steps={routeSteps(row, history)}
            isJudged={facts.judged !== null}
          />
        </Fold>
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
      : the figures, without text, from which <code>promptintern verify</code> recomputes the
      decision.
    </p>
  )

const Texts = ({ row }: Pick<InternalizationFacts, 'row'>) =>
  row.plan === null ? null : (
    <p>
      <a href={`${internalizationPath(row.id)}/answers`}>
        Held-out answers beside those of the upstream, mistakes first
      </a>
    </p>
  )

const provenText = ({ arms, arm }: Verdict): string => {
  const winner = arms[arm]
  if (winner === undefined) return 'no candidate was judged'
  const { rows, agreement, threshold, agreementAnswered, coverage } = winner
  return threshold === null
    ? `${percent(agreement)} of ${counted(rows, 'held-out answer')} agree; no threshold keeps the promise`
    : `it answers ${percent(coverage)} of ${counted(rows, 'held-out request')}; ${percent(agreementAnswered)} of these answers agree`
}

const trainedText = ({ population, trainRecordIds, arms }: InternalizationPlan): string => {
  const { changed } = population.repeats
  const contradicted =
    changed === 0 ? '' : `; ${counted(changed, 'repeated question')} got different answers`
  return `${counted(arms.length, 'candidate')} on ${counted(trainRecordIds.length, 'question')}${contradicted}`
}

const LastChange = ({ history }: Pick<InternalizationFacts, 'history'>) => {
  const last = history.at(-1)
  if (last === undefined) return null
  const why = changeText(last)
  return (
    <>
      {counted(history.length, 'change')}, the last by <Line text={last.by} chars={60} />
      {why !== '' && (
        <>
          : <Line text={why} chars={120} />
        </>
      )}
    </>
  )
}

const CandidateParts = ({ facts }: Pick<PartProps, 'facts'>) => {
  const { row, template, model, history, judged } = facts
  const { verdict, plan } = row
  return (
    <>
      <Live id="proof">
        {verdict !== null && (
          <Fold name="Proof" tells={provenText(verdict)}>
            <Proof row={row} verdict={verdict} model={model} />
          </Fold>
        )}
      </Live>
      <Live id="judge-figures">
        {judged !== null && (
          <Fold name="Judge" tells={judged.planned.model}>
            <JudgeFigures judged={judged} />
          </Fold>
        )}
      </Live>
      <LaterParts row={row} parts={PARTS_OF_PROOF} />
      {plan !== null && template !== null && (
        <Fold
          name="Does internalizing it pay?"
          tells="cost of a request today and without the prompt"
        >
          <Economics
            economics={null}
            address={withQuery(templatePath(template.version), { economics: 1 })}
            isRejected={row.state.name === 'rejected'}
            isInFold
          />
        </Fold>
      )}
      <Live id="training">
        {plan !== null && (
          <Fold name="Training" tells={trainedText(plan)}>
            <Training plan={plan} unexplained={facts.unexplained} />
          </Fold>
        )}
      </Live>
      <Live id="history">
        <Fold name="History" tells={<LastChange history={history} />}>
          <History history={history} plan={plan} />
        </Fold>
      </Live>
    </>
  )
}

export const addInternalization: AddView = (app, deps) => {
  const { rollout } = deps
  app.get('/internalizations/:id', async (context) => {
    const facts = await loadInternalization(deps, context.req.param('id'))
    const { row } = facts
    const content = (
      <>
        <Card
          facts={facts}
          rollout={rollout}
          formToken={context.get('formToken')}
          open={context.req.query('open') ?? null}
        />
        <LiveParts facts={facts} rollout={rollout} />
        <CandidateParts facts={facts} />
        <Live id="texts">
          <Texts row={row} />
          <Download row={row} />
        </Live>
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
