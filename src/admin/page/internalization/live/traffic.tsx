/** The newest requests of a live route: what became of them, and what they cost and took. */
import type { GroupFigures } from '../../../../core/cost/control-group.ts'
import type { ReasonCount } from '../../../../core/route/route-reasons.ts'
import type { RecentTraffic } from '../../../../savings/control-group.ts'
import { milliseconds, percent, usd, whole } from '../../parts/format.ts'
import { reasonText } from '../../parts/reason-text.ts'
import { numbers, Table } from '../../parts/table.tsx'
import { Line } from '../../parts/text.tsx'

const OUTCOMES: Record<ReasonCount['outcome'], string> = {
  answered: 'the small model answered',
  fallback: 'the small model was asked, the upstream answered',
  skipped: 'the upstream answered',
}

const Reasons = ({ reasons }: RecentTraffic) => {
  const all = reasons.reduce((sum, { requests }) => sum + requests, 0)
  return (
    <Table
      caption={`The newest ${whole(all)} requests by outcome`}
      columns={['Outcome', 'Because', ...numbers('Requests', 'Share')]}
      rows={reasons.map(({ outcome, reason, requests }) => [
        OUTCOMES[outcome],
        reason === null ? (
          ''
        ) : (
          <>
            <Line text={reasonText(reason)} />
            <small>
              <Line text={reason} />
            </small>
          </>
        ),
        whole(requests),
        percent(requests / all),
      ])}
      empty="The log has no request of this route yet."
    />
  )
}

const groupCells = ({ requests, meanUsd, medianMs }: GroupFigures) => [
  whole(requests),
  requests === 0 ? '' : meanUsd === null ? 'no price' : usd(meanUsd),
  medianMs === null ? '' : milliseconds(medianMs),
]

const savedText = ({ treated, control }: RecentTraffic['groups']): string | null => {
  if (treated.meanUsd === null || control.meanUsd === null || control.meanUsd === 0) return null
  const saved = 1 - treated.meanUsd / control.meanUsd
  const compared = `${percent(Math.abs(saved))} ${saved < 0 ? 'more' : 'less'}`
  return `A request costs ${compared} than an audited one, before engine and training.`
}

const Groups = ({ groups }: RecentTraffic) => {
  const { answered, fallback, treated, control } = groups
  if (treated.requests + control.requests === 0) return null
  const saved = savedText(groups)
  return (
    <>
      {saved !== null && <p>{saved}</p>}
      <Table
        caption="Cost and latency against the control group; conversations are assigned at random"
        columns={['Requests', ...numbers('Number', 'Mean cost', 'Median latency')]}
        rows={[
          ['the small model was asked', ...groupCells(treated)],
          ['of these, it answered', ...groupCells(answered)],
          ['of these, the upstream answered', ...groupCells(fallback)],
          ['control group: audited', ...groupCells(control)],
        ]}
      />
    </>
  )
}

export const Traffic = (traffic: RecentTraffic) => (
  <div class="stack">
    <Reasons {...traffic} />
    <Groups {...traffic} />
  </div>
)
