/** What users say of a live route: the two sides compared, and all feedback by who answered. */
import { capitalText } from '../../../../core/rollout/evidence-text.ts'
import type { FeedbackCounts } from '../../../../core/log/feedback.ts'
import type { OutcomeFigures } from '../../../../core/outcomes/outcome-figures.ts'
import { differenceText, unsureText } from '../../../../core/outcomes/outcome-text.ts'
import { Figures } from '../../parts/figures.tsx'
import { percent, whole } from '../../../../views/format.ts'
import { Interval } from '../../parts/interval.tsx'
import { numbers, Table } from '../../parts/table.tsx'

const Counts = ({ lora, upstream }: FeedbackCounts) => (
  <Table
    caption="Feedback of applications"
    columns={['Answers of', ...numbers('Good', 'Bad')]}
    rows={[
      ['the small model', whole(lora.good), whole(lora.bad)],
      ['the upstream', whole(upstream.good), whole(upstream.bad)],
    ]}
  />
)

const ofRated = (bad: number, conversations: number) => ({
  value: percent(bad),
  note: `of ${whole(conversations)} rated conversations`,
})

interface ComparisonProps {
  figures: OutcomeFigures
  /** at which the route is taken back */
  capital: number
}

const Comparison = ({ figures, capital }: ComparisonProps) => {
  const { bad, conversations, interval, margin, rollback } = figures
  if (bad === null) return null
  const [lower, upper] = interval.map((difference) =>
    Math.min(1, Math.max(0, bad.audit + difference))
  ) as [number, number]
  return (
    <>
      <Figures
        figures={[
          {
            name: 'Bad ratings on the small model’s side',
            ...ofRated(bad.lora, conversations.lora),
          },
          { name: 'Bad ratings on the audited side', ...ofRated(bad.audit, conversations.audit) },
          {
            name: 'Evidence for a rollback',
            value: capitalText(rollback),
            note: `decides at ${whole(capital)}`,
          },
        ]}
      />
      <Interval
        name="Bad ratings on the small model’s side, given the audited rate:"
        interval={[lower, upper]}
        value={bad.lora}
        limits={[
          { name: 'audited side', at: bad.audit },
          { name: 'allowed at most', at: Math.min(1, bad.audit + margin) },
        ]}
      />
      <p>Difference: {differenceText(figures)}.</p>
    </>
  )
}

interface FeedbackProps extends ComparisonProps {
  /** null before the verdict */
  counts: FeedbackCounts | null
}

export const Feedback = ({ counts, ...comparison }: FeedbackProps) => {
  if (counts === null) return null
  const { lora, upstream } = counts
  if (lora.good + lora.bad + upstream.good + upstream.bad === 0) return null
  const unsure = unsureText(comparison.figures)
  return (
    <>
      <h3>What users say</h3>
      <Comparison {...comparison} />
      {unsure !== null && <p>{unsure.slice(0, 1).toUpperCase() + unsure.slice(1)}.</p>}
      <Counts {...counts} />
    </>
  )
}
