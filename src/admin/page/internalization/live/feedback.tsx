/** What users say of a live route: the two sides compared, and all feedback by who answered. */
import type { FeedbackCounts } from '../../../../core/log/feedback.ts'
import type { OutcomeFigures } from '../../../../core/outcomes/outcome-figures.ts'
import { outcomeLines } from '../../../../core/outcomes/outcome-text.ts'
import { sentenceOf } from '../../../../core/reasons/say-reason.ts'
import { whole } from '../../../../core/figure-text.ts'
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

const Comparison = ({ bad, interval, margin }: OutcomeFigures) => {
  if (bad === null) return null
  const [lower, upper] = interval.map((difference) =>
    Math.min(1, Math.max(0, bad.audit + difference))
  ) as [number, number]
  return (
    <Interval
      name="Bad ratings on the small model’s side, given the audited rate:"
      interval={[lower, upper]}
      value={bad.lora}
      limits={[
        { name: 'audited side', at: bad.audit },
        { name: 'allowed at most', at: Math.min(1, bad.audit + margin) },
      ]}
    />
  )
}

interface FeedbackProps {
  figures: OutcomeFigures
  /** null before the verdict */
  counts: FeedbackCounts | null
}

export const Feedback = ({ counts, figures }: FeedbackProps) => {
  if (counts === null) return null
  const { lora, upstream } = counts
  if (lora.good + lora.bad + upstream.good + upstream.bad === 0) return null
  return (
    <>
      <h3>What users say</h3>
      {outcomeLines(figures).map((line) => (
        <p>{sentenceOf(line)}</p>
      ))}
      <Comparison {...figures} />
      <Counts {...counts} />
    </>
  )
}
