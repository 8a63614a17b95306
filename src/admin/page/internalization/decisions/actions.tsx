/** What a person may decide in the present state. Each form says before what it will do. */
import { reasonText } from '../../../../core/reasons/say-reason.ts'
import { capitalText } from '../../../../core/rollout/evidence-text.ts'
import {
  rolloutStageOf,
  type Internalization,
} from '../../../../core/internalization/internalization.ts'
import {
  firstShare,
  resumedStage,
  type RolloutSettings,
  type RolloutStage,
} from '../../../../core/rollout/stages.ts'
import { rolloutProgress, type RolloutReport } from '../../../../lifecycle/rollout-report.ts'
import { internalizationPath } from '../../address.ts'
import { Action, type ActionProps } from '../../parts/form.tsx'
import { shortPercent, whole } from '../../../../core/figure-text.ts'
import { sayApproval, sayStage } from '../../../../views/say-rollout.ts'
import { ShareFields } from './share-fields.tsx'

export interface ActionsProps {
  row: Internalization
  /** the upstream's */
  model: string
  rollout: RolloutSettings
  report: RolloutReport | null
  formToken: string
  /** name of the decision whose form is open at once; null: none */
  open: string | null
}

type Decision = Omit<ActionProps, 'path' | 'formToken' | 'isOpen'> & {
  /** last part of its address */
  name: string
  /** few people want it: it is behind the others */
  isRare?: boolean
}

/** What a first stage that is larger than usual lacks. */
export const NOTHING_COMPARED =
  'no answers to live requests were compared yet, so the proof is the only evidence.'

const approval = ({ row, model, rollout }: ActionsProps): Decision => {
  const share = firstShare(rollout)
  const others = rollout.stages.filter((stage) => stage > share)
  return {
    name: 'approve',
    verb: 'Approve',
    says: `${sayApproval(rollout, model)} If another route is live, it is retired.`,
    reason: 'optional',
    tone: row.state.name === 'approval' ? 'main' : 'plain',
    children: (
      <details>
        <summary>Another share of the requests</summary>
        <ShareFields
          usual={{ share, name: `${shortPercent(share)}, the first stage` }}
          others={others}
          missing={`Begin with more than ${shortPercent(share)}: ${NOTHING_COMPARED}`}
        />
      </details>
    ),
  }
}

const missingEvidence = ({ row, rollout, report }: ActionsProps): string | null => {
  const progress = rolloutProgress(row, report, rollout)
  if (progress === null || progress.mayStep) return null
  const needed = whole(report?.stepCapital ?? rollout.stepCapital)
  const { evidence, waitsFor } = progress
  if (evidence === null)
    return `Enter a larger stage without evidence: no answers of this stage were compared yet, and evidence of ${needed} is needed.`
  const found = `it is ${capitalText(evidence.step)} after ${whole(evidence.stagePairs)} conversations of this stage, and ${needed} is needed`
  return `Enter a larger stage early. Evidence: ${[found, ...waitsFor.map(reasonText)].join('; ')}.`
}

const sharing = (props: ActionsProps, stage: RolloutStage): Decision => {
  const { row, model, rollout, report } = props
  const next = rollout.stages.find((share) => share > stage.share)
  const others = rollout.stages.filter((share) => share !== stage.share && share > 0)
  return {
    name: 'approve',
    verb: next === undefined ? 'Change the share' : 'Approve the next stage',
    says:
      next === undefined
        ? `Now ${sayStage(stage.share, rollout, model)} A smaller share takes effect at once.`
        : `With ${shortPercent(next)} ${sayStage(next, rollout, model)} A smaller share than now needs no evidence.`,
    reason: 'optional',
    tone: rolloutProgress(row, report, rollout)?.mayStep === true ? 'main' : 'plain',
    isRare: next === undefined,
    children: (
      <ShareFields
        usual={
          next === undefined ? null : { share: next, name: `${shortPercent(next)}, the next stage` }
        }
        others={others.filter((share) => share !== next)}
        missing={missingEvidence(props)}
      />
    ),
  }
}

const pausing = ({ model }: ActionsProps): Decision => ({
  name: 'pause',
  verb: 'Pause',
  says: `${model} answers everything until you resume it. Answers are still compared, and nothing is lost.`,
  reason: 'optional',
})

const resuming = ({ model, rollout }: ActionsProps, stage: RolloutStage): Decision => ({
  name: 'resume',
  verb: 'Resume',
  says: `As before the pause, ${sayStage(resumedStage(stage).share, rollout, model)}`,
  reason: 'optional',
  tone: 'main',
})

const rollingBack = ({ model }: ActionsProps): Decision => ({
  name: 'roll-back',
  verb: 'Roll back',
  says: `It is taken out of service at once. If it replaced another route, that one answers again; if not, ${model} answers everything.`,
  reason: 'required',
  tone: 'bad',
  children: (
    <label class="check">
      <input type="checkbox" name="keep" value="yes" /> No earlier route comes back: {model} answers
      everything.
    </label>
  ),
})

const rejecting = (): Decision => ({
  name: 'roll-back',
  verb: 'Reject',
  says: 'It never goes live. This is final; a new internalization can begin afterwards.',
  reason: 'required',
  tone: 'bad',
})

const again = ({ row }: ActionsProps): Decision => ({
  name: 'internalize',
  verb: 'Internalize again',
  says:
    row.state.name === 'live'
      ? 'A new one is trained on current traffic. This one stays live until the new one is approved.'
      : 'A new one is trained on current traffic and must pass the gate. The training occupies the engine.',
  reason: 'optional',
  tone: row.state.name === 'rejected' || row.state.name === 'failed' ? 'main' : 'plain',
  isRare: row.state.name === 'live',
})

const canGoLive = ({ state, verdict }: Internalization): boolean =>
  verdict?.verdict === 'promote' &&
  (state.name === 'approval' || (state.name === 'retired' && state.evidence === undefined))

/** @public for tests */
export const decisionsOf = (props: ActionsProps): Decision[] => {
  const { row } = props
  const { name } = row.state
  const stage = rolloutStageOf(row.state)
  const ofShare = (live: RolloutStage): Decision[] =>
    live.isPaused ? [resuming(props, live)] : [sharing(props, live), pausing(props)]
  return [
    ...(canGoLive(row) ? [approval(props)] : []),
    ...(stage === null ? [] : [...ofShare(stage), rollingBack(props)]),
    ...(name === 'candidate' || name === 'evaluating' || name === 'approval' ? [rejecting()] : []),
    ...(stage !== null || name === 'retired' || name === 'rejected' || name === 'failed'
      ? [again(props)]
      : []),
  ]
}

export const Actions = (props: ActionsProps) => {
  const { row, formToken, open } = props
  const decisions = decisionsOf(props)
  if (decisions.length === 0) return null
  const path = internalizationPath(row.id)
  const forms = (isShown: (decision: Decision) => boolean) =>
    decisions
      .filter(isShown)
      .map(({ name, isRare: _isRare, ...decision }) => (
        <Action
          {...decision}
          path={`${path}/${name}`}
          formToken={formToken}
          isOpen={name === open}
        />
      ))
  return (
    <section class="actions" aria-label="Decisions">
      {forms(({ isRare }) => isRare !== true)}
      {decisions.some(({ isRare }) => isRare === true) && (
        <details class="more" open={decisions.some(({ name, isRare }) => isRare && name === open)}>
          <summary>More</summary>
          <div class="actions">{forms(({ isRare }) => isRare === true)}</div>
        </details>
      )}
    </section>
  )
}
