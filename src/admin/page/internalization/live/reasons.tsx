/** What became of the newest requests of a live route, and why. */
import type { RouteOutcome, StoredRecord } from '../../../../core/log/record.ts'
import {
  winningLora,
  type Internalization,
} from '../../../../core/internalization/internalization.ts'
import type { Store } from '../../../../store/store.ts'
import { percent, whole } from '../../../../core/figure-text.ts'
import { reasonText } from '../../parts/reason-text.ts'
import { numbers, Table } from '../../parts/table.tsx'
import { Line } from '../../parts/text.tsx'

/** Answers of the lora that are looked at. */
const ANSWERS = 1_000
const PAGE = 1_000
/** bounds what is read where few requests are the lora's, as in a canary */
const MAX_PAGES = 5

/** The newest records of the template, without bodies, up to the lora's thousandth answer. */
const newestCalls = async (
  { records }: Pick<Store, 'records'>,
  templateVersion: string,
  lora: string
): Promise<StoredRecord[]> => {
  const calls: StoredRecord[] = []
  let answers = 0
  let after: number | undefined
  for (let page = 0; page < MAX_PAGES; page++) {
    const query = { templateVersion, order: 'desc', limit: PAGE, bodies: false } as const
    const read = await records.list({ ...query, ...(after === undefined ? {} : { after }) })
    after = read.at(-1)?.sequence
    // a move may have bought answers since, which are no calls
    const own = read.filter(({ bought }) => bought === undefined)
    for (const call of own) {
      calls.push(call)
      if (call.route?.lora !== lora || call.route.outcome !== 'answered') continue
      answers++
      if (answers === ANSWERS) return calls
    }
    // older records are from before the lora went live
    const isBefore = own.length > 0 && !own.some(({ route }) => route?.lora === lora)
    if (read.length < PAGE || isBefore) break
  }
  return calls
}

interface ReasonCount extends Pick<RouteOutcome, 'outcome' | 'reason'> {
  requests: number
}

/** Requests that matched the lora's route: the most frequent first. @returns null for an internalization without a lora */
export const loadReasons = async (
  store: Pick<Store, 'records'>,
  internalization: Internalization
): Promise<ReasonCount[] | null> => {
  const lora = winningLora(internalization)
  if (lora === null) return null
  const counts = new Map<string, ReasonCount>()
  for (const { route } of await newestCalls(store, internalization.templateVersion, lora)) {
    if (route?.lora !== lora) continue
    const { outcome, reason } = route
    const key = `${outcome} ${reason}`
    const count = counts.get(key) ?? { outcome, reason, requests: 0 }
    counts.set(key, { ...count, requests: count.requests + 1 })
  }
  return [...counts.values()].toSorted((a, b) => b.requests - a.requests)
}

const OUTCOMES: Record<ReasonCount['outcome'], string> = {
  answered: 'the small model answered',
  fallback: 'the small model was asked, the upstream answered',
  skipped: 'the upstream answered',
}

export const Reasons = ({ reasons }: { reasons: readonly ReasonCount[] }) => {
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
